"""Held to AVX2 wherever something is computed, lifted by one variable, refused where torch was there first."""

import json
import os
import platform
import subprocess
import sys

import pytest

from lib.roots import repository
from tests.reference import chance_explains

ON_X86 = platform.machine().lower() in ("x86_64", "amd64")  # ARM has no AVX2 to hold to
TOLD = "import json, os; print(json.dumps([os.environ.get(n) for n in ('ATEN_CPU_CAPABILITY', 'ONEDNN_MAX_CPU_ISA')]))"


def python(code, **variables):
    outside = {k: v for k, v in os.environ.items() if k not in ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=repository(), env=outside | variables, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("variables", "held"),
    [
        ({}, ["avx2", "AVX2"]),
        ({"REPLICATION_NATIVE": "1"}, [None, None]),
        ({"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}, ["default", "SSE41"]),
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
    assert told == key == "AVX2, oneDNN AVX2"
    assert "oneDNN SSE41" in other.stdout and "AVX2, " not in other.stdout


def test_chance_explains_what_it_may_and_a_wrong_net_it_does_not():
    seeds = [0.89, 0.84, 0.80, 0.86, 0.79]
    assert chance_explains(seeds, seeds)
    assert chance_explains(seeds, [0.90, 0.83, 0.81, 0.85, 0.80])
    assert not chance_explains(seeds, [0.10, 0.12, 0.09, 0.11, 0.10])
    assert not chance_explains([1.0] * 3, [0.1] * 3) and chance_explains([1.0] * 3, [1.0, 0.998, 1.0])
    assert not chance_explains(seeds, [float("nan")] * 5) and not chance_explains(seeds, seeds[:4])


if not ON_X86:  # no case, rather than one that is skipped
    for name in [name for name in globals() if name.startswith("test_") and "chance" not in name]:
        del globals()[name]
