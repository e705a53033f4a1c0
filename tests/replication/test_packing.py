"""What travels back from a machine without internet: finished nets, and all that lets an unfinished one go on."""

import tarfile

from lib.replication.bundle import pack_results


def test_progress_travels_whole_and_nothing_that_is_damaged_or_half_written(tmp_path, monkeypatch):
    output = tmp_path / "output"
    (output / "artefacts").mkdir(parents=True)
    progress = {"fit-1.partial", "fit-1.partial.0.1tune", "widths-2.partial-ridges", "fit-1.partial-seconds"}
    others = {"fit-1.lock", ".fit-1.partial.x1.part", "fit-3.partial.damaged-20260101-000000"}
    for name in {"net-0.safetensors"} | progress | others:
        (output / "artefacts" / name).write_bytes(b"content")
    monkeypatch.setenv("REPLICATION_OUTPUT", str(output))
    (part,) = pack_results(tmp_path, artefacts=True)
    with tarfile.open(part) as archive:
        assert set(archive.getnames()) == {f"artefacts/{name}" for name in {"net-0.safetensors"} | progress}
