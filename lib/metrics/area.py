"""Area under a curve of error against the strength of a corruption (Hendrycks et al. 2018 and 2019, label noise)."""

import numpy as np
from numpy.typing import ArrayLike

from lib.metrics.arrays import as_array


def mean_over_strengths(strengths: ArrayLike, errors: ArrayLike) -> float:
    """The area under the curve by trapezoids, divided by the range of strengths: the mean error over that range.

    With strengths from 0 to 1 it is the paper's area under the curve; with a single strength, the error there.

    Args:
        strengths: (S,), increasing.
        errors: (S,), error at each of them, in [0, 1].

    >>> mean_over_strengths([0.0, 0.5, 1.0], [0.0, 0.2, 0.8])
    0.3
    """
    at, error = as_array(strengths, "strengths", ndim=1), as_array(errors, "errors", ndim=1)
    if len(at) != len(error) or (np.diff(at) <= 0).any():
        raise ValueError(f"an error for each of increasing strengths is needed, found {list(at)} and {list(error)}")
    if len(at) == 1:
        return float(error[0])
    between = (error[1:] + error[:-1]) / 2  # mean of each stretch
    return float((between * np.diff(at)).sum() / (at[-1] - at[0]))
