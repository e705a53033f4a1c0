"""Images that a network paints: compositional pattern-producing networks (Stanley 2007) that grow by mutation.

A CPPN maps where a pixel lies (x, y, distance to the centre, a constant) to how bright it is. All of a population are
evaluated together: nodes lie in slots of a fixed order, a connection runs upwards only, and a new node takes a free
slot between the two ends of the connection that it splits. So one sweep over the slots computes every graph.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from lib.attacks.evolution import Genomes, polynomial_step, uniform

Coordinates = Literal["as_published", "as_coded"]

INPUTS = 4  # x, y, distance, constant
LINEAR, SINE, SIGMOID, GAUSSIAN = range(4)
LARGEST_WEIGHT = 3.0
# Probability of each change of an offspring, from the released code.
ADD_CONNECTION, DELETE_CONNECTION, CHANGE, ADD_NODE, DELETE_NODE = 0.5, 0.3, 0.5, 0.5, 0.2


@dataclass(frozen=True)
class Patterns:
    """Indirect encoding: a genome is a graph, weights (S, S) from slot to slot and the kind of each slot (S,).

    Attributes:
        shape: (1, H, W) of an image.
        coordinates: "as_published" scales x, y and the distance alike to [-1, 1]; "as_coded" has x and y as indices of
            pixels, and the distance scaled.
        hidden: slots for hidden nodes.

    Raises:
        ValueError: images in colour, unknown coordinates, no slot.
    """

    shape: tuple[int, int, int]
    coordinates: Coordinates = "as_published"
    hidden: int = 10

    def __post_init__(self) -> None:
        """Refuse what cannot be painted."""
        if self.shape[0] != 1:
            raise ValueError(f"CPPNs paint in grey here, and images of shape {self.shape} are not: give one channel")
        if self.coordinates not in get_args(Coordinates):
            raise ValueError(f"coordinates are {' or '.join(get_args(Coordinates))}, found {self.coordinates!r}")
        if self.hidden < 1:
            raise ValueError(f"at least one slot for a hidden node is needed, found {self.hidden}")

    @property
    def slots(self) -> int:
        """Inputs, hidden nodes, and the output in the last slot."""
        return INPUTS + self.hidden + 1

    def first(self, count: int, generator: torch.Generator) -> Genomes:
        """No hidden nodes: every input is connected with the output, whose kind is drawn."""
        weights = torch.zeros(count, self.slots, self.slots, device=generator.device)
        weights[:, :INPUTS, -1] = _weight(uniform((count, INPUTS), generator))
        kinds = torch.zeros(count, self.slots, dtype=torch.long, device=generator.device)
        kinds[:, -1] = _kind(uniform((count,), generator))
        return {"weights": weights, "kinds": kinds}

    def vary(self, parents: Genomes, others: Genomes, rate: float, generator: torch.Generator) -> Genomes:
        """Mutated copies of the parents; graphs are not crossed, so that `others` and the rate of pixels do nothing."""
        weights, kinds = parents["weights"].clone(), parents["kinds"].clone()
        count = len(weights)
        happens = (
            torch.tensor([DELETE_NODE, ADD_NODE, DELETE_CONNECTION, ADD_CONNECTION, CHANGE], device=weights.device)
            > uniform((5, count), generator).T
        )
        keys = uniform((5, count, self.slots, self.slots), generator)  # what is chosen has the largest key
        delete_node(weights, kinds, happens[:, 0], keys[0, :, 0])
        add_node(weights, kinds, happens[:, 1], keys[1], keys[0, :, 1], uniform((count,), generator))
        delete_connection(weights, happens[:, 2], keys[2])
        add_connection(weights, happens[:, 3], keys[3], uniform((count,), generator))
        step = 2 * LARGEST_WEIGHT * polynomial_step(keys[4])
        moved = (weights + step).clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT)
        changed = happens[:, 4, None, None] & weights.bool()
        return {"weights": torch.where(changed, moved, weights), "kinds": kinds}

    def images(self, genomes: Genomes) -> Tensor:
        """Sweep the slots upwards; a pixel is the output without its sign, at most 1."""
        weights, kinds = genomes["weights"], genomes["kinds"]
        places = grid(self.shape, self.coordinates, weights.device)  # (4, H W)
        values = places.new_zeros(len(weights), self.slots, places.shape[1])
        values[:, :INPUTS] = places
        fed = weights.bool().any(1)  # (N, S)
        for slot in range(INPUTS, self.slots):
            rows = fed[:, slot].nonzero()[:, 0]  # the others stay 0, and nothing leads away from most of them
            total = torch.bmm(weights[rows, :slot, slot][:, None], values[rows, :slot])[:, 0]  # (R, H W)
            values[rows, slot] = activate(total, kinds[rows, slot])
        return values[:, -1].abs().clamp(max=1).nan_to_num().view(-1, *self.shape)


def grid(shape: tuple[int, int, int], coordinates: Coordinates, device: torch.device) -> Tensor:
    """x, y, distance to the centre and 1 at every pixel, (4, H W)."""
    _, height, width = shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    across, down = 2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1  # [-1, 1]
    distance = (across**2 + down**2).sqrt()
    if coordinates == "as_coded":
        across, down, distance = x.float(), y.float(), distance / distance.max()
    return torch.stack([across, down, distance, torch.ones_like(distance)]).flatten(1).to(device)


def activate(total: Tensor, kinds: Tensor) -> Tensor:
    """Each row (N, P) through the function of its kind (N,): z, sin z, 1 / (1 + exp -z) or exp(-z^2)."""
    shaped = total.clone()
    for kind, function in ((SINE, torch.sin), (SIGMOID, torch.sigmoid), (GAUSSIAN, lambda z: torch.exp(-z * z))):
        rows = (kinds == kind).nonzero()[:, 0]
        shaped[rows] = function(total[rows])
    return shaped


def used(weights: Tensor) -> Tensor:
    """(N, S, S) -> (N, S), whether a slot has a connection to or from it."""
    return weights.bool().any(1) | weights.bool().any(2)


def delete_node(weights: Tensor, kinds: Tensor, happens: Tensor, keys: Tensor) -> None:
    """Take one hidden node out of each graph where it happens, in place; keys (N, S) choose."""
    there = used(weights)
    there[:, :INPUTS] = there[:, -1] = False
    rows, slots = _chosen(there & happens[:, None], keys)
    weights[rows, slots], weights[rows, :, slots], kinds[rows, slots] = 0, 0, LINEAR


def add_node(weights: Tensor, kinds: Tensor, happens: Tensor, keys: Tensor, places: Tensor, kind: Tensor) -> None:
    """Split a connection by a node in a free slot between its ends: 1 into the node, the old weight out of it."""
    size = weights.shape[1]
    free = ~used(weights)
    free[:, :INPUTS] = free[:, -1] = False
    rows, ends = _chosen((weights.bool() & happens[:, None, None]).flatten(1), keys.flatten(1))
    low, high = ends // size, ends % size
    slot = torch.arange(size, device=weights.device)
    between = free[rows] & (slot > low[:, None]) & (slot < high[:, None])
    some, new = _chosen(between, places[rows])
    rows, low, high = rows[some], low[some], high[some]
    weights[rows, new, high], weights[rows, low, new] = weights[rows, low, high], 1.0
    weights[rows, low, high] = 0
    kinds[rows, new] = _kind(kind)[rows]


def delete_connection(weights: Tensor, happens: Tensor, keys: Tensor) -> None:
    """Take one connection out of each graph where it happens, in place."""
    rows, ends = _chosen((weights.bool() & happens[:, None, None]).flatten(1), keys.flatten(1))
    weights.flatten(1)[rows, ends] = 0


def add_connection(weights: Tensor, happens: Tensor, keys: Tensor, weight: Tensor) -> None:
    """Connect two nodes that are not, upwards, with a random weight, in place."""
    size = weights.shape[1]
    nodes = used(weights)
    nodes[:, :INPUTS] = nodes[:, -1] = True
    upwards = torch.ones(size, size, dtype=torch.bool, device=weights.device).triu(1)
    upwards[:, :INPUTS] = False
    open_ = (weights == 0) & upwards & nodes[:, :, None] & nodes[:, None, :]
    rows, ends = _chosen((open_ & happens[:, None, None]).flatten(1), keys.flatten(1))
    weights.flatten(1)[rows, ends] = _weight(weight)[rows]


def _chosen(allowed: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Rows that allow something, and in each the allowed place of the largest key: (N, M), (N, M) -> two (R,)."""
    rows = allowed.any(1).nonzero()[:, 0]
    return rows, keys.masked_fill(~allowed, -1.0)[rows].argmax(1)


def _weight(u: Tensor) -> Tensor:
    return LARGEST_WEIGHT * (2 * u - 1)


def _kind(u: Tensor) -> Tensor:
    return (4 * u).long().clamp(max=GAUSSIAN)
