import pytest
import torch

from lib.data.noise_sets import gaussian_blur
from lib.data.perturbations import NOISE, PERTURBATIONS, sequence


@pytest.fixture
def images(generator):
    """Smooth colour pictures, away from black and white."""
    return gaussian_blur(torch.rand(6, 3, 32, 32, generator=generator), 1.5).mul(2).sub(0.5).clamp(0.2, 0.8)


def frames_of(images, kind, seed=0):
    return torch.stack(list(sequence(images, kind, torch.Generator().manual_seed(seed), frames=6)))


@pytest.mark.parametrize("kind", PERTURBATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_frames_are_images_and_the_same_for_a_seed(kind, channels, images):
    given = (images[:, :channels] * 255).to(torch.uint8)
    before = given.clone()
    frames = frames_of(given, kind)
    assert frames.shape == (6, *given.shape) and frames.dtype == torch.float32
    assert frames.min() >= 0 and frames.max() <= 1
    assert torch.equal(given, before) and torch.equal(frames, frames_of(given, kind))


@pytest.mark.parametrize("kind", [kind for kind in PERTURBATIONS if kind not in NOISE])
def test_a_motion_begins_at_the_image_and_goes_on_in_small_steps(kind, images):
    frames = frames_of(images, kind)
    assert torch.allclose(frames[0], images, atol=1e-5)
    from_start = (frames - images).abs().mean((1, 2, 3, 4))
    steps = (frames[1:] - frames[:-1]).abs().mean((1, 2, 3, 4))
    assert (from_start[1:] > from_start[:-1]).all() and (steps > 0).all()
    assert steps.max() < 0.06


@pytest.mark.parametrize("kind", NOISE)
def test_noise_is_drawn_anew_in_every_frame_and_grows_no_larger(kind, images):
    frames = frames_of(images, kind)
    sizes = (frames - images).std((1, 2, 3, 4))
    assert sizes.max() < 1.1 * sizes.min()
    assert not torch.equal(frames[0], frames[1])


def test_a_translation_moves_by_whole_pixels_after_four_frames(images):
    """An image's own direction is its angle; along an axis four quarters are a pixel."""
    from lib.data.perturbations import translate

    along = translate(images, 4, torch.zeros(6), torch.Generator())
    assert torch.allclose(along[..., :, :-1], images[..., :, 1:], atol=1e-4)


def test_images_of_a_batch_move_in_different_directions(images):
    same = images[:1].expand(2, -1, -1, -1)
    one, other = frames_of(same, "translate")[-1]
    assert not torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "frames", "message"), [("rain", 5, "there are gaussian_noise"), ("tilt", 1, "at least 2")]
)
def test_bad_requests_are_refused(kind, frames, message, images):
    with pytest.raises(ValueError, match=message):
        next(sequence(images, kind, torch.Generator(), frames))
