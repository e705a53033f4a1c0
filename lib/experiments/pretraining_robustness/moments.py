"""The nets that notebooks 4 and 5 compare: which moment of which training stands in which row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

Values = dict[str, Any]
Answer = TypeVar("Answer")

PRETRAINED, SCRATCH, SHORT = "pre-trained", "scratch", "scratch, equal steps"
SAME_RATE, COMPUTE = "scratch, equal steps and rate", "scratch, equal compute"
STOPPED, BEST = "scratch, stopped by held-out images", "scratch, most accurate"
MATCHED, TUNED_LESS = "scratch, equal accuracy", "pre-trained, at scratch's accuracy"


class Moment(NamedTuple):
    """A net as it was after so many steps of a training."""

    weights: dict[str, Tensor]
    step: int
    rate: float
    held_out_error: float
    test_error: float

    def told(self) -> dict[str, float]:
        """What a net is, apart from what is measured of it."""
        return {
            "clean error": self.test_error,
            "held-out error": self.held_out_error,
            "step": self.step,
            "rate": self.rate,
        }


def compared(pretrained: Values, scratch: Values, short: Values, compute: Values) -> dict[str, Moment]:
    """The net of each row. Whatever is chosen is chosen by errors on held-out images, the first of equal ones."""
    ends = {name: last(run) for name, run in ((PRETRAINED, pretrained), (SCRATCH, scratch))}
    from_scratch = [moment for run in (scratch, short, compute) for moment in moments_of(run)]
    other = short["at rate"][f"{pretrained['rate']:g}"]
    errors = other["held-out error"], other["test error"]
    return {
        **ends,
        SHORT: last(short),
        SAME_RATE: Moment(other["weights"], short["steps"], pretrained["rate"], *errors),
        COMPUTE: last(compute),
        STOPPED: nearest(moments_of(scratch), 0.0),
        BEST: nearest(from_scratch, 0.0),
        MATCHED: nearest(from_scratch, ends[PRETRAINED].held_out_error),
        TUNED_LESS: nearest(moments_of(pretrained), ends[SCRATCH].held_out_error),
    }


def last(run: Values) -> Moment:
    """The end of a training."""
    return moments_of(run)[-1]


def moments_of(run: Values) -> list[Moment]:
    """Every look of a training."""
    looks = run["looks"]
    columns = (looks[name] for name in ("weights", "step", "held-out error", "test error"))
    return [Moment(weights, step, run["rate"], *errors) for weights, step, *errors in zip(*columns, strict=True)]


def nearest(moments: Sequence[Moment], error: float) -> Moment:
    """The moment whose error on held-out images is nearest to `error`; with 0 the most accurate one."""
    return min(moments, key=lambda moment: abs(moment.held_out_error - error))


def asked_once(moments: Iterable[Moment], ask: Callable[[Mapping[str, Tensor]], Answer]) -> Callable[[Moment], Answer]:
    """What `ask` says of the weights of each moment; most rows are looks of a training, and each net is asked once."""
    answers = {name: ask(weights) for name, weights in {id(m.weights): m.weights for m in moments}.items()}
    return lambda moment: answers[id(moment.weights)]
