"""Artefacts: what is read back is what was built; damage of any byte is found; builders do not meet."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.experiments.rethinking_generalization import expressivity as arms
from lib.experiments.rethinking_generalization import regularisers
from lib.replication.artefacts import Artefact, DamagedArtefact, pack, unpack

VALUE = {"weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}, "error": 0.1, "list": [1, "x", None]}
ARGUMENTS = {"seed": 0, "dataset": "digits", "n_images": [8, 16]}


def _equal(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return type(a) is type(b) and a == b


def test_a_tree_of_tensors_and_plain_values_comes_back_bit_for_bit():
    value, provenance = unpack(pack(VALUE, {"seconds": 1.5}))
    assert _equal(value, VALUE) and provenance == {"seconds": 1.5}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text() | st.floats(-1e300, 1e300),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
        max_leaves=10,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_plain_tree_comes_back(tree):
    assert unpack(pack(tree, {}))[0] == tree


def test_tied_tensors_can_be_kept():
    tied = torch.ones(3)
    assert _equal(unpack(pack({"a": tied, "b": tied}, {}))[0], {"a": tied, "b": tied})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {1, 2}, object()])
def test_what_cannot_be_kept_is_refused_by_name(bad):
    with pytest.raises(TypeError, match="value/x"):
        pack({"x": bad}, {})


def test_every_flipped_byte_and_every_truncation_is_found():
    content = pack(VALUE, {"seconds": 1.5})
    for position in range(0, len(content), 7):
        flipped = bytearray(content)
        flipped[position] ^= 1
        try:
            value, provenance = unpack(bytes(flipped))
        except DamagedArtefact:
            continue
        # A flip in the padding or spelling of the header that leaves the meaning alone is no damage.
        assert _equal(value, VALUE) and provenance == {"seconds": 1.5}
    for length in range(0, len(content), 11):
        with pytest.raises(DamagedArtefact):
            unpack(content[:length])


@pytest.fixture
def output(tmp_path, monkeypatch):
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path))
    return tmp_path


def test_a_second_call_reads_what_the_first_built(output, monkeypatch):
    first = Artefact(arms.theorem_1, ARGUMENTS).value()
    monkeypatch.setattr(arms, "memorise", None)  # a rebuild would now fail
    assert _equal(Artefact(arms.theorem_1, ARGUMENTS).value(), first)


def test_a_damaged_artefact_is_moved_aside_named_and_built_again(output, capsys):
    artefact = Artefact(arms.theorem_1, ARGUMENTS)
    first = artefact.value()
    content = bytearray(artefact.path.read_bytes())
    content[-1] ^= 1
    artefact.path.write_bytes(bytes(content))
    again = artefact.value()
    assert again["error"] == first["error"]
    assert artefact.path.name in capsys.readouterr().err
    assert len(list(output.glob("artefacts/*.damaged-*"))) == 1


def test_arguments_seed_and_device_are_part_of_the_key(output):
    keys = {
        Artefact(arms.theorem_1, ARGUMENTS).key,
        Artefact(arms.theorem_1, ARGUMENTS | {"seed": 1}).key,
        Artefact(arms.theorem_1, ARGUMENTS | {"dataset": "fake:digits"}).key,
        Artefact(arms.theorem_1, ARGUMENTS | {"device": "cuda"}).key,
        Artefact(arms.corollary_1, ARGUMENTS).key,
    }
    assert len(keys) == 5


def test_an_artefact_as_argument_is_built_first_and_passed_on_as_its_value(output):
    inner = Artefact(arms.theorem_1, ARGUMENTS)
    outer = Artefact(arms.theorem_1, ARGUMENTS | {"n_images": [8], "seed": 2})
    nested = Artefact(_fake_build_target(), {"first": inner, "second": outer})
    assert nested.key and not inner.path.exists()
    assert nested.value()["errors"] == [inner.value()["error"], outer.value()["error"]]


def _fake_build_target():
    """A function that passes for one of lib's."""

    def joined(first, second):
        return {"errors": [first["error"], second["error"]]}

    joined.__module__, joined.__qualname__ = "lib.experiments.rethinking_generalization.expressivity", "joined"
    return joined


def _built(folder):
    os.environ["REPLICATION_OUTPUT"] = folder
    return Artefact(arms.theorem_1, ARGUMENTS).value()["error"]


@pytest.mark.slow
def test_two_processes_at_once_build_one_artefact(output):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(_built, [str(output)] * 2)
    assert first == second
    assert len(list(output.glob("artefacts/*.safetensors"))) == 1
    assert not list(output.glob("artefacts/.*.part"))


@pytest.mark.slow
def test_killed_while_it_writes_an_artefact_leaves_the_old_state_and_a_rerun_completes(output):
    script = textwrap.dedent(f"""
        import os, pathlib, sys
        import lib.files
        from lib.experiments.rethinking_generalization import expressivity as arms
        from lib.replication.artefacts import Artefact
        print("ready", flush=True)
        real = os.fsync
        def slow(descriptor):
            print("writing", flush=True)
            import time; time.sleep(60)
        lib.files.os.fsync = slow
        Artefact(arms.theorem_1, {ARGUMENTS!r}).value()
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert any(line.strip() == "writing" for line in lines)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    artefact = Artefact(arms.theorem_1, ARGUMENTS)
    assert not artefact.path.exists()
    started = time.perf_counter()
    assert artefact.value()["wrong"] == [0, 0]
    assert time.perf_counter() - started < 30  # the lock died with its holder


@pytest.mark.slow
def test_seconds_before_a_kill_count_when_the_build_goes_on(output):
    arguments = {
        "seed": 0, "dataset": "digits", "learner": "mlp 1x512", "augmentations": ["crop"], "weight_decay": 0.0,
        "dropout": 0.0, "noise_share": 1.0, "relative_rate": 1.0, "last_rate": 0.1, "n_images": 500,
        "n_held_out_images": 200, "n_test_images": 500, "n_epochs": 300, "curve_points": 4, "device": "cpu",
    }  # fmt: skip
    script = textwrap.dedent(f"""
        from lib.experiments.rethinking_generalization import regularisers
        from lib.replication import artefacts
        artefacts.KEPT_EVERY = 0.1
        artefacts.Artefact(regularisers.trained, {arguments!r}).value()
    """)
    artefact = Artefact(regularisers.trained, arguments)
    kept = artefact.path.with_suffix(".partial-seconds")
    process = subprocess.Popen([sys.executable, "-c", script])
    while not kept.exists() or float(kept.read_text()) < 0.5:
        assert process.poll() is None, "ended before it could be killed: give it more epochs"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before, started = float(kept.read_text()), time.process_time()
    _, cost = artefact.value_and_cost()
    assert 0 <= before + time.process_time() - started - cost.seconds < 0.5
    assert not list(output.glob("artefacts/*partial*"))
    assert artefact.value_and_cost()[1] == cost and cost.peak_memory > 50_000_000
