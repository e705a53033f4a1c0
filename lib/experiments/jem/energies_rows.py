"""What `1-energies` makes of the measured values beyond rows by path: its histogram and its maps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lib.experiments.jem.energies import BOX, LINE_BINS
from lib.methods import plane
from lib.replication.rows import tile

if TYPE_CHECKING:
    import pandas as pd

Runs = list[dict[str, Any]]  # one per seed
COLOURS = torch.tensor([[0.0, 0.45, 0.70], [0.87, 0.56, 0.02], [0.01, 0.62, 0.45]])  # of the classes, colour-blind safe


def histogram_frame(sampled: Mapping[str, Runs]) -> "pd.DataFrame":
    """Density of the left pixel, first seed: columns setting ("exact" among them), z, density."""
    import pandas as pd

    middles = [(2 * i + 1) / LINE_BINS - 1 for i in range(LINE_BINS)]
    exact = next(iter(sampled.values()))[0]["one pixel, exact"]
    lines = {"exact p(x)": exact, **{name: runs[0]["one pixel"] for name, runs in sampled.items()}}
    return pd.DataFrame(
        [
            {"setting": name, "z": z, "density": d}
            for name, line in lines.items()
            for z, d in zip(middles, line, strict=True)
        ]
    )


def maps_frame(maps: Mapping[str, Tensor]) -> "pd.DataFrame":
    """Maps of the box as tiles: columns name, shape, pixels (hexadecimal bytes, top row first).

    A map is log p (n n,), drawn by p over its largest value, or p(y|x) (n n, K), drawn by the classes' colours.
    """
    import pandas as pd

    return pd.DataFrame([{"name": name, **averaged(values)} for name, values in maps.items()])


def averaged(values: Tensor) -> dict[str, str]:
    """One map, averaged over 2 x 2 cells."""
    side = BOX[1]
    shown = values @ COLOURS if values.ndim == 2 else (values - values.max()).exp()[:, None]  # (n n, 1 or 3)
    image = shown.T.reshape(1, -1, side, side).flip(2)  # bottom row last
    small = (255 * torch.nn.functional.avg_pool2d(image, 2)[0]).round().to(torch.uint8)
    return tile(small)


def maps_of_shifts(run: dict[str, Any]) -> dict[str, Tensor]:
    """The classifier of one seed, what p(x) cross-entropy left it with, and two that a shift gives it."""
    z = plane.points(plane.grid(*BOX).images).float()
    return {
        "p(y|x) of all three": run["p(y|x)"],
        "p(x) after cross-entropy": run["log p(x) of the net"],
        "p(x) shifted to a ring": plane.ring(z),
        "p(x) shifted to one bump": plane.bump(z),
    }


def maps_of_learning(nets: Mapping[str, Runs]) -> dict[str, Tensor]:
    """What the data follow, and p(x) at T = 1 of each net; first seed."""
    hills = next(iter(nets.values()))[0]["log p(x) of the hills"]
    return {"the data": hills, **{name: runs[0]["log p(x) of the net"] for name, runs in nets.items()}}
