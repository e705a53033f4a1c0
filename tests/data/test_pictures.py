import numpy as np
import pytest
import torch
from PIL import Image

from lib.data import pictures
from lib.data.files import DamagedData
from lib.data.pictures import centre_square, contents_digest, decode_all, half_rgb, rgb
from lib.roots import output_root


@pytest.fixture
def files(root):
    random = np.random.RandomState(0)
    (root / "set" / "class").mkdir(parents=True)
    for index in range(3):
        pixels = random.randint(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "set" / "class" / f"{index}.png")
    return [(path.name, path) for path in sorted((root / "set" / "class").glob("*.png"))]


def decodings(monkeypatch):
    calls = []
    original = pictures.decode

    def counted(*arguments):
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(pictures, "decode", counted)
    return calls


def test_pictures_are_decoded_once(files, monkeypatch):
    calls = decodings(monkeypatch)
    first, checksum = decode_all("made", files, rgb, "RGB")
    again, same = decode_all("made", files, rgb, "RGB")
    assert len(calls) == 3
    assert torch.equal(first, again) and checksum == same
    assert first.shape == (3, 3, 4, 4)
    assert first[1].permute(1, 2, 0).tolist() == np.array(Image.open(files[1][1])).tolist()


def test_a_changed_file_or_recipe_is_decoded_anew(files, monkeypatch):
    calls = decodings(monkeypatch)
    _, checksum = decode_all("made", files, rgb, "RGB")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(files[0][1])
    changed, other = decode_all("made", files, rgb, "RGB")
    assert changed[0].max() == 0 and other != checksum
    half, third = decode_all("made", files, half_rgb, "half")
    assert half.shape == (3, 3, 2, 2) and third not in (checksum, other)
    assert len(calls) == 9


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_damaged_decoded_pixels_are_not_used(files, monkeypatch, damage):
    calls = decodings(monkeypatch)
    first, _ = decode_all("made", files, rgb, "RGB")
    stored = output_root() / "decoded" / "made.safetensors"
    raw = stored.read_bytes()
    flipped = raw[:-1] + bytes([raw[-1] ^ 1])
    stored.write_bytes({"flipped": flipped, "truncated": raw[:-5], "empty": b""}[damage])
    again, _ = decode_all("made", files, rgb, "RGB")
    assert len(calls) == 6 and torch.equal(first, again)


def test_no_writable_output_root_means_decoding_every_time(files, tmp_path, monkeypatch):
    calls = decodings(monkeypatch)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path / "file" / "below"))
    for _ in range(2):
        assert len(decode_all("made", files, rgb, "RGB")[0]) == 3
    assert len(calls) == 6


def test_other_contents_than_the_known_ones_are_refused(files):
    digest = contents_digest(files)
    decode_all("made", files, rgb, "RGB", digest)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(files[0][1])
    with pytest.raises(DamagedData, match="not the published ones"):
        decode_all("made", files, rgb, "RGB", digest)


def test_a_file_that_is_no_picture_is_moved_aside(files):
    path = files[2][1]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DamagedData, match=r"2\.png\.damaged"):
        decode_all("made", files, rgb, "RGB")
    assert not path.exists() and path.with_name("2.png.damaged").exists()


def test_the_contents_digest_does_not_depend_on_the_folder(files, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    copies = [(name, moved / name) for name, _ in files]
    for (_, source), (_, copy) in zip(files, copies, strict=True):
        copy.write_bytes(source.read_bytes())
    assert contents_digest(copies) == contents_digest(files)
    assert contents_digest(copies[::-1]) != contents_digest(files)


def test_half_rgb_is_the_rounded_mean_of_blocks():
    pixels = np.random.RandomState(0).randint(0, 256, (6, 4, 3), dtype=np.uint8)
    expected = np.floor(pixels.reshape(3, 2, 2, 2, 3).mean((1, 3)) + 0.5)
    assert np.array_equal(half_rgb(Image.fromarray(pixels)), expected)


def test_centre_square_keeps_the_middle():
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 32:96] = 200  # the middle square
    result = centre_square(32)(Image.fromarray(pixels))
    assert result.shape == (32, 32, 3)
    assert result[:, 2:-2].min() == 200
    assert centre_square(32)(Image.new("L", (33, 300), 7)).shape == (32, 32, 3)
