"""Data sets by name, their splits, label and pixel corruption, and batched augmentation."""

from lib.data.augment import crop_and_flip, cutout, random_crop, random_crop_to, random_flip
from lib.data.files import DamagedData, MissingData
from lib.data.image_set import ImageSet, concatenate, to_float
from lib.data.labels import corrupt_labels, flip_noise, random_labels, uniform_noise
from lib.data.load import load, names
from lib.data.noise_sets import noise
from lib.data.splits import split, train_test

__all__ = [
    "DamagedData",
    "ImageSet",
    "MissingData",
    "concatenate",
    "corrupt_labels",
    "crop_and_flip",
    "cutout",
    "flip_noise",
    "load",
    "names",
    "noise",
    "random_crop",
    "random_crop_to",
    "random_flip",
    "random_labels",
    "split",
    "to_float",
    "train_test",
    "uniform_noise",
]
