import zipfile
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lib.training.checkpoint import CheckpointMismatch, read_checkpoint, write_checkpoint
from lib.training.device import prepare

ABOUT = {"steps": 3, "fingerprint": "x"}
STATE: dict[str, Any] = {"step": 2, "momentum": torch.arange(4.0), "values": {"error": [(1, 0.5)]}}


def tied() -> Any:
    """Channels-last filters and one shared matrix."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "a": nn.Linear(2, 2), "norm": nn.BatchNorm2d(4)})
    model["b"] = model["a"]
    return prepare("cpu").place(model)


def test_everything_comes_back(tmp_path):
    model, path = tied(), tmp_path / "some" / "run.ckpt"
    write_checkpoint(path, ABOUT, model, STATE)
    other = tied()
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    state = read_checkpoint(path, ABOUT, other)
    assert state is not None
    assert state["step"] == 2 and state["values"] == STATE["values"]
    assert torch.equal(state["momentum"], STATE["momentum"])
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    assert other["conv"].weight.is_contiguous(memory_format=torch.channels_last)


def test_nothing_there(tmp_path):
    assert read_checkpoint(tmp_path / "none", ABOUT, tied()) is None


def test_any_zip_tool_opens_it(tmp_path):
    write_checkpoint(tmp_path / "run.ckpt", ABOUT, tied(), STATE)
    assert zipfile.ZipFile(tmp_path / "run.ckpt").namelist() == ["about.json", "weights.safetensors", "state.pt"]


def test_mismatch_names_what_differs(tmp_path):
    write_checkpoint(tmp_path / "run.ckpt", ABOUT, tied(), STATE)
    with pytest.raises(CheckpointMismatch, match=r"\(fingerprint: 'x' there, 'y' here; lr: None there, 1 here\)"):
        read_checkpoint(tmp_path / "run.ckpt", {"steps": 3, "fingerprint": "y", "lr": 1}, tied())


def test_nothing_is_unpickled_but_plain_values(tmp_path):
    """Even with a matching checksum a checkpoint cannot run code."""

    class Malicious:
        def __reduce__(self):
            return (print, ("code ran",))

    path = tmp_path / "run.ckpt"
    write_checkpoint(path, ABOUT, tied(), {"x": Malicious()})
    with pytest.raises(Exception, match="Weights only load failed"):
        read_checkpoint(path, ABOUT, tied())


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "run.ckpt"
    write_checkpoint(path, ABOUT, tied(), STATE)
    return path.read_bytes()


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_changed_byte_or_missing_end_is_detected(data, content, tmp_path_factory):
    position = data.draw(st.integers(0, len(content) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                content[:position],
                content[:position]
                + bytes([content[position] ^ data.draw(st.integers(1, 255))])
                + content[position + 1 :],
                content + b"\0",
            ]
        )
    )
    path = tmp_path_factory.mktemp("damaged") / "run.ckpt"
    path.write_bytes(damaged)
    assert read_checkpoint(path, ABOUT, tied()) is None
    assert not path.exists() and len(list(path.parent.iterdir())) == 1
