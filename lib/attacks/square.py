"""Square attack (Andriushchenko et al. 2020): random search over squares, without gradients.

Only logits are used, so it is the attack that masked gradients do not stop.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lib.attacks.checks import check_counts, check_inputs
from lib.attacks.guard import attacking, finish, first_success
from lib.attacks.losses import margin
from lib.attacks.norms import Norm, draw_bits, draw_integers, draw_signs, per_image

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of p, out of 10,000 queries (section 5, setup)


def square(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    queries: int = 5000,
    norm: Norm = "linf",
    restarts: int = 1,
    first_share: float = 0.8,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Changes one random square at a time and keeps the change if it raises the margin loss.

    Args:
        model: classifier from images in [0, 1] to logits; attacked in eval mode and left as it was.
        images: (N, C, H, W) in [0, 1]; not touched.
        labels: (N,) int64 true classes.
        eps: radius; at most 1 in Linf.
        queries: forward passes allowed for each image and restart. The paper's schedule, which shrinks the squares in
            the course of 10,000, is stretched to this number.
        norm: "linf" or "l2".
        restarts: attempts, each on the images that withstood those before.
        first_share: p, the share of the image that the first squares cover.
        generator: source of the squares and their colours.

    Returns:
        (N, C, H, W) the first misclassified point, else the one of the largest margin loss.

    Raises:
        ValueError: if images, labels, settings or the model's logits are not what is described here.

    >>> import torch
    >>> net, image, label = torch.nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0])  # logits: the pixels
    >>> moved = square(net, image, label, eps=0.1, generator=torch.Generator().manual_seed(0))
    >>> net(moved).argmax().item()
    1
    """
    check_inputs(images, labels, eps, norm)
    if images.ndim != 4:
        raise ValueError(f"Square needs images (N, C, H, W), found shape {tuple(images.shape)}; leave it out")
    check_counts(queries=queries, restarts=restarts)
    if not 0 < first_share <= 1:
        raise ValueError(f"first_share must lie in (0, 1], found {first_share}")
    start, propose = (_stripes, _recolour) if norm == "linf" else (_tiles, _move_mass)
    search = partial(_search, model, partial(start, generator=generator), partial(propose, generator=generator))
    with attacking(model, images, labels):
        runs = [partial(search, eps=eps, norm=norm, queries=queries, first_share=first_share)] * restarts
        return finish(first_success(images, labels, runs), images, eps, norm)


def square_share(query: int, queries: int, first_share: float) -> float:
    """Share of the image that a square covers at a query: halved on a schedule stretched to the number of queries."""
    scaled = query * 10_000 // queries
    return first_share / 2 ** sum(scaled > halving for halving in HALVINGS)


class _State(NamedTuple):
    rows: Tensor  # place in the batch
    labels: Tensor
    images: Tensor
    low: Tensor  # image - eps in the box
    high: Tensor  # image + eps in the box
    x: Tensor  # best point so far
    loss: Tensor  # its margin loss

    def only(self, kept: Tensor) -> "_State":
        """The images where `kept` is true."""
        return _State(*(entry[kept] for entry in self))


def _search(
    model: nn.Module,
    start: Callable[[_State, float], Tensor],
    propose: Callable[[_State, float, float], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    norm: Norm,
    queries: int,
    first_share: float,
) -> tuple[Tensor, Tensor]:
    """One attempt: the best points, and which of them are misclassified."""
    found, broken = images.clone(), torch.zeros_like(labels, dtype=torch.bool)
    rows, loss = torch.arange(len(images), device=images.device), images.new_full((len(images),), -torch.inf)
    low, high = ((images + sign * eps).clamp(0, 1) for sign in (-1, 1))
    state = _State(rows, labels, images, low, high, images, loss)
    for query in range(queries):
        candidates = propose(state, square_share(query, queries, first_share), eps) if query else start(state, eps)
        state = _keep_better(state, candidates, margin(model(candidates), state.labels))
        wrong = state.loss > 0
        if wrong.any():
            found[state.rows[wrong]], broken[state.rows[wrong]] = state.x[wrong], True
            state = state.only(~wrong)
            if len(state.rows) == 0:
                break
    found[state.rows] = state.x
    return found, broken


def _keep_better(state: _State, candidates: Tensor, loss: Tensor) -> _State:
    better = (loss > state.loss).nonzero().squeeze(1)
    if len(better) == len(loss):
        return state._replace(x=candidates, loss=loss)
    x = state.x.index_copy(0, better, candidates[better])  # late in the search few improve
    return state._replace(x=x, loss=torch.maximum(loss, state.loss))


def _stripes(state: _State, eps: float, generator: torch.Generator | None) -> Tensor:
    """Linf start: every column of every channel at +eps or -eps (section 3.3)."""
    count, channels, _, width = state.x.shape
    return torch.where(draw_bits((count, channels, 1, width), state.x, generator), state.high, state.low)


def _recolour(state: _State, share: float, eps: float, generator: torch.Generator | None) -> Tensor:
    """Linf proposal (algorithm 2): one square per image at +eps or -eps in each channel."""
    count, channels, height, width = state.x.shape
    side = min(max(round((share * height * width) ** 0.5), 1), height, width)
    window = _draw_windows(state.x, side, generator)
    low, high, old = state.low[window], state.high[window], state.x[window]  # (n, C, s, s)
    up = draw_bits((count, channels, 1, 1), state.x, generator)
    new = torch.where(up, high, low)
    same = (new == old).flatten(1).all(1)[:, None, None, None]  # a square that changes nothing would waste a query:
    proposed = state.x.clone()
    proposed[window] = torch.where(same, torch.where(up, low, high), new)  # turn its colours round
    return proposed


class _Windows(NamedTuple):
    """Index of one square of side s per image: tensor[windows] has shape (n, C, s, s)."""

    image: Tensor  # (n, 1, 1, 1)
    channel: Tensor  # (1, C, 1, 1)
    row: Tensor  # (n, 1, s, 1)
    column: Tensor  # (n, 1, 1, s)


def _draw_windows(x: Tensor, side: int, generator: torch.Generator | None) -> _Windows:
    count, channels, height, width = x.shape
    offsets = torch.arange(side, device=x.device)
    top = draw_integers((count, 1), height - side + 1, x, generator)
    left = draw_integers((count, 1), width - side + 1, x, generator)
    image = torch.arange(count, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    return _Windows(image, channel, (top + offsets)[:, None, :, None], (left + offsets)[:, None, None, :])


def _tiles(state: _State, eps: float, generator: torch.Generator | None) -> Tensor:
    """L2 start: a grid of five by five tiles of the shape `bump`, each with a random sign (section 3.4)."""
    images = state.images
    count, channels, height, width = images.shape
    side = max(min(height, width) // 5, 1)
    down, across = min(5, height // side), min(5, width // side)
    top, left = (height - side * down) // 2, (width - side * across) // 2
    signs = draw_signs((count, channels, down, across), images, generator)
    tiles = torch.kron(signs, bump(side, images, generator))  # (n, C, 5 s, 5 s)
    start = torch.zeros_like(images)
    start[:, :, top : top + side * down, left : left + side * across] = tiles
    return _on_sphere(start, images, eps)


def _move_mass(state: _State, share: float, eps: float, generator: torch.Generator | None) -> Tensor:
    """L2 proposal (algorithm 3): empties one square and adds its mass, with what is left of eps, to another."""
    x, images = state.x, state.images
    height, width = x.shape[2:]
    channels, tiny = x.shape[1], 1e-12
    side = _odd_side(share, height, width)
    into, out_of = _draw_windows(x, side, generator), _draw_windows(x, side, generator)
    moved = x - images  # nu
    unused = (eps**2 - moved.square().sum((1, 2, 3), keepdim=True)).clamp_min(0)
    old = moved[into]
    mass = old.square().sum((2, 3), keepdim=True)  # (n, C, 1, 1)
    moved[into] = 0
    taken = moved[out_of].square().sum((2, 3), keepdim=True)  # what the squares share is counted once
    moved[out_of] = 0
    signs = draw_signs((len(x), channels, 1, 1), x, generator)
    new = bump(side, x, generator) * signs + old / mass.sqrt().clamp_min(tiny)
    length = new.square().sum((2, 3), keepdim=True).sqrt().clamp_min(tiny)
    moved[into] = new / length * (mass + taken + unused / channels).sqrt()
    return _on_sphere(moved, images, eps)


def bump(side: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """A positive and a negative hill side by side, of length 1, upright or lying (equation 2), (side, side)."""
    hills = _hills(side, like.dtype, like.device)
    return hills if draw_integers((), 2, like, generator) == 0 else hills.T.contiguous()  # torch.kron needs it so


@lru_cache(maxsize=64)
def _hills(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    upper = side // 2
    hills = torch.cat([_hill(upper, side), -_hill(side - upper, side)])
    return (hills / torch.linalg.vector_norm(hills)).to(device, dtype)


def _hill(height: int, width: int) -> Tensor:
    """sum_{j >= ring} 1 / (j + 1)^2, where ring is the distance to the centre in the maximum norm."""
    rows, columns = (torch.arange(height) - height // 2).abs(), (torch.arange(width) - width // 2).abs()
    rings = torch.maximum(rows[:, None], columns[None, :])
    steps = 1 / torch.arange(1, max(height, width) // 2 + 2, dtype=torch.float64).square()
    return steps.flip(0).cumsum(0).flip(0)[rings]


def _odd_side(share: float, height: int, width: int) -> int:
    """At least 3 and odd, so that hills have a centre, as far as the image allows."""
    side = max(round((share * height * width) ** 0.5), 3)
    side += side % 2 == 0
    longest = min(height, width)
    return min(side, longest - (longest % 2 == 0 and longest > 1))


def _on_sphere(moved: Tensor, images: Tensor, eps: float) -> Tensor:
    """Stretches or shrinks each difference to length eps, then clamps to the box."""
    length = torch.linalg.vector_norm(moved.flatten(1), dim=1).clamp_min(1e-12)
    return (images + moved * per_image(eps / length, images)).clamp(0, 1)
