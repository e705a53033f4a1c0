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
from lib.training.evaluate import error_rate

Values = dict[str, Any]

OWN, OTHERS = "own", ("broad", "narrow", "near", "far", "noise")  # roles of sets, as in notebook 2
OUTPUTS: tuple[Output, ...] = ("logit", "log odds", "log probability")
WAYS = {"guided": guided_gradient, "plain": gradient}
SHOWN = 4  # images of a role in a picture


def gradients(
    seed: int, trained: Values, dataset: str, broad_dataset: str, narrow_dataset: str, near_datasets: list[str],
    far_datasets: list[str], noises: list[str], net: str, seen_share: float, gradient_images: int, device: str,
) -> Values:  # fmt: skip
    """Median norms of the gradients of a net on every role of sets, and what they are over that on its own images.

    `trained` is what `classifier` of notebook 2 returned.
    """
    model, own, sets = subject(
        seed, trained["weights"], dataset, broad_dataset, narrow_dataset, near_datasets, far_datasets, noises, net,
        seen_share, gradient_images, device,
    )  # fmt: skip
    medians = {
        f"{way} {of}": {role: median_norm(differentiate(model, images, of)) for role, images in sets.items()}
        for way, differentiate in WAYS.items()
        for of in OUTPUTS
    }
    return {
        "accuracy": 1 - error_rate(model, own.images, own.labels),
        "median": medians,
        # S(x) = || guided gradient of the output by x ||; ratio = median S over a role / median S over own test images
        "ratio": {kind: {role: by[role] / by[OWN] for role in by if role != OWN} for kind, by in medians.items()},
    }


def subject(
    seed: int, weights: dict[str, Tensor], dataset: str, broad_dataset: str, narrow_dataset: str,
    near_datasets: list[str], far_datasets: list[str], noises: list[str], net: str, seen_share: float,
    gradient_images: int, device: str,
) -> tuple[nn.Module, Any, dict[str, Tensor]]:  # fmt: skip
    """A net on the device, its own test images, and at most `gradient_images` of each role as floats; no role empty."""
    fit, _, own = in_distribution(dataset, seed)
    _, tested = out_of_distribution(
        fit.shape, seed, broad_dataset, narrow_dataset, near_datasets, far_datasets, noises, seen_share, gradient_images
    )
    roles = {
        role: torch.cat([to_float(images) for name, images in tested.items() if name.startswith(f"{role}/")])
        for role in OTHERS
        if any(name.startswith(f"{role}/") for name in tested)
    }
    model = NETS[net].build(fit.shape, len(fit.classes))
    model.load_state_dict(weights)
    model.to(prepare(device).device).eval()
    return model, own, {OWN: to_float(own.images[:gradient_images]), **roles}


def median_norm(maps: Tensor) -> float:
    """Median over images of the L2 norm, (N, C, H, W) -> a number in units of the output by units of [0, 1] pixels."""
    return maps.flatten(1).norm(dim=1).median().item()


def dependence(
    seed: int, trained: Values, dataset: str, broad_dataset: str, narrow_dataset: str, near_datasets: list[str],
    far_datasets: list[str], noises: list[str], net: str, seen_share: float, gradient_images: int, device: str,
) -> Values:  # fmt: skip
    """How far a map is the image's rather than the net's: its likeness to that of random weights, and to edges.

    Twice random: the last layer alone, and every layer. Medians over the net's own test images.
    """
    where = (
        dataset, broad_dataset, narrow_dataset, near_datasets, far_datasets, noises, net, seen_share, gradient_images,
        device,
    )  # fmt: skip
    model, _, sets = subject(seed, trained["weights"], *where)
    images = sets[OWN]
    maps = guided_gradient(model, images)
    found = {"edges of the image": likeness(maps, edges(images))}
    for name, weights in randomised(trained["weights"], seed, dataset, net).items():
        found[name] = likeness(maps, guided_gradient(subject(seed, weights, *where)[0], images))
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


def pictures(
    seed: int, trained: Values, dataset: str, broad_dataset: str, narrow_dataset: str, near_datasets: list[str],
    far_datasets: list[str], noises: list[str], net: str, seen_share: float, gradient_images: int, device: str,
) -> Values:  # fmt: skip
    """The first images of each role, (R, S, C, H, W), and their maps in units of the net's median on its own images."""
    model, _, sets = subject(
        seed, trained["weights"], dataset, broad_dataset, narrow_dataset, near_datasets, far_datasets, noises, net,
        seen_share, gradient_images, device,
    )  # fmt: skip
    first = torch.cat([images[:SHOWN] for images in sets.values()])
    maps = {}
    for of in OUTPUTS[:2]:
        unit = median_norm(guided_gradient(model, sets[OWN], of))
        maps[of] = guided_gradient(model, first, of).unflatten(0, (len(sets), -1)) / unit
    return {"roles": list(sets), "images": first.unflatten(0, (len(sets), -1)), "maps": maps}
