"""What `5-fooling-images` derives from its runs: quantities of the rules, rows of its tables, frames of its figures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lib.replication.rows import Run, Runs, RunsOf, frame, per_seed, rows, tile

if TYPE_CHECKING:
    import pandas as pd

PARTS = {"direct encoding": "direct encoding", "cppn": "cppn", "mean image": "gradient ascent"}  # name -> part of F1
EVOLVED = ("direct encoding", "cppn")
SURE = {
    "median confidence": "median confidence",
    "lowest": "lowest confidence",
    "share of classes at 0.99": "share that is sure",
    "median log odds": "median log odds",
}

Values = dict[str, list[float]]


def quantities_of(made: RunsOf, seen: RunsOf, fooled: Runs) -> Values:
    """What F1, F2, F3, F6 and F9 compare: `made` how images were made -> runs, `seen` the same compared."""
    values = {
        "test accuracy of the fooled net": per_seed(fooled, "test accuracy"),
        "lowest class confidence by direct encoding": per_seed(made["direct encoding"], "lowest confidence"),
        "median confidence by cppn": per_seed(made["cppn"], "median confidence"),
        "lowest class confidence by gradient ascent": per_seed(made["mean image"], "lowest confidence"),
        "lowest class confidence from noise": per_seed(made["noise"], "lowest confidence"),
        "median confidence of evolved images": _mean([per_seed(made[name], "median confidence") for name in EVOLVED]),
    }
    for name, part in PARTS.items():
        values[f"median confidence/{part}"] = per_seed(made[name], "median confidence")
        values[f"distance to training images over that of test images/{part}"] = per_seed(seen[name], "distance ratio")
    for judge in ("same architecture", "other architecture"):
        shares = [per_seed(seen[name], f"same label/{judge}") for name in EVOLVED]
        values[f"share of fooling images with the same label/{judge}"] = _mean(shares)
    return values


def quantities_of_rounds(rounds: RunsOf) -> Values:
    """What F7 compares, each encoding by itself."""
    values: Values = {}
    for encoding, runs in rounds.items():
        medians, seen = per_seed(runs, "median confidence"), per_seed(runs, "seen through")
        values[f"median confidence before retraining/{encoding}"] = [of_seed[0] for of_seed in medians]
        values[f"median confidence after the last retraining/{encoding}"] = [of_seed[-1] for of_seed in medians]
        values[f"share of held-out fooling images seen through/{encoding}"] = [of_seed[-1] for of_seed in seen]
    return values


def paper_rows(made: RunsOf, rounds: RunsOf) -> dict[str, dict[str, list[float]]]:
    """Rows of the paper's table that are measured here, in per cent."""
    table = {
        f"digits, {title}": {"median confidence": _percent(per_seed(made[name], "median confidence"))}
        for name, title in (("direct encoding", "direct encoding"), ("cppn", "CPPN"))
    }
    if "cppn" in rounds:
        last = [of_seed[-1] for of_seed in per_seed(rounds["cppn"], "median confidence")]
        table["digits, retraining"] = {"median confidence": _percent(last)}
    return table


def confidence_rows(made: RunsOf, seen: RunsOf) -> dict[str, dict[str, list[Any]]]:
    """One row for each way to make images: how sure the net is, and how far they are from digits."""
    table = rows(made, SURE | {"generations until the median is sure": "generations until sure/median"})
    return {name: row | {"distance": per_seed(seen[name], "distance ratio")} for name, row in table.items()}


def random_rows(random: Runs, made: RunsOf, seen: RunsOf) -> dict[str, dict[str, list[Any]]]:
    """Images that nobody optimised; of what evolution begins with, also the best of a population for each class."""
    columns = ("mean confidence", "share that is sure")
    table: dict[str, dict[str, list[Any]]] = {
        name: {column: [run[name][column] for run in random] for column in columns} for name in random[0]
    }
    for name, runs in seen.items():
        table[f"{name}, pixels shuffled"] = {column: per_seed(runs, f"shuffled/{column}") for column in columns}
    for name, begun in (("direct encoding", "uniform noise"), ("cppn", "random CPPNs")):
        table[begun]["best of a class, median"] = per_seed(made[name], "best random image/median confidence")
    return table


def transfer_rows(seen: RunsOf, digits: Runs) -> dict[str, dict[str, list[Any]]]:
    """Which share of the images other nets give the same label, and of how many they are sure."""
    columns = {
        "same architecture": "same label/same architecture",
        "other architecture": "same label/other architecture",
    }
    sure = {f"{judge}, sure": f"sure of the same/{judge}" for judge in columns}
    return rows({**seen, "perturbed digits": digits}, columns | sure)


def ascent_rows(climbed: RunsOf, judged: RunsOf) -> dict[str, dict[str, list[Any]]]:
    """How sure the net is at each end of gradient ascent, how near that is to digits, and whether others see them."""
    table = rows(climbed, {"median confidence": "median confidence", "lowest": "lowest confidence"})
    seen = {f"same label, {judge}": f"same label/{judge}" for judge in ("same architecture", "other architecture")}
    told = rows(judged, {"distance": "distance ratio"} | seen)
    return {name: row | told[name] for name, row in table.items()}


def round_rows(rounds: RunsOf) -> dict[str, dict[str, list[Any]]]:
    """A row for each encoding and round."""
    columns = {
        "new images, median confidence": "median confidence",
        "generations until the median is sure": "generations until sure/median",
        "old images, median confidence": "old fooling images",
        "held-out fooling images seen through": "seen through",
        "test accuracy": "test accuracy",
    }
    return {
        f"{encoding}, {_round(number)}": {title: _at(runs, path, number) for title, path in columns.items()}
        for encoding, runs in rounds.items()
        for number in range(len(runs[0]["median confidence"]))
    }


def defence_rows(
    against: Mapping[str, RunsOf], nets: Mapping[str, Runs], seen: RunsOf
) -> dict[str, dict[str, list[Any]]]:
    """A row for each net and encoding, and what a temperature does to images that were made without it."""
    table: dict[str, dict[str, list[Any]]] = {}
    for name, by_encoding in against.items():
        for encoding, runs in by_encoding.items():
            table[f"{name}, {encoding}"] = {
                "confidence on test digits": per_seed(nets[name], "confidence on test images"),
                **{title: per_seed(runs, path) for title, path in SURE.items()},
                "generations until the median is sure": per_seed(runs, "generations until sure/median"),
            }
    for encoding in EVOLVED:
        of = {title: per_seed(seen[encoding], f"tempered/{path}") for title, path in SURE.items()}
        table[f"plain, tempered afterwards, {encoding}"] = of
    return table


def two_kinds(digits: Runs, made: RunsOf, seen: RunsOf) -> dict[str, dict[str, list[Any]]]:
    """Perturbed digits beside images that were made from nothing."""
    columns = {"median confidence": "median confidence", "distance to training images, over test": "distance ratio"}
    judged = {f"same label, {judge}": f"same label/{judge}" for judge in ("same architecture", "other architecture")}
    moved = rows({"perturbed digits": digits}, columns | judged)
    moved["perturbed digits"] |= {
        "change over length of the digit": [
            run["distance from the digit"] / max(run["length of a digit"], 1e-9) for run in digits
        ],
        "still its digit to the other architecture": per_seed(digits, "true label/other architecture"),
    }
    merged = {name: [{**a, **b} for a, b in zip(runs, seen[name], strict=True)] for name, runs in made.items()}
    return moved | rows({name: merged[name] for name in ("direct encoding", "cppn", "mean image")}, columns | judged)


def curves(made: RunsOf) -> "pd.DataFrame":
    """A line for each seed, encoding and generation: name, seed, generation, median confidence."""
    columns = {"generation": "curve/generation", "median confidence": "curve/median confidence"}
    return frame({name: made[name] for name in EVOLVED}, columns, name="name")


def rounds_frame(rounds: RunsOf) -> "pd.DataFrame":
    """A line for each encoding, seed, round and kind of image: name, seed, round, images, confidence."""
    import pandas as pd

    lines = [
        {"name": encoding, "seed": seed, "round": number, "images": images, "confidence": value}
        for encoding, runs in rounds.items()
        for seed, run in enumerate(runs)
        for images, path in (("evolved anew", "median confidence"), ("of earlier rounds", "old fooling images"))
        for number, value in enumerate(run[path])
        if number > 0 or images == "evolved anew"
    ]
    return pd.DataFrame(lines)


def gallery(made: RunsOf) -> "pd.DataFrame":
    """A line for each tile, of the first seed: row, column, shape, pixels, confidence."""
    import pandas as pd

    return pd.DataFrame(
        [
            placed(name, place, image) | {"confidence": confidence}
            for name, runs in made.items()
            for place, (image, confidence) in enumerate(zip(runs[0]["images"], runs[0]["confidence"], strict=True))
        ]
    )


def beside_each_other(digits: Run, made: RunsOf, count: int = 6) -> "pd.DataFrame":
    """Tiles of the first seed: digits, perturbed, what was changed, and fooling images of the class they became."""
    import pandas as pd

    lines: list[dict[str, Any]] = []
    for place, became in enumerate(digits["answers"][:count]):
        digit, moved = digits["digits"][place], digits["images"][place]
        before = digits["labels"][place]
        lines += [
            placed("a test digit", place, digit) | {"text": str(before)},
            placed("perturbed", place, moved) | {"text": f"{became}: {digits['confidence'][place]:.2f}"},
            placed("what was changed", place, ((moved - digit) / 2 + 0.5).clamp(0, 1)) | {"text": ""},
        ]
        for name in EVOLVED:
            run = made[name][0]
            text = f"{became}: {run['confidence'][became]:.4f}"
            lines.append(placed(name, place, run["images"][became]) | {"text": text})
    order = ["a test digit", "perturbed", "what was changed", *EVOLVED]

    def place_of(line: dict[str, Any]) -> tuple[int, int]:
        return order.index(line["row"]), line["column"]

    lines.sort(key=place_of)
    return pd.DataFrame(lines)


def placed(row: str, column: int, image: Any) -> dict[str, Any]:
    """An image (1, H, W) in [0, 1] as text, so that a result can hold it."""
    return {"row": row, "column": column, **tile((image * 255).round().byte())}


def _round(number: int) -> str:
    return "before" if number == 0 else f"round {number}"


def _at(runs: Runs, path: str, number: int) -> list[float]:
    head, _, rest = path.partition("/")
    found = [run[head][number] for run in runs]
    return [value[rest] for value in found] if rest else found


def _percent(values: Sequence[float]) -> list[float]:
    return [100 * value for value in values]


def _mean(of: Sequence[Sequence[float]]) -> list[float]:
    return [sum(of_seed) / len(of) for of_seed in zip(*of, strict=True)]
