import pytest
import torch

from lib.data.letters import DIGIT_LOOK_ALIKES
from lib.data.load import load
from lib.experiments.confidence_calibrated_ood.subjects import (
    augmentation,
    drawn_noise,
    in_distribution,
    in_shape,
    kinds,
    out_of_distribution,
    taken,
)

DIGIT = (1, 8, 8)


def names(images):
    return {images.classes[label] for label in images.labels.tolist()}


def rows(images):
    return {tuple(image.flatten().tolist()) for image in images}


@pytest.mark.parametrize("seed", [0, 1])
def test_seen_and_other_letters_share_no_letter_and_look_like_no_digit(seed):
    seen, other = (names(part) for part in kinds(load("letters", "train"), 0.5, seed))
    assert seen and other
    assert not {name.casefold() for name in seen} & {name.casefold() for name in other}
    assert not (seen | other) & set(DIGIT_LOOK_ALIKES)


def test_seeds_see_other_letters_and_all_splits_the_same():
    first, second = (names(kinds(load("letters", "train"), 0.5, seed)[0]) for seed in (0, 1))
    assert first != second
    assert names(kinds(load("letters", "test"), 0.5, 0)[0]) == first


def test_a_set_that_is_seen_whole_leaves_nothing_for_near():
    seen, other = kinds(load("letters", "test"), 1.0, 0)
    assert len(other) == 0
    assert len(names(seen)) == 52 - len(DIGIT_LOOK_ALIKES)
    with pytest.raises(ValueError, match="near/letters: no image is left"):
        taken(other, 10, 0, "near/letters")


def test_no_tested_image_is_among_the_outliers():
    pools, tested = out_of_distribution(DIGIT, 0, "letters", "patches", ["letters"], [], ["gaussian"], 0.5, 100)
    assert list(tested) == ["broad/letters", "narrow/patches", "near/letters", "noise/gaussian"]
    assert {name: len(images) for name, images in tested.items() if name != "broad/letters"} == {
        "narrow/patches": 100,
        "near/letters": 100,
        "noise/gaussian": 100,
    }
    pooled = rows(pools["broad"]) | rows(pools["narrow"])
    for images in tested.values():
        assert images.shape[1:] == DIGIT
        assert not rows(images) & pooled


def test_digits_are_divided_anew_with_each_seed_and_published_sets_are_not():
    fit, validation, test = in_distribution("digits", 0)
    assert (len(fit), len(validation), len(test)) == (797, 200, 800)
    assert not rows(fit.images) & rows(test.images)
    assert rows(in_distribution("digits", 1)[2].images) != rows(test.images)
    published = in_distribution("fake:cifar10", 0), in_distribution("fake:cifar10", 1)
    assert torch.equal(published[0][2].images, published[1][2].images)


def test_grey_strokes_get_two_colours():
    strokes = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
    strokes[:, :, 10:18, 10:18] = 255
    coloured = in_shape(strokes, (3, 32, 32), 0)
    assert coloured.shape == (3, 3, 32, 32) and coloured.dtype == torch.uint8
    assert (coloured.flatten(2).unique(dim=2).shape[2] <= 6) and not torch.equal(coloured[0], coloured[1])
    corner, middle = coloured[:, :, 0, 0], coloured[:, :, 16, 16]
    assert (corner != middle).any(dim=1).all()
    assert torch.equal(coloured, in_shape(strokes, (3, 32, 32), 0))
    assert in_shape(strokes, (1, 28, 28), 0) is strokes


def test_shapes_by_hand():
    """Colours to their mean, the middle of larger images."""
    image = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    image[0, :, 1:3, 1:3] = torch.tensor([30, 60, 90], dtype=torch.uint8)[:, None, None]
    grey = in_shape(image, (1, 2, 2), seed=0)
    assert grey.dtype == torch.uint8 and grey.tolist() == [[[[60, 60], [60, 60]]]]
    assert in_shape(image, (3, 4, 4), seed=0) is image


def test_outliers_have_the_shape_of_the_images_to_fit():
    """Photographs of another size and in colour beside grey digits, in training as in tests."""
    pools, tested = out_of_distribution((1, 28, 28), 0, "letters", "fake:svhn", [], ["fake:cifar10"], [], 0.5, 20)
    assert {images.shape[1:] for images in (*pools.values(), *tested.values())} == {(1, 28, 28)}
    assert all(images.dtype == torch.uint8 for images in pools.values())


def test_gaussian_noise_has_the_papers_spread():
    noise = drawn_noise("gaussian", 200, DIGIT, torch.Generator().manual_seed(0))
    at_the_ends = ((noise == 0) | (noise == 1)).double().mean().item()
    assert at_the_ends == pytest.approx(0.617, abs=0.02)  # P(|z| > 0.5) of a standard normal z


def test_photographs_are_turned_and_digits_left_alone():
    images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
    augment = augmentation("fake:cifar10")
    assert augment is not None
    assert augment(images, torch.Generator().manual_seed(0)).shape == images.shape
    assert augmentation("digits") is None
