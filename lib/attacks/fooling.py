"""Fooling images: climbing a class's confidence from noise, with no ball around anything.

Nguyen, Yosinski & Clune (2015) made images that mean nothing and are labelled with certainty; as distal adversarial
examples they show what a model believes a class to look like (Grathwohl et al. 2020).
"""

from torch import Tensor, nn

from lib.attacks.checks import check_images, check_labels, check_result
from lib.attacks.guard import attacking, input_gradient
from lib.attacks.losses import cross_entropy
from lib.attacks.norms import ascent_direction, per_image


def fooling_images(
    model: nn.Module,
    start: Tensor,
    classes: Tensor,
    *,
    confidence: float = 0.99,
    steps: int = 500,
    step_size: float = 0.1,
) -> Tensor:
    """Climbs log p(class | x) in the box [0, 1] until the model is confident: x <- clamp(x + step g / |g|).

    Args:
        model: classifier from images in [0, 1] to logits; attacked in eval mode and left as it was.
        start: (N, C, H, W) images in [0, 1] to start from, usually noise; not touched.
        classes: (N,) int64, the class wanted of each.
        confidence: an image is done once its softmax probability reaches this.
        steps: most steps taken.
        step_size: L2 length of a step.

    Returns:
        (N, C, H, W) images in [0, 1]; those that never reached the confidence as they were after the last step.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2))
    >>> net[1].weight.data = torch.tensor([[10.0, 0.0], [0.0, 10.0]])
    >>> found = fooling_images(net, torch.full((1, 1, 1, 2), 0.5), torch.tensor([1]))
    >>> bool(net(found).softmax(1)[0, 1] > 0.99)
    True
    """
    check_images(start)
    check_labels(classes, len(start))
    images = start.clone()
    with attacking(model, start, classes):
        for _ in range(steps):
            gradients, loss, _ = input_gradient(model, images, lambda logits: cross_entropy(logits, classes))
            climbing = (-loss).exp() < confidence
            if not climbing.any():
                break
            step = step_size * per_image(climbing, images) * ascent_direction(-gradients, "l2")
            images = (images + step).clamp(0, 1)
    check_result(images, start, None, "l2")
    return images
