"""What `5-guided-gradients` measures on the nets of `2-confidence-loss`, which are handed over as artefacts.

With the seed vary the nets and the images, as in notebook 2. Nothing is trained here.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lib.data.image_set import to_float
from lib.experiments.confidence_calibrated_ood.subjects import NETS, in_distribution, out_of_distribution
from lib.methods.guided_gradients import Output, edges, gradient, guided_gradient, likeness
from lib.training.device import derived_seed, prepare

Values = dict[str, Any]

OWN = "own"  # the role of the test images; the others, broad, narrow, near, far and noise, as in notebook 2
OUTPUTS: tuple[Output, ...] = ("logit", "log odds", "log probability")
WAYS = {"guided": guided_gradient, "plain": gradient}
SHOWN = 4  # images of a role in a picture


def gradients(seed: int, trained: Values, **where: Any) -> Values:
    """Median norms of the gradients of a net on every role of sets, and what they are over that on its own images.

    `trained` is what `classifier` of notebook 2 returned; `where` as for `subject`.
    """
    model, sets = subject(seed, trained["weights"], **where)
    medians = {
        f"{way} {of}": {role: median_norm(differentiate(model, images, of)) for role, images in sets.items()}
        for way, differentiate in WAYS.items()
        for of in OUTPUTS
    }
    return {
        "median": medians,
        # S(x) = || guided gradient of the output by x ||; ratio = median S over a role / median S over own test images
        "ratio": {kind: {role: by[role] / by[OWN] for role in by if role != OWN} for kind, by in medians.items()},
    }


def subject(
    seed: int,
    weights: dict[str, Tensor],
    dataset: str,
    broad_dataset: str,
    narrow_dataset: str,
    near_datasets: list[str],
    far_datasets: list[str],
    noises: list[str],
    net: str,
    seen_share: float,
    gradient_images: int,
    device: str,
) -> tuple[nn.Module, dict[str, Tensor]]:
    """A net on the device, and at most `gradient_images` of every set as floats, by role; no role is empty."""
    fit, _, own = in_distribution(dataset, seed)
    _, tested = out_of_distribution(
        fit.shape, seed, broad_dataset, narrow_dataset, near_datasets, far_datasets, noises, seen_share, gradient_images
    )
    by_role: dict[str, list[Tensor]] = {OWN: [own.images[:gradient_images]]}
    for name, images in tested.items():
        by_role.setdefault(name.partition("/")[0], []).append(images)
    model = NETS[net].build(fit.shape, len(fit.classes))
    model.load_state_dict(weights)
    model.to(prepare(device).device).eval()
    return model, {role: torch.cat([to_float(images) for images in sets]) for role, sets in by_role.items()}


def median_norm(maps: Tensor) -> float:
    """Median over images of the L2 norm, (N, C, H, W) -> a number in units of the output by units of [0, 1] pixels."""
    return maps.flatten(1).norm(dim=1).median().item()


def dependence(seed: int, trained: Values, **where: Any) -> Values:
    """How far a map is the image's rather than the net's: its likeness to that of random weights, and to edges.

    Twice random: the last layer alone, and every layer. Medians over the net's own test images.
    """
    model, sets = subject(seed, trained["weights"], **where)
    images = sets[OWN]
    maps = guided_gradient(model, images)
    found = {"edges of the image": likeness(maps, edges(images))}
    for name, weights in randomised(trained["weights"], seed, where["dataset"], where["net"]).items():
        model.load_state_dict(weights)
        found[name] = likeness(maps, guided_gradient(model, images))
    return {name: values.median().item() for name, values in found.items()}


def randomised(weights: dict[str, Tensor], seed: int, dataset: str, net: str) -> dict[str, dict[str, Tensor]]:
    """Weights with the last layer drawn anew, and all of them, as before a training."""
    fit, _, _ = in_distribution(dataset, seed)
    with torch.random.fork_rng([]):
        torch.manual_seed(derived_seed(seed, 5))
        fresh = NETS[net].build(fit.shape, len(fit.classes)).state_dict()
    last = [name for name in fresh if fresh[name].dim() == 2][-1].rpartition(".")[0]  # the linear layer of the logits
    top = {name: fresh[name] if name.startswith(f"{last}.") else value for name, value in weights.items()}
    return {"last layer random": top, "all layers random": fresh}


def pictures(seed: int, trained: Values, **where: Any) -> Values:
    """The first images of each role, (R, S, C, H, W), and their maps in units of the net's median on its own images."""
    model, sets = subject(seed, trained["weights"], **where)
    first = torch.cat([images[:SHOWN] for images in sets.values()])
    maps = {}
    for of in OUTPUTS[:2]:
        unit = median_norm(guided_gradient(model, sets[OWN], of))
        maps[of] = guided_gradient(model, first, of).unflatten(0, (len(sets), -1)) / unit
    return {"roles": list(sets), "images": first.unflatten(0, (len(sets), -1)), "maps": maps}
