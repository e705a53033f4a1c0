"""Nets, one file per family, plain modules that take images in [0, 1] or uint8 and scale them themselves."""

from lib.models.count import parameter_count
from lib.models.fast_resnet import fast_resnet
from lib.models.inputs import CentreCrop, PerImageWhitening, Standardise
from lib.models.lenet import lenet, small_lenet
from lib.models.mlp import mlp
from lib.models.recorded import recorded, recorded_nets
from lib.models.small_alexnet import small_alexnet
from lib.models.small_cnn import norm_free_cnn, small_cnn
from lib.models.small_inception import small_inception
from lib.models.small_resnet import small_resnet
from lib.models.vgg13 import vgg13
from lib.models.wide_resnet import wide_resnet

__all__ = [
    "CentreCrop",
    "PerImageWhitening",
    "Standardise",
    "fast_resnet",
    "lenet",
    "mlp",
    "norm_free_cnn",
    "parameter_count",
    "recorded",
    "recorded_nets",
    "small_alexnet",
    "small_cnn",
    "small_inception",
    "small_lenet",
    "small_resnet",
    "vgg13",
    "wide_resnet",
]
