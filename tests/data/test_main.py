import hashlib
import os
import subprocess
import sys

import pytest

from lib.data.__main__ import main
from lib.data.catalogue import EXTRA_FILES, FACTS


@pytest.mark.slow
def test_list_as_a_command(root):
    (root / "MNIST" / "raw").mkdir(parents=True)
    for path in FACTS["mnist"].paths:
        (root / path).write_bytes(b"")
    command = [sys.executable, "-X", "importtime", "-m", "lib.data", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    lines = result.stdout.splitlines()
    assert lines[0] == f"data root: {root}"
    assert [line.split()[0] for line in lines[2:]] == [*FACTS, *EXTRA_FILES]
    by_name = {line.split()[0]: line for line in lines[2:]}
    assert "embedded" in by_name["digits"] and "1,297" in by_name["digits"]
    assert "there" in by_name["mnist"]
    assert "missing, 170 MB" in by_name["cifar10"] and "50,000" in by_name["cifar10"]
    assert "by hand" in by_name["imagenet32"]
    # What is slow to import is imported only where it is needed.
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in result.stderr.splitlines()}
    assert "torch" in imported
    assert not imported & {"torchvision", "sklearn", "matplotlib", "pandas", "scipy"}


def test_get_of_what_is_there_does_nothing(root, capsys):
    (root / "dtd" / "dtd" / "images").mkdir(parents=True)
    assert main(["get", "digits", "textures-sample"]) == 0
    assert capsys.readouterr().out == "digits: needs no download\ntextures-sample: is there\n"


def test_get_of_what_needs_hands_says_how_and_prints_checksums(root, capsys):
    (root / "imagenet32").mkdir()
    (root / "imagenet32" / "val_data.npz").write_bytes(b"some file")
    assert main(["get", "imagenet32"]) == 1
    errors = capsys.readouterr().err
    assert "image-net.org" in errors
    assert "train_data_batch_1.npz: missing" in errors
    assert f"val_data.npz: sha256:{hashlib.sha256(b'some file').hexdigest()}" in errors


def test_get_without_a_network_fails_with_the_reason(monkeypatch, capsys):
    import urllib.error

    def refuse(*arguments, **options):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    assert main(["get", "digits", "mnist"]) == 1
    output = capsys.readouterr()
    assert "digits: needs no download" in output.out
    assert "no network" in output.err


@pytest.mark.parametrize("arguments", [[], ["get"], ["list", "x"], ["fetch", "mnist"], ["get", "mnits"]])
def test_wrong_usage(arguments, capsys):
    assert main(arguments) == 2
    assert "usage:" in capsys.readouterr().err
