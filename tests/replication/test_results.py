"""How results are written: what was put in comes out again, and a diff shows the key whose numbers changed."""

import json

import pytest

from lib.replication.results import read_result, write_result
from lib.roots import repository

RECORDED = sorted((repository() / "papers").glob("*/recorded/*/*.json"))
NESTED = {
    "values": {"gap/ä": [0.1, 2, -3e-300], "empty": [], "none": {}},
    "rows": [["a", None], [True, 1e22]],
    "arms": [{"arm": "fit", "seeds": 3}],
    "text": 'a "quoted" line\nand another',
}


def test_what_is_written_is_read_again(tmp_path):
    write_result(tmp_path / "1.json", NESTED)
    assert read_result(tmp_path / "1.json") == NESTED


def test_a_list_of_plain_values_stands_beside_its_key(tmp_path):
    write_result(tmp_path / "1.json", NESTED)
    lines = (tmp_path / "1.json").read_text().splitlines()
    assert lines[0] == "{" and lines[-1] == "}"
    of_values = lines[lines.index(' "values": {') + 1 :][:3]
    assert of_values == ['  "empty": [],', '  "gap/ä": [0.1, 2, -3e-300],', '  "none": {}']
    assert lines[lines.index(' "rows": [') :][:4] == [' "rows": [', '  ["a", null],', "  [true, 1e+22]", " ],"]


def test_a_number_that_is_not_finite_is_refused_and_the_file_stays(tmp_path):
    write_result(tmp_path / "1.json", {"a": [1.0]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(tmp_path / "1.json", {"a": [float("nan")]})
    assert read_result(tmp_path / "1.json") == {"a": [1.0]}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: "/".join(path.parts[-4:]))
def test_recorded_results_are_written_so_and_would_be_again(path, tmp_path):
    content = json.loads(path.read_text())
    write_result(tmp_path / "again.json", content)
    assert json.loads((tmp_path / "again.json").read_text()) == content
    assert (tmp_path / "again.json").read_text() == path.read_text(), "write it anew with write_result"
