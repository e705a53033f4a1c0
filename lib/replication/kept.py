"""The nets of a run that are worth keeping: whose weights, in which precision, and the call that builds each net again.

A file of weights is small enough for the repository, so not everything fits. Tried are, in this order: every seed in
float32; every seed with filters and matrices in float16; fewer seeds, of every net the same; fewer nets.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn

from lib.data.image_set import ImageSet
from lib.models.builders import Call, call_of, made_by, noted_calls
from lib.models.count import parameter_count
from lib.models.recorded import OWN_TIER, stored_name, weights_of
from lib.replication.artefacts import Artefact
from lib.training.evaluate import answers, predict

MOST_BYTES = 2_000_000  # of a notebook's file of weights
HEADER_BYTES = 250  # of a tensor's entry in the file's header, at most
COMPARED_IMAGES = 500  # on which a net that was built again must answer as the trained one

Fresh = Callable[..., tuple[nn.Module, ImageSet, str]]  # an arm's arguments -> net, test images, what it was trained on
Nets = Mapping[
    str, Sequence[Artefact] | tuple[Sequence[Artefact], str]
]  # name -> one for each seed, and where weights lie
Measured = Mapping[str, Mapping[str, Sequence[float]]]  # name -> column -> one value for each seed


class Built(NamedTuple):
    """A trained net, the call of a builder that made it, its test images, and in words what it was trained on."""

    net: nn.Module
    call: Call
    tests: ImageSet
    learnt: str


@dataclass(frozen=True)
class Trained:
    """One net of one seed, read and built when it is first asked for."""

    artefact: Artefact
    key: str  # under which its arm returns the weights
    fresh: Fresh

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """Parameter -> value, on the CPU.

        Raises:
            ValueError: the arm returns none under this key.
        """
        value = self.artefact.value()
        if not isinstance(value, dict) or not isinstance(value.get(self.key), dict):
            told = ", ".join(value) if isinstance(value, dict) else repr(value)[:80]
            raise ValueError(f"{self.artefact.build.__name__} returns no weights under {self.key!r}: it has {told}")
        return value[self.key]

    @cached_property
    def built(self) -> Built:
        """The net as its arm builds it, with its weights, in eval mode.

        Raises:
            ValueError: it was not made by one call of a builder with plain arguments.
        """
        with noted_calls() as made:
            net, tests, learnt = self.fresh(**self.artefact.arguments)
        net.load_state_dict(self.weights)
        try:
            return Built(net.eval(), call_of(net, made), tests, learnt)
        except ValueError as fault:
            raise ValueError(f"{self.fresh.__module__}.{self.fresh.__name__}: cannot be kept: {fault}") from fault

    @property
    def place(self) -> tuple[str, str]:
        """What tells two nets apart."""
        return self.artefact.path.stem, self.key

    def state(self, *, half: bool) -> dict[str, Tensor]:
        """The weights as they go into the file, each with memory of its own.

        In float16 are filters and matrices, nearly all there is. Biases, statistics of norms and the constants of the
        input stay as they are, and so does what float16 cannot hold.
        """
        large = {name for name, parameter in self.built.net.named_parameters() if parameter.dim() > 1} if half else ()
        return {
            name: (_half(value) if name in large else value).detach().clone().contiguous()
            for name, value in self.weights.items()
        }


def _half(value: Tensor) -> Tensor:
    rounded = value.half()
    return rounded if bool(rounded.isfinite().all()) else value


def keep(nets: Nets, seeds: Sequence[int], fresh: Fresh, measured: Measured) -> tuple[dict[str, Any], bytes]:
    """What a result says of its kept nets, and the file of their weights; see `Experiment.keep`.

    Raises:
        ValueError: an arm returns no weights, or a net that was built again does not answer as the trained one does.
    """
    given = {name: of if isinstance(of, tuple) else (of, "weights") for name, of in nets.items()}
    trained = {name: [Trained(artefact, key, fresh) for artefact in of] for name, (of, key) in given.items()}
    first = dict[tuple[str, str], str]()  # two names of one net share its weights
    stored_as = {name: first.setdefault(of[0].place, name) for name, of in trained.items()}
    fitting, count, half = choose({name: trained[name][0] for name in first.values()}, len(seeds))
    tensors = {
        stored_name(name, seed, parameter): value
        for name in fitting
        for seed, net in zip(seeds[:count], trained[name], strict=False)
        for parameter, value in net.state(half=half).items()
    }
    content = save(tensors)
    kept = {name: trained[name][:count] for name in trained if stored_as[name] in fitting}
    about = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "precision": "float16" if half else "float32",
        "seeds": list(seeds[:count]),
        "seeds of the run": list(seeds),
        "names": list(kept),  # in the order of the page; the keys below are sorted when they are written
        "left out": [name for name in trained if name not in kept],
        "kept": {
            name: {
                "stored as": stored_as[name],
                **described(of[0]),
                "artefacts": [net.artefact.path.stem for net in of],
                **tested(of, [weights_of(content, stored_as[name], seed) for seed in seeds[:count]], half=half),
                "measured": {column: list(values) for column, values in measured.get(name, {}).items()},
            }
            for name, of in kept.items()
        },
    }
    return about, content


def choose(nets: Mapping[str, Trained], seeds: int, most: int = MOST_BYTES) -> tuple[list[str], int, bool]:
    """Which nets, how many seeds of each, and whether in float16: as much as the bytes hold, which may be nothing."""
    names = list(nets)
    tried = [(names, seeds, False), *((names, count, True) for count in range(seeds, 0, -1))]
    tried += [(names[:number], 1, True) for number in range(len(names) - 1, 0, -1)]
    for some, count, half in tried:
        values = [value for name in some for value in nets[name].state(half=half).values()]
        if count * sum(value.numel() * value.element_size() + HEADER_BYTES for value in values) <= most:
            return some, count, half
    return [], 0, True


def described(trained: Trained) -> dict[str, Any]:
    """Of what kind a net is and where it comes from."""
    net, call, tests, learnt = trained.built
    build = trained.artefact.build
    return {
        "call": call,
        "parameters": parameter_count(net),
        "images": list(tests.shape),
        "classes": list(tests.classes),
        "trained on": learnt,
        "tested on": f"{len(tests):,} test images of {tests.name}",
        "arm": f"{build.__module__}.{build.__qualname__}",
    }


def tested(trained: Sequence[Trained], loaded: Sequence[dict[str, Tensor]], *, half: bool) -> dict[str, Any]:
    """The accuracy of each seed's net as it will be loaded, and how far a logit is from the trained net's.

    Raises:
        ValueError: built again, with the weights as they were, a net does not give the logits bit for bit.
    """
    accuracy, change = [], 0.0
    for of, weights in zip(trained, loaded, strict=True):
        net, call, tests, _ = of.built
        again, images = made_by(call).eval(), tests.images[:COMPARED_IMAGES]
        again.load_state_dict(of.weights)
        logits = predict(net, images)
        if not torch.equal(predict(again, images), logits):
            raise ValueError(f"{call['builder']} with {call['arguments']} is not the net that {of.fresh.__name__} gave")
        again.load_state_dict(weights)
        change = max(change, (predict(again, images) - logits).abs().max().item())
        right = answers(predict(again, tests.images)) == tests.labels
        accuracy.append(right.double().mean().item())
    if change and not half:
        raise ValueError(f"what was stored of {trained[0].artefact.build.__name__} reads back with other logits")
    return {"accuracy": accuracy, "largest change of a logit": change}


def in_words(notebook: str, tier: str, nets: Mapping[str, Any]) -> str:
    """What was kept and how it is loaded, for the page; no number that training made."""
    out = f"Left out, since {MOST_BYTES / 1e6:.0f} MB hold no more: {'; '.join(nets['left out'])}."
    parts = [out] if nets["left out"] else []
    if nets["kept"]:
        seeds = [str(seed) for seed in nets["seeds"]]
        words = f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}, in {nets['precision']}, {nets['bytes'] / 1e6:.1f} MB"
        names = "; ".join(f"*{name}*" for name in nets["names"])
        own = f', tier="{tier}"' if tier == OWN_TIER else ""
        call = f'lib.models.recorded("{notebook}", "{nets["names"][0]}", seed={seeds[0]}{own})'
        parts = [f"Kept: {names}; {words}.", *parts, f"```python\n{call}\n```"]
    return "\n\n".join(parts)
