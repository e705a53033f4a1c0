"""Held to AVX2 wherever something is computed, lifted by one variable, refused where torch was there first."""

import json
import os
import platform
import subprocess
import sys

import pytest

from lib.instruction_set import HELD, OF_INTEL, computing, maker, unlike_others
from lib.roots import repository
from tests.reference import chance_explains

ON_X86 = platform.machine().lower() in ("x86_64", "amd64")  # ARM has no AVX2 to hold to
HOLDS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")
TOLD = f"import json, os; print(json.dumps([os.environ.get(name) for name in {HOLDS}]))"


def python(code, **variables):
    outside = {k: v for k, v in os.environ.items() if k not in HOLDS}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=repository(), env=outside | variables, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("variables", "held"),
    [
        ({}, ["avx2", "AVX2", "AVX2"]),
        ({"REPLICATION_NATIVE": "1"}, [None, None, None]),
        ({"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}, ["default", "SSE41", "AVX2"]),
    ],
)
def test_importing_lib_holds_the_instruction_set_unless_told_otherwise(variables, held):
    assert json.loads(python(f"import lib; {TOLD}", **variables).stdout) == held


def test_torch_that_came_first_with_wider_vectors_is_refused():
    fake = "import sys, types; torch = types.ModuleType('torch'); sys.modules['torch'] = torch\n"
    fake += "cpu = types.SimpleNamespace(get_cpu_capability=lambda: '{}')\n"
    fake += "torch.backends = types.SimpleNamespace(cpu=cpu)\nimport lib"
    refused = python(fake.format("AVX512"))
    assert refused.returncode == 1 and "torch was imported before lib and computes with AVX512" in refused.stderr
    assert python(fake.format("AVX2")).returncode == 0
    assert python(fake.format("AVX512"), REPLICATION_NATIVE="1").returncode == 0


def test_what_really_computed_is_in_keys_and_provenance():
    code = "from lib.replication.provenance import hardware; from lib.replication.artefacts import surroundings\n"
    code += "print(hardware('cpu')['capability'], '|', surroundings({})['instruction set'])"
    pinned, other = python(code), python(code, ATEN_CPU_CAPABILITY="default", ONEDNN_MAX_CPU_ISA="SSE41")
    told, key = (part.strip() for part in pinned.stdout.split("|"))
    assert told == key == (OF_INTEL if maker() == "GenuineIntel" else HELD)
    assert "oneDNN SSE41" in other.stdout and "AVX2, " not in other.stdout


def test_intels_processors_and_amds_are_two_families_and_both_can_be_recorded(monkeypatch):
    """MKL multiplies with kernels of its own on AMD's, so a reference of one family binds no machine of the other."""
    families = {}
    for vendor in ("GenuineIntel", "AuthenticAMD", "HygonGenuine", ""):
        monkeypatch.setattr("lib.instruction_set.maker", lambda vendor=vendor: vendor)
        families[vendor] = computing()
        assert unlike_others() == ""
    assert families.pop("GenuineIntel") == OF_INTEL and set(families.values()) == {HELD}
    monkeypatch.setattr("lib.instruction_set.maker", lambda: "GenuineIntel")
    monkeypatch.delenv("MKL_ENABLE_INSTRUCTIONS")
    assert "computed with AVX2, oneDNN AVX2, MKL unbounded for Intel" in unlike_others()


def test_chance_explains_what_it_may_and_a_wrong_net_it_does_not():
    seeds = [0.89, 0.84, 0.80, 0.86, 0.79]
    assert chance_explains(seeds, seeds)
    assert chance_explains(seeds, [0.90, 0.83, 0.81, 0.85, 0.80])
    assert not chance_explains(seeds, [0.10, 0.12, 0.09, 0.11, 0.10])
    assert not chance_explains([0.89, 0.82, 0.81], [0.10, 0.10, 0.10])  # three seeds, as most notebooks have
    assert not chance_explains([1.0] * 3, [0.1] * 3) and chance_explains([1.0] * 3, [1.0, 0.998, 1.0])
    assert not chance_explains(seeds, [float("nan")] * 5) and not chance_explains(seeds, seeds[:4])


if not ON_X86:  # no case, rather than one that is skipped
    for name in [name for name in globals() if name.startswith("test_") and "chance" not in name]:
        del globals()[name]
