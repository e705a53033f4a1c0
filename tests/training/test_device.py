import random

import numpy as np
import pytest
import torch

from lib.models import small_cnn
from lib.training.device import (
    Compute,
    derived_seed,
    own_randomness,
    prepare,
    rng_state,
    seed_everything,
    set_rng_state,
)

CPU = torch.device("cpu")


def test_auto_is_a_device_that_is_there():
    compute = prepare()
    assert compute.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert compute.precision == ("bfloat16" if torch.cuda.is_available() else "float32")
    assert not torch.backends.cudnn.allow_tf32


def test_reduced_precision_is_for_a_gpu():
    for precision in ("bfloat16", "tf32"):
        with pytest.raises(ValueError, match="GPU"):
            prepare("cpu", precision)
    with pytest.raises(ValueError, match="auto, float32, tf32, bfloat16, found 'half'"):
        prepare("cpu", "half")


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match='"cuda:1" was asked for'):
        prepare("cuda:1")
    assert prepare("auto").device == CPU


def test_what_is_decided_for_a_gpu_and_for_a_cpu(monkeypatch):
    assert prepare("cpu") == Compute(CPU, "float32", look_every=1, graphs=False)
    assert str(prepare("cpu")) == "cpu, float32"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for supported, precision in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, s=supported: s)
        compute = prepare("cuda")
        assert (compute.precision, compute.look_every, compute.graphs) == (precision, 20, False)
    monkeypatch.setenv("REPLICATION_CUDA_GRAPHS", "1")
    assert prepare("cuda").graphs and prepare("cuda", "float32").precision == "float32"
    assert "training in float32" in str(prepare("cuda")) and "every 20 steps, CUDA graphs on" in str(prepare("cuda"))
    assert not prepare("cpu").graphs


def test_threads():
    before = torch.get_num_threads()
    try:
        prepare("cpu", threads=2)
        assert torch.get_num_threads() == 2
        prepare("cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_tensor_float_lasts_for_the_step_only():
    compute = prepare("cpu")
    asked = type(compute)(CPU, "tf32")
    with asked.tensor_float():
        assert torch.backends.cudnn.allow_tf32 and torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    with compute.tensor_float():
        assert not torch.backends.cudnn.allow_tf32


def test_place_keeps_the_parameters_an_optimiser_holds():
    model = small_cnn(3)
    before = list(model.parameters())
    prepare("cpu").place(model)
    assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
    assert before[3].is_contiguous(memory_format=torch.channels_last)


def test_one_seed_seeds_all():
    def draws():
        generator = seed_everything(7)
        return random.random(), np.random.rand(), torch.rand(1).item(), torch.rand(1, generator=generator).item()

    first = draws()
    assert draws() == first
    assert first[2] != first[3]  # the generator has a stream of its own


def test_seeds_out_of_range():
    with pytest.raises(ValueError, match="found -1"):
        seed_everything(-1)


def test_derived_seeds_differ():
    seeds = {derived_seed(seed, purpose) for seed in range(20) for purpose in range(20)}
    assert len(seeds) == 400


def test_own_randomness_leaves_torchs_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = torch.rand(1)
    with own_randomness(0, CPU) as generator:
        inside = torch.rand(1), torch.rand(1, generator=generator)
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)
    with own_randomness(0, CPU) as generator:
        assert (torch.rand(1), torch.rand(1, generator=generator)) == inside


def test_rng_state_brings_both_generators_back():
    generator = torch.Generator().manual_seed(1)
    state = rng_state(generator, CPU)
    drawn = torch.rand(3), torch.rand(3, generator=generator)
    set_rng_state(state, generator, CPU)
    assert torch.equal(torch.rand(3), drawn[0]) and torch.equal(torch.rand(3, generator=generator), drawn[1])
