"""Other test images and other labels for CIFAR-10: CIFAR-10.1, CIFAR-10-C, CIFAR-10N and CIFAR-10H."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib.data.arrays import array_digest, read_npy, read_npz
from lib.data.catalogue import advice as how_to_get
from lib.data.cifar import CIFAR10_CLASSES, cifar10
from lib.data.files import DamagedData, MissingData, SourceFile, combined_checksum, missing_message, require, set_aside
from lib.data.image_set import ImageSet
from lib.roots import data_root

CIFAR10_1_FILES = (
    SourceFile(
        "CIFAR-10.1/cifar10.1_v6_data.npy",
        "sha256:2997188e5816f5bd545dc77771b6227828c28146049fcecf3fa10775474cacc6",
        6_144_128,
    ),
    SourceFile(
        "CIFAR-10.1/cifar10.1_v6_labels.npy",
        "sha256:ae40beda001693674edc94d925ee8268cfe68905f8f9aff800c8dcdfcd6c9448",
        8_128,
    ),
)
HUMAN_LABELS = "cifar-10-batches-py/cifar10n.npz"
HUMAN_COUNTS = ("cifar-10-batches-py/cifar10h.npz", "cifar-10-batches-py/cifar10h-counts.npy")
HUMAN_LABEL_COLUMNS = {
    "aggregate": "aggre_label",
    "random1": "random_label1",
    "random2": "random_label2",
    "random3": "random_label3",
    "worse": "worse_label",
}
HUMAN_LABEL_DIGESTS = {
    "clean_label": "bdeae72c6d8c4774706451063cc894db902642a5a8e901557d78e269142f56ed",
    "aggre_label": "339826b012e5d15add2d43209caa3332754845868d8a8a2048e32f9a528b1812",
    "worse_label": "fa80c86fc9cd95c174abc0479d7cc9754c8c80b8d35a8c553cb1f3c5990545d0",
    "random_label1": "080ebf9bcf8c3976d63a209c9e5382ad8f4816bf72ca8bef45553e159cd65784",
    "random_label2": "18d855bd4bf5982ff53c36aba167f97ffe6b3c877884db9ac325096c1b539f36",
    "random_label3": "4c660dcffaad761d3ddb2f8b46c6a6a44bf2191496e2adba104ff07ff1e08941",
}
HUMAN_COUNTS_DIGEST = "f863c51e38ec2cc982130884120e0a584f7df50ab282cdcf5ec1e7eacc8b7223"
PER_SEVERITY = 10_000


def cifar10_1(root: Path, part: str, advice: str) -> ImageSet:
    """CIFAR-10.1, version 6 (Recht et al. 2018): a new test set of 2,000 images, (2000, 3, 32, 32) uint8."""
    pixel_path, label_path = require("cifar10.1", CIFAR10_1_FILES, root, advice)
    images = torch.from_numpy(np.load(pixel_path, allow_pickle=False)).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(np.load(label_path, allow_pickle=False).astype(np.int64))
    return ImageSet(images, labels, CIFAR10_CLASSES, "cifar10.1", combined_checksum(CIFAR10_1_FILES, "cifar10.1"), part)


def cifar10_n(kind: str, root: Path, part: str, advice: str) -> ImageSet:
    """CIFAR-10 whose training labels are those of human annotators (Wei et al. 2022); the test part is the usual one.

    Args:
        kind: "aggregate" (9 % of labels differ from the clean ones), "random1", "random2", "random3" (17 to 18 %) or
            "worse" (40 %).
        root: folder of the data sets.
        part: "train" or "test".
        advice: how to get the set.
    """
    images = cifar10(root, part, how_to_get("cifar10"))
    images = replace(images, name=f"cifar10n-{kind}")
    if part == "test":
        return images
    path = root / HUMAN_LABELS
    if not path.is_file():
        raise MissingData(missing_message("cifar10n", [HUMAN_LABELS], root, advice))
    column = HUMAN_LABEL_COLUMNS[kind]
    labels = read_npz(path, {column: HUMAN_LABEL_DIGESTS[column]})[column]
    return images.with_labels(torch.from_numpy(labels.astype(np.int64)))


def cifar10_h(root: Path | str | None = None) -> Tensor:
    """Label counts of about 51 annotators for each CIFAR-10 test image (Peterson et al. 2019): (10000, 10) float32.

    Divide each row by its sum for the published soft labels.
    """
    folder = Path(root) if root is not None else data_root()
    paths = [folder / name for name in HUMAN_COUNTS if (folder / name).is_file()]
    if not paths:
        raise MissingData(missing_message("cifar10h", HUMAN_COUNTS[1:], folder, how_to_get("cifar10h")))
    if paths[0].suffix == ".npz":
        counts = read_npz(paths[0], {"counts": HUMAN_COUNTS_DIGEST})["counts"]
    else:
        counts = read_npy(paths[0], how_to_get("cifar10h")).astype(np.uint8)
        if array_digest(counts) != HUMAN_COUNTS_DIGEST:
            raise DamagedData(f"cifar10h: not the published counts. {set_aside(paths[0])} {how_to_get('cifar10h')}")
    return torch.from_numpy(counts).float()


def cifar10_c(corruption: str, severity: int, root: Path | str | None = None) -> ImageSet:
    """One corruption of the CIFAR-10 test set at one severity, from the benchmark's files: (10000, 3, 32, 32) uint8.

    Args:
        corruption: the name of a file in `CIFAR-10-C/` without its ending, e.g. "gaussian_noise".
        severity: 1 (slight) to 5 (strong).
        root: folder of the data sets; by default `REPLICATION_DATA` or `data/`.
    """
    if severity not in range(1, 6):
        raise ValueError(f"severity must be 1 to 5, found {severity}")
    folder = (Path(root) if root is not None else data_root()) / "CIFAR-10-C"
    missing = [name for name in (f"{corruption}.npy", "labels.npy") if not (folder / name).is_file()]
    if missing:
        there = ", ".join(sorted(path.stem for path in folder.glob("*.npy") if path.stem != "labels")) or "none"
        raise MissingData(f"{missing_message('cifar10-c', missing, folder, how_to_get('cifar10-c'))} There: {there}.")
    rows = slice((severity - 1) * PER_SEVERITY, severity * PER_SEVERITY)
    path = folder / f"{corruption}.npy"
    pixels = read_npy(path, how_to_get("cifar10-c"), mmap_mode="r")[rows]
    labels = read_npy(folder / "labels.npy", how_to_get("cifar10-c"))[rows].astype(np.int64)
    if pixels.shape != (PER_SEVERITY, 32, 32, 3) or pixels.dtype != np.uint8:
        advice = f"{set_aside(path)} {how_to_get('cifar10-c')}"
        raise DamagedData(f"cifar10-c: {corruption}.npy is not (50000, 32, 32, 3) uint8. {advice}")
    if labels.shape != (PER_SEVERITY,) or labels.min() < 0 or labels.max() > 9:
        raise DamagedData(f"cifar10-c: labels.npy is not (50000,) of 0 to 9. {set_aside(folder / 'labels.npy')}")
    images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    name = f"cifar10-c {corruption} {severity}"
    return ImageSet(images, torch.from_numpy(labels), CIFAR10_CLASSES, name, array_digest(pixels), "test")
