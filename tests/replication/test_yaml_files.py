"""YAML 1.2: a number is read as it is written, and only `true` and `false` are truth values."""

import json

import pytest
import yaml

from lib.replication.notebooks import papers
from lib.replication.yaml_files import read_yaml
from lib.roots import repository


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1e-3", 1e-3), ("1E5", 1e5), ("-1e-05", -1e-5), ("2.5e-4", 2.5e-4), (".5", 0.5), ("5.", 5.0)),
        *(("010", 10), ("-007", -7), ("+7", 7), ("0", 0)),
        *(("1:30", "1:30"), ("1_000", "1_000"), ("0x10", "0x10"), ("2024-01-01", "2024-01-01")),
        *(("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("true", True), ("False", False)),
        *(("", None), ("~", None), ("null", None), ("crop and flip", "crop and flip"), ("'3'", "3")),
        *(("[1e-3, 010, no]", [1e-3, 10, "no"]), ("a:\nb: 1e1", {"a": None, "b": 10.0})),
    ],
)
def test_a_value_is_what_it_looks_like(text, value):
    found = read_yaml(text, "here")
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("value", [1e-3, -2.5e-7, 1e300, 0, -12, 123456789, True, None, "a: b", [1, [2.5, "x"]]])
def test_json_is_read_back(value):
    assert read_yaml(json.dumps(value), "here") == value


def test_what_is_not_yaml_says_where():
    with pytest.raises(ValueError, match="-p seeds is not valid YAML"):
        read_yaml("[1, 2", "-p seeds")
    with pytest.raises(ValueError, match="'a' is given twice"):
        read_yaml("a: 1\na: 2", "here")


@pytest.mark.parametrize("paper", papers(repository()))
def test_no_number_of_a_paper_depends_on_the_version_of_yaml(paper):
    """An editor or a tool with PyYAML's own rules reads the same from our files."""
    files = sorted((repository() / "papers" / paper).rglob("*.yaml"))
    assert len(files) >= 4
    for file in files:
        assert read_yaml(file.read_text(), file.name) == yaml.safe_load(file.read_text()), file
