"""An interrupted run goes on bit for bit, whatever ended it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from lib.models import small_cnn
from lib.training import CheckpointMismatch, muon, sgd
from tests.training.small_run import STEPS, data, fingerprint, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def whole() -> str:
    return fingerprint(*run())


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> bytes:
    """The checkpoint of the whole run."""
    path = tmp_path_factory.mktemp("finished") / "run.ckpt"
    run(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.training.killing", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


class Crash(Exception):
    pass


def crash_at(step):
    def hook(state):
        if state.step == step:
            raise Crash

    return hook


@pytest.mark.slow
def test_killed_at_random_moments(killed):
    assert killed["whole"]["endings"] == [0]
    endings = killed["random"]["endings"]
    assert endings[-1] == 0 and endings.count(-9) >= 3
    assert killed["random"]["fingerprint"] == killed["whole"]["fingerprint"]


@pytest.mark.slow
@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_killed_while_the_checkpoint_is_written(killed, function):
    assert killed[function]["endings"] == [-9, 0] and not killed[function]["early"]
    assert killed[function]["fingerprint"] == killed["whole"]["fingerprint"]


@pytest.mark.slow
def test_keyboard_interrupt_saves_and_is_raised(killed):
    assert killed["interrupt"]["endings"] == [130, 0] and killed["interrupt"]["saved"]
    assert killed["interrupt"]["fingerprint"] == killed["whole"]["fingerprint"]


def test_same_arguments_same_bits_and_another_seed_others(whole):
    assert fingerprint(*run()) == whole
    assert fingerprint(*run(seed=4)) != whole


def test_each_part_of_the_state_matters(tmp_path, whole):
    """Crash once in each run; with a checkpoint per step the end is that of the whole run."""
    for step in (1, 14, STEPS):
        path = tmp_path / f"{step}.ckpt"
        with pytest.raises(Crash):
            run(path, checkpoint_seconds=0.0, progress=crash_at(step))
        assert path.exists() == (step > 1)
        assert fingerprint(*run(path)) == whole


def test_a_finished_run_is_not_repeated(tmp_path, whole, finished):
    path = tmp_path / "run.ckpt"
    path.write_bytes(finished)
    assert fingerprint(*run(path, progress=crash_at(1), hooks=())) == whole


def test_times_and_images_are_sums_over_the_interruptions(tmp_path):
    path = tmp_path / "run.ckpt"
    with pytest.raises(Crash):
        run(path, checkpoint_seconds=0.0, progress=crash_at(20))
    _, history, _ = run(path)
    assert history.images == sum(16 if step % 5 < 4 else 6 for step in range(STEPS))
    assert 0 < history.compute_seconds < history.seconds


@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty", "other file"])
def test_a_damaged_checkpoint_is_set_aside_and_training_starts_again(tmp_path, whole, finished, capsys, damage):
    path, content = tmp_path / "run.ckpt", finished
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    damaged = {"truncated": content[:-100], "one bit": bytes(flipped), "empty": b"", "other file": b"a\nb"}[damage]
    path.write_bytes(damaged)
    assert fingerprint(*run(path)) == whole
    assert "run.ckpt is damaged" in capsys.readouterr().err
    aside = list(tmp_path.glob("run.ckpt.damaged-*"))
    assert len(aside) == 1 and aside[0].read_bytes() == damaged


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"fingerprint": "lr 0.2"}, "fingerprint: '' there, 'lr 0.2' here"),
        ({"steps": 41, "schedule": lambda step: 1 - step / STEPS}, "steps: 40 there, 41 here"),
        ({"batch_size": 8}, "batch_size: 16 there, 8 here"),
        ({"seed": 4}, "seed: 3 there, 4 here"),
        ({"drop_last": True}, "drop_last: False there, True here"),
        ({"schedule": None}, "schedule: "),
        ({"augment": None}, "augment: 'tests.training.small_run.jitter' there, '' here"),
        ({"loss": F.mse_loss}, "loss: 'torch.nn.functional.cross_entropy' there, 'torch.nn.functional.mse_loss' here"),
        ({"clip_norm": 1.0}, "clip_norm: None there, 1.0 here"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(tmp_path, finished, other, named):
    path = tmp_path / "run.ckpt"
    path.write_bytes(finished)
    with pytest.raises(CheckpointMismatch, match="delete it or name another file") as error:
        run(path, **other)
    assert named in str(error.value)
    assert path.exists()


def test_other_data_and_another_optimiser_are_another_run(tmp_path, finished):
    """Neither shows in a name: one pixel, one label, a learning rate, a momentum."""
    path = tmp_path / "run.ckpt"
    path.write_bytes(finished)
    torch.manual_seed(1)
    model = small_cnn(3, (6, 8, 10), in_channels=1, strides=(1, 2, 1), dropout=0.3)
    for optimiser, named in (
        (muon(model, 0.1, batch_size=16), "learning rates: [0.2, 0.5, 0.05] there, [0.1, 0.5, 0.05] here"),
        (muon(model, momentum=0.5, batch_size=16), "optimiser: 'Muon "),
        (sgd(model, 0.2), "optimiser: 'Muon "),
    ):
        with pytest.raises(CheckpointMismatch, match=re.escape(named)):
            run(path, optimiser=optimiser)
    for which in (0, 1):
        images_and_labels = data()
        images_and_labels[which][-1] = 0
        with pytest.raises(CheckpointMismatch, match="data: "):
            run(path, images=images_and_labels[0], labels=images_and_labels[1])
