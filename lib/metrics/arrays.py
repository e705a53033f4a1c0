"""What every metric does first: turn lists, arrays or tensors into checked float64 arrays, or say what is wrong."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

ROUNDING = 4e-3  # how far a probability row may miss 1: a softmax in bfloat16 (8 bits) does by half of this


def as_array(values: ArrayLike, name: str, *, ndim: int) -> Floats:
    """The values as a float64 array of `ndim` dimensions, not empty and without NaN or infinity.

    Args:
        values: numbers: a list, an array, or a torch tensor of any device and precision (its graph is left alone).
        name: what the caller calls them, for the error message.
        ndim: the number of dimensions asked for.

    Raises:
        ValueError: not numbers, another number of dimensions, empty, or not finite.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()  # NumPy itself knows no bfloat16
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a rectangular array of numbers: {error}") from error
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension(s), found shape {array.shape}; flatten or stack it first")
    if array.size == 0:
        raise ValueError(f"{name} is empty (shape {array.shape}); a metric needs at least one value")
    _require_finite(array, name)
    return array


def _require_finite(array: Floats, name: str) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        where = ", ".join(str(i) for i in np.argwhere(~finite)[0])
        found = f"{np.count_nonzero(~finite)} of {array.size} values are NaN or infinite, the first at index {where}"
        raise ValueError(f"{name} must be finite, found that {found}; correct what produced them, none is left out")


def as_labels(labels: ArrayLike, name: str, *, count: int, classes: int) -> Integers:
    """Class indices 0 .. classes - 1 as an int64 array of shape (count,)."""
    array = as_array(labels, name, ndim=1)
    if len(array) != count:
        raise ValueError(f"{name} has {len(array)} entries for {count} predictions; pass one label for each")
    indices = array.astype(np.int64)
    if (indices != array).any() or indices.min() < 0 or indices.max() >= classes:
        found = f"values from {array.min():g} to {array.max():g}"
        raise ValueError(f"{name} must be whole numbers from 0 to {classes - 1}, found {found}")
    return indices


def as_probabilities(probabilities: ArrayLike, name: str = "probabilities") -> Floats:
    """Class probabilities as a float64 array of shape (N, K), each row in [0, 1] and summing to 1 up to rounding."""
    array = as_array(probabilities, name, ndim=2)
    low, high, total = array.min(), array.max(), np.einsum("ik->i", array)  # faster than .sum(axis=1) on short rows
    if low < 0 or high > 1 + ROUNDING or np.abs(total - 1).max() > ROUNDING:
        found = f"values from {low:g} to {high:g}, row sums from {total.min():g} to {total.max():g}"
        raise ValueError(f"{name} must be rows that sum to 1, found {found}; if these are logits, apply softmax first")
    return array


def as_confidence(confidence: ArrayLike, name: str = "confidence") -> Floats:
    """Confidences in [0, 1] as a float64 array (N,); the 1e-6 by which a float32 softmax may exceed 1 is cut off."""
    array = as_array(confidence, name, ndim=1)
    low, high = array.min(), array.max()
    if low < 0 or high > 1 + 1e-6:
        raise ValueError(f"{name} must lie in [0, 1], found values from {low:g} to {high:g}; percent or logits?")
    return np.minimum(array, 1.0) if high > 1 else array


def as_correct(correct: ArrayLike, *, count: int) -> Booleans:
    """Whether each of `count` answers was right, from booleans or 0 and 1, as a boolean array of shape (count,)."""
    if isinstance(correct, np.ndarray) and correct.dtype == np.bool_ and correct.shape == (count,):
        return correct
    array = as_array(correct, "correct", ndim=1)
    if len(array) != count:
        raise ValueError(f"correct has {len(array)} entries for {count} confidences; pass one for each")
    right = array == 1
    if not (right | (array == 0)).all():
        found = f"values from {array.min():g} to {array.max():g}"
        raise ValueError(f"correct must hold only 0 and 1 (or booleans), found {found}; labels instead of hits?")
    return right


def choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """The value, if it is one of those allowed; the error names them all."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, found {value!r}")
    return value
