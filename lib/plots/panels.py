"""One look for every figure: the seaborn theme, and the panels of this run and of the recorded one.

A drawing is a function `draw(frame, axes)` of a tidy frame, so that a recorded result is drawn by the same code as this
run's. Intervals are our own (t over seeds), never seaborn's bootstrap.
"""

import base64
import hashlib
import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[["pd.DataFrame", "Axes"], None]
PANEL = (5.2, 3.6)  # inches
WIDE = (10.4, 3.0)  # a panel that takes the width of the page
TITLE = 52  # characters of a title that fit over a panel
UNDER_THE_LABEL = 38  # points from a panel's lower edge past its ticks and label
COLOURS = 256  # of a stored picture, which has a third of the bytes then


def theme() -> None:
    """The one seaborn theme: colour-blind safe, light grid, readable at 800 pixels."""
    import seaborn as sns

    sns.set_theme(style="whitegrid", palette="colorblind", context="notebook", rc={"figure.dpi": 100, "font.size": 11})


def side_by_side(panels: dict[str, "pd.DataFrame"], draw: Draw, subject: str = "", *, wide: bool = False) -> None:
    """Draw each frame in a panel of its own, titled with where it comes from, and show the figure of a `subject`.

    A `wide` panel is as wide as the page; then they are one above the other.
    """
    import matplotlib.pyplot as plt

    theme()
    width, height = WIDE if wide else PANEL
    rows, columns = (len(panels), 1) if wide else (1, len(panels))
    size = (width * columns, height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for (title, frame), place in zip(panels.items(), axes.flat, strict=True):
        draw(frame, place)
        _entitle(place, title)
    _on_one_scale(list(axes.flat))
    # The last panel is this run, whose numbers are compared by themselves; the others come from elsewhere.
    recorded = hashlib.sha256("".join(frame.to_csv() for frame in list(panels.values())[:-1]).encode()).hexdigest()
    about = f"figure: {'; '.join(panels)}" + (f" ({recorded[:8]})" if len(panels) > 1 else "")
    show(figure, about, f"{subject}. {'; '.join(panels)}" if subject else "")


def _on_one_scale(places: list["Axes"]) -> None:
    """Give panels of one quantity the same vertical range, so that heights can be compared across them."""
    alike = len({(place.get_ylabel(), place.get_yscale()) for place in places}) == 1
    if alike and not any(place.yaxis_inverted() or place.yaxis.have_units() for place in places):
        low, high = zip(*(place.get_ylim() for place in places), strict=True)
        for place in places:
            place.set_ylim(min(low), max(high))


def _entitle(axes: "Axes", title: str) -> None:
    """Set the title of a panel, in as many lines as it needs so as not to run into the next."""
    axes.set_title(textwrap.fill(title, TITLE), fontsize=10)


def half_width(seeds: "pd.Series[float]") -> float:
    """Half the 90 % t interval of a mean over seeds; 0 for a single one, which has none."""
    from scipy.stats import t

    count = len(seeds)
    return float(t.ppf(0.95, count - 1) * seeds.std(ddof=1) / count**0.5) if count > 1 else 0.0


def show(figure: "Figure", about: str, alt: str = "") -> None:
    """Display a figure as a small PNG and close it; `about` stands where no picture can, and tells pictures apart.

    `alt` is what a screen reader reads, `about` where it is empty.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display
    from PIL import Image

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", bbox_inches="tight")
    plt.close(figure)
    # Maximum coverage keeps the colour of a line of few pixels; the usual median cut gives it that of another line.
    method, dither = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
    picture = Image.open(full).convert("RGB").quantize(COLOURS, method, dither=dither)
    picture.save(small, format="png", optimize=True)
    data = {"image/png": base64.b64encode(small.getvalue()).decode(), "text/plain": about}
    display(data, metadata={"image/png": {"alt": alt or about}}, raw=True)


def save_svg(path: Path, caption: str, draw: Draw, frame: "pd.DataFrame", *, wide: bool = False) -> None:
    """Draw one frame into an SVG whose bytes depend on the data alone: fixed salt, no date."""
    import matplotlib.pyplot as plt

    theme()
    with plt.rc_context({"svg.hashsalt": "five-papers", "svg.fonttype": "none"}):
        figure, axes = plt.subplots(figsize=WIDE if wide else PANEL, layout="constrained")
        draw(frame, axes)
        _entitle(axes, caption)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def legend_below(axes: "Axes", across: float = 0.5, handles: "Sequence[Artist] | None" = None, **how: Any) -> None:
    """A legend under the label of the horizontal axis, however high the panel is.

    Args:
        axes: the panel, its label and ticks set.
        across: where the middle of the legend lies, 0 the left and 1 the right end of the panel.
        handles: what it names; by default all that has a label.
        **how: as for `Axes.legend`.
    """
    from matplotlib.transforms import ScaledTranslation

    figure = axes.get_figure(root=True)
    assert figure is not None
    down = ScaledTranslation(0, -UNDER_THE_LABEL / 72, figure.dpi_scale_trans)
    how |= {"loc": "upper center", "bbox_to_anchor": (across, 0), "bbox_transform": axes.transAxes + down}
    axes.legend(**how) if handles is None else axes.legend(handles=handles, **how)
