"""What `1-decision-boundary` makes of its pictures and points: frames that a figure draws and a result keeps."""

from collections.abc import Mapping, Sequence
from typing import Any

SHOWN_POINTS = 150  # of a kind, in a picture
DECIMALS = 2  # of a coordinate, a hundredth of a standard deviation


def surface_frame(runs_of: Mapping[str, Sequence[Mapping[str, Any]]], views: Sequence[int], *, seed: int = 0) -> Any:
    """The decision surfaces of one seed, with the data and the outliers that made them, as a tidy frame.

    Columns: training; kind, "surface", "data" or "outlier"; view, half width of a picture, and line, its row from
    below, whose pixels are hexadecimal bytes, the probability of the second class from 00 to ff; x and y of a point.
    """
    import pandas as pd

    lines: list[dict[str, Any]] = []
    for training, runs in runs_of.items():
        run = runs[seed]
        for view in views:
            for line, pixels in enumerate(run["pictures"][str(view)].tolist()):
                about = {"kind": "surface", "view": view, "line": line, "pixels": bytes(pixels).hex()}
                lines.append({"training": training, **about, "x": 0.0, "y": 0.0})
        for kind, points in (("data", run["data"]), ("outlier", run["outliers"])):
            about = {"kind": kind, "view": 0, "line": 0, "pixels": ""}
            lines += [{"training": training, **about, **place} for place in places(points)]
    return pd.DataFrame(lines)


def samples_frame(runs_of: Mapping[str, Sequence[Mapping[str, Any]]], seeds: int = 3) -> Any:
    """Points of each generator and of its first seeds as a tidy frame: generator, seed, x, y."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"generator": generator, "seed": seed, **place}
            for generator, runs in runs_of.items()
            for seed, run in enumerate(runs[:seeds])
            for place in places(run["samples"])
        ]
    )


def places(points: Any) -> list[dict[str, float]]:
    """The first points (N, 2), rounded: x and y."""
    return [{"x": round(float(x), DECIMALS), "y": round(float(y), DECIMALS)} for x, y in points[:SHOWN_POINTS].tolist()]
