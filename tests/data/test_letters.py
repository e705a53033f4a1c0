import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lib.data import letters as module
from lib.data import letters_atlas
from lib.data.digits import digits
from lib.data.files import DamagedData


def test_letters_are_balanced_and_have_the_grey_levels_of_the_digits():
    letters = module.letters(6, seed=1)
    assert letters.images.shape == (312, 1, 8, 8)
    assert letters.labels.bincount().tolist() == [6] * 52
    assert set((letters.images * 16).unique().tolist()) <= set(range(17))


def test_letters_resemble_digits_in_brightness_and_contrast():
    letters, target = module.letters(20).images, digits().images
    assert abs(letters.mean() - target.mean()) < 0.12
    assert abs(letters.std() - target.std()) < 0.05


def test_every_letter_leaves_ink_and_no_two_pictures_are_the_same():
    images = module.letters(20).images.flatten(1)
    assert (images.sum(1) > 2).all()
    assert len(images.unique(dim=0)) > 0.97 * len(images)


def test_seeds_are_respected():
    first, again, other = (module.letters(2, seed) for seed in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert first.checksum == again.checksum
    assert not torch.equal(first.images, other.images)
    assert first.checksum != other.checksum


def test_classes_can_be_told_apart():
    """Nearest class mean on fresh pictures: far above the 2 % of chance."""
    train, test = module.letters(30, seed=0), module.letters(10, seed=1)
    means = torch.stack([train.images[train.labels == label].mean(0).flatten() for label in range(52)])
    guess = torch.cdist(test.images.flatten(1), means).argmin(1)
    assert (guess == test.labels).float().mean() > 0.4


def test_there_are_22_look_alikes_and_30_other_letters():
    assert len(set(module.DIGIT_LOOK_ALIKES)) == 22
    assert len(set(module.LETTERS) - set(module.DIGIT_LOOK_ALIKES)) == 30


def test_a_changed_atlas_is_refused(tmp_path, monkeypatch):
    with Image.open(Path(module.__file__).with_name("letters.png")) as picture:
        sheet = np.array(picture)
    sheet[10, 10] ^= 1
    Image.fromarray(sheet).save(tmp_path / "letters.png")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "letters.py"))
    with pytest.raises(DamagedData, match="atlas"):
        module.read_atlas()


def test_the_atlas_script_draws_the_same_glyphs():
    """Font libraries may move an edge, so a glyph is compared up to slight differences."""
    specification = importlib.util.find_spec("matplotlib")
    assert specification is not None and specification.origin is not None
    folder = Path(specification.origin).parent / "mpl-data" / "fonts" / "ttf"
    from PIL import ImageFont

    font = ImageFont.truetype(folder / "DejaVuSans.ttf", 128)
    stored = module.read_atlas()
    assert letters_atlas.FONTS[0] == "DejaVuSans"
    assert len(letters_atlas.FONTS) == module.LETTERS_FONTS
    for letter in "AgZ":
        drawn = np.array(letters_atlas.glyph(letter, font)).astype(float)
        kept = stored[module.LETTERS.index(letter), 0].numpy()
        assert np.abs(drawn - kept).mean() < 8
