"""Results at a glance: for every claim with a verdict, its effect in units of its margin, a panel for each paper."""

from pathlib import Path
from typing import TYPE_CHECKING

from lib.plots.panels import theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLOURS = {
    "reproduced": "#0173b2",
    "partly": "#56b4e9",
    "undecided": "#949494",
    "not reproduced": "#de8f05",
    "reversed": "#b3301e",
}
# What a claim says decides where its interval must lie: beyond 1, between -1 and 1, or above -1.
SHAPES = {"effect": "o", "equal": "s", "no harm": "^", "identity": "D"}
MEANINGS = {
    "effect": "an effect: beyond 1",
    "equal": "no difference: within ±1",
    "no harm": "no loss: above −1",
    "identity": "an identity: error up to 1",
}
LIMIT = 30.0  # margins; what lies further out is drawn at the edge
ROW, WIDTH = 0.2, 8.6  # inches for each claim, and for the picture
GAP = 2.2  # claims' worth of room for the title of a panel


def claims_of_a_paper(frame: "pd.DataFrame", axes: "Axes") -> None:
    """One paper's claims from top to bottom, each with its 90 % interval.

    Columns: claim, name, shape, status, effect, low, high; the last three in margins, low and high NaN for identities.
    """
    inside = frame.assign(**{name: frame[name].clip(-LIMIT, LIMIT) for name in ("effect", "low", "high")})
    for place, row in enumerate(inside.to_dict("records")):
        colour, bounds = COLOURS[row["status"]], [row["low"], row["high"]]
        axes.plot(bounds, [place, place], "-", color=colour, lw=2, solid_capstyle="butt")  # nothing where they are NaN
        axes.plot([row["effect"]], [place], SHAPES[row["shape"]], color=colour, ms=5, clip_on=False, zorder=3)
    axes.axvline(0, color="0.25", lw=0.8)
    axes.axvspan(-1, 1, color="0.93", zorder=0)
    axes.set_xscale("symlog", linthresh=1, linscale=0.7)
    axes.set(xlim=(-LIMIT, LIMIT), ylim=(len(frame) - 0.4, -0.6))
    axes.set_xticks([-10, -1, 0, 1, 10], ["−10", "−1", "0", "1", "10"], fontsize=8)
    axes.set_yticks(
        range(len(frame)), [f"{name}  {claim}" for claim, name in zip(frame["claim"], frame["name"], strict=True)]
    )
    axes.tick_params(axis="y", labelsize=8)
    axes.minorticks_off()
    axes.grid(axis="y", visible=False)


def results_at_a_glance(frame: "pd.DataFrame", path: Path, key: str) -> None:
    """Write the picture of the front page as SVG; `key` says which results it shows, and stands in its metadata.

    Columns: paper, and those of `claims_of_a_paper`.
    """
    import matplotlib.pyplot as plt

    theme()
    papers = list(frame["paper"].unique())
    rows = [int((frame["paper"] == name).sum()) for name in papers]
    with plt.rc_context({"svg.hashsalt": "five-papers", "svg.fonttype": "none"}):
        size = (WIDTH, ROW * (sum(rows) + GAP * len(rows)) + 1.2)
        figure, panels = plt.subplots(
            len(papers), 1, height_ratios=rows, figsize=size, squeeze=False, layout="constrained", sharex=True
        )
        for name, axes in zip(papers, panels[:, 0], strict=True):
            claims_of_a_paper(frame[frame["paper"] == name], axes)
            axes.set_title(name, fontsize=9, loc="left", fontweight="bold")
        figure.supxlabel("effect / smallest effect that matters, with its 90 % interval over seeds", fontsize=9)
        figure.legend(handles=_legend(frame), loc="outside upper center", ncols=4, fontsize=8, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None, "Description": key})
    plt.close(figure)


def _legend(frame: "pd.DataFrame") -> list[object]:
    from matplotlib.lines import Line2D

    colours = [
        Line2D([], [], color=colour, lw=3, label=status)
        for status, colour in COLOURS.items()
        if status in set(frame["status"])
    ]
    shapes = [
        Line2D([], [], color="0.3", marker=marker, ls="", ms=5, label=MEANINGS[shape])
        for shape, marker in SHAPES.items()
        if shape in set(frame["shape"])
    ]
    return [*colours, *shapes]
