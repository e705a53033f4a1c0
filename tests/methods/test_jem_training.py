"""JEM's training: killed and resumed bit for bit, rolled back after a divergence, given up in the end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lib.methods.jem import Guard
from lib.methods.jem_training import JointRun, Rescue, got_past
from lib.methods.sgld import ReplayBuffer
from lib.training.checkpoint import CheckpointMismatch
from lib.training.device import Compute
from tests.methods.small_jem import STEPS, PoisonOnce, fingerprint, jitter, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def whole() -> str:
    return fingerprint(*run())


class Crash(Exception):
    pass


def crash_at(call: int):
    poison = PoisonOnce(10**9)

    def augment(images, generator):
        if poison.calls == call:
            raise Crash
        return poison(images, generator)

    return augment


def test_same_arguments_same_bits_and_another_seed_others(whole):
    assert fingerprint(*run()) == whole
    assert fingerprint(*run(seed=4)) != whole


@pytest.mark.parametrize("call", [3, 10, 37, STEPS - 1])
def test_crashed_anywhere_and_run_again_gives_the_same_bits(tmp_path, whole, call):
    path = tmp_path / "run.ckpt"
    with pytest.raises(Crash):
        run(path, augment=crash_at(call))
    assert path.exists() == (call >= 10)  # the first segment's end is the first checkpoint
    assert fingerprint(*run(path)) == whole


def test_a_finished_run_is_not_repeated_and_another_run_is_refused(tmp_path, whole):
    path = tmp_path / "run.ckpt"
    run(path)
    assert fingerprint(*run(path, augment=crash_at(0))) == whole
    with pytest.raises(CheckpointMismatch, match="seed"):
        run(path, seed=4)


@pytest.mark.slow
def test_kill_9_in_the_middle_and_run_again(tmp_path):
    """Three times, in a run with rollbacks of its own: weights, buffer, trace and record are the undisturbed run's."""
    command = [sys.executable, "-m", "tests.methods.small_jem", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["divergences"] and found["endings"] == [-9, -9, -9]
    assert found["killed"] == found["whole"]


def test_an_injected_nan_is_one_recorded_rollback_and_the_run_finishes(whole):
    model, done = run(augment=PoisonOnce(25))
    assert done.step == STEPS
    (found,) = done.divergences
    assert (found["step"], found["back_to"], found["cause"]) == (24, 20, "not finite")
    assert len(done.trace) == STEPS + 4  # the four sane steps that were undone are kept as data
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert done.buffer.images.isfinite().all()
    assert fingerprint(model, done) != whole  # another seed from there on


def test_what_a_diverged_segment_did_is_undone():
    """Up to the rollback the run is that of a run which ends there, to the bit: weights, moments and buffer."""
    kept: dict[str, int] = {}

    def poisoned_in_the_third_segment(images, generator):
        kept["calls"] = kept.get("calls", 0) + 1
        return images * float("nan") if kept["calls"] > 20 else jitter(images, generator)

    given_up = run(augment=poisoned_in_the_third_segment, rescue=Rescue(segment=10, restarts=0))
    short = run(steps=20)
    assert given_up[1].step == 20 and len(given_up[1].divergences) == 1
    assert torch.equal(given_up[1].buffer.images, short[1].buffer.images)
    for mine, theirs in zip(given_up[0].parameters(), short[0].parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("look_every", [3, 4, 10, 50])
def test_a_guard_that_looks_now_and_then_finds_the_same_and_undoes_as_much(look_every):
    """As on a GPU: a good run to the bit, one that meets a NaN, and one that drifts."""
    seldom: dict[str, Any] = {"compute": Compute(torch.device("cpu"), look_every=look_every)}
    drifting: dict[str, Any] = {
        "guard": lambda: Guard(drift=-1.0, patience=4),
        "rescue": Rescue(segment=10, restarts=2),
    }
    nothing: dict[str, Any] = {}
    for options in (nothing, drifting):
        assert fingerprint(*run(**options, **seldom)) == fingerprint(*run(**options))
    poisoned, each = (run(augment=PoisonOnce(25), **how)[1] for how in (seldom, {}))
    assert poisoned.divergences == each.divergences and len(poisoned.divergences) == 1
    assert poisoned.step == STEPS and len(poisoned.trace) == len(each.trace)


def test_a_drifting_gap_is_a_divergence_and_hopeless_runs_are_given_up():
    _, done = run(guard=lambda: Guard(drift=-1.0, patience=4), rescue=Rescue(segment=10, restarts=2))
    assert done.step == 0
    assert [(d["step"], d["cause"]) for d in done.divergences] == [(3, "drift")] * 3


def test_the_learning_rate_falls_with_each_restart():
    slow, fast = (run(augment=PoisonOnce(5), rescue=Rescue(10, 8, rate), steps=20)[0] for rate in (1e-9, 1.0))
    torch.manual_seed(1)
    start = run(steps=0)[0]
    moved = [
        sum((a - b).abs().sum().item() for a, b in zip(net.parameters(), start.parameters(), strict=True))
        for net in (slow, fast)
    ]
    assert moved[0] < 1e-4 < 1e-2 < moved[1]


@pytest.mark.parametrize(
    ("step", "places", "past"),
    [
        (100, [], []),
        (100, [30], [True]),
        (100, [95], []),  # the run ended five steps later, which tells nothing
        (100, [30, 95], [True]),
        (100, [30, 35], [False, True]),
        (100, [30, 80], [True, True]),
        (20, [30, 31, 32], [False, False]),  # given up: the last one had no restart
    ],
)
def test_got_past(step, places, past):
    done = JointRun(ReplayBuffer(1, (1, 1, 1), torch.Generator()), step, [], [{"step": place} for place in places])
    assert got_past(done, margin=10) == past
