"""What of the way to a cluster can be tested without one, and without Snakemake."""

import ast
import sys
from types import SimpleNamespace

import pytest
import yaml

from lib.roots import repository
from tests.cluster import one_node

PROFILES = repository() / "profiles"


def head_of_snakefile(monkeypatch, tmp_path, *arguments: str, **config: str) -> dict:
    """The names that the Python part of the Snakefile defines, when Snakemake reads it with these settings."""
    head, rules, _ = (PROFILES / "Snakefile").read_text(encoding="utf-8").partition("\nworkdir: ")
    assert rules
    monkeypatch.setenv("REPLICATION_OUTPUT", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["snakemake", *arguments])
    monkeypatch.setattr(sys, "path", list(sys.path))
    names = {"workflow": SimpleNamespace(basedir=str(PROFILES)), "config": {"python": sys.executable} | config}
    exec(compile(head, "Snakefile", "exec"), names)
    return names


def test_the_snakefile_lists_a_job_for_each_notebook_that_is_asked_for(monkeypatch, tmp_path):
    names = head_of_snakefile(monkeypatch, tmp_path, which="JEM/2 noisy-student", tier="gpu")
    assert names["MARKS"] == ["gpu/JEM/2.done", *(f"gpu/noisy-student/{number}.done" for number in range(1, 6))]
    assert names["PAPERS"] == {"JEM", "noisy-student"}
    state, minutes, megabytes, gpus = names["NEEDS"]["JEM/2"]
    assert state == "to-run" and minutes > 10 and megabytes > 1000 and gpus == 1


def test_within_a_job_the_snakefile_asks_about_that_job_alone(monkeypatch, tmp_path):
    arguments = ["--target-jobs", "notebook:name=JEM/3", "--mode", "remote"]
    names = head_of_snakefile(monkeypatch, tmp_path, *arguments, which="JEM noisy-student")
    assert names["MARKS"] == ["reduced/JEM/3.done"] and list(names["NEEDS"]) == ["JEM/3"]


def test_the_snakefile_is_short():
    assert len((PROFILES / "Snakefile").read_text(encoding="utf-8").splitlines()) <= 30


@pytest.mark.parametrize("executor", ["slurm", "kubernetes"])
def test_a_profile_names_its_executor_and_the_snakefile(executor):
    profile = yaml.safe_load((PROFILES / executor / "config.yaml").read_text(encoding="utf-8"))
    assert profile["executor"] == executor and (repository() / profile["snakefile"]).samefile(PROFILES / "Snakefile")
    assert profile["keep-going"] and profile["nolock"] and profile["rerun-incomplete"]


def test_nothing_in_lib_imports_snakemake():
    imported = set()
    for path in (repository() / "lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    assert {"torch", "yaml", "lib"} <= imported and "snakemake" not in imported


def test_slurm_is_installed_only_where_that_is_allowed_and_none_is_configured(monkeypatch, tmp_path):
    monkeypatch.delenv("ALLOW_SYSTEM_INSTALL", raising=False)
    assert "ALLOW_SYSTEM_INSTALL=1" in one_node.refusal()
    monkeypatch.setenv("ALLOW_SYSTEM_INSTALL", "1")
    monkeypatch.setattr(one_node.os, "geteuid", lambda: 0)
    monkeypatch.setattr(one_node.shutil, "which", lambda command: f"/usr/bin/{command}")
    monkeypatch.setattr(one_node, "CONFIGURATION", tmp_path / "slurm.conf")
    assert one_node.refusal() == ""
    one_node.CONFIGURATION.write_text("ClusterName=theirs\n")
    assert "left alone" in one_node.refusal()
    one_node.CONFIGURATION.write_text(one_node.SETTINGS.format(ours=one_node.OURS, host="h", folder="f", megabytes=1))
    assert one_node.refusal() == "", "what a killed test left is not someone's cluster"
