"""Gradient ascent that is pulled back towards smooth and dark images, after the released code of Nguyen et al. 2015."""

from torch import Tensor, nn

from lib.attacks.checks import check_counts, check_images, check_labels, check_result
from lib.attacks.guard import attacking, input_gradient
from lib.attacks.losses import cross_entropy
from lib.attacks.norms import ascent_direction
from lib.data.noise_sets import gaussian_blur


def regularised_ascent(
    model: nn.Module,
    start: Tensor,
    classes: Tensor,
    *,
    steps: int,
    step_size: float = 0.1,
    decay: float = 0.0,
    blur: float = 0.0,
    blur_every: int = 4,
) -> Tensor:
    """x <- (1 - decay) clamp(x + step g / |g|), g the gradient of log p(class | x); every few steps x is blurred.

    Args:
        model: classifier from images in [0, 1] to logits; attacked in eval mode and left as it was.
        start: (N, C, H, W) images in [0, 1]; not touched.
        classes: (N,) int64, the class wanted of each.
        steps: number of steps, all of which are taken.
        step_size: L2 length of a step.
        decay: share of the brightness that is lost in each step, in [0, 1).
        blur: standard deviation of a Gaussian, in pixels; 0 for none.
        blur_every: steps between two blurs.

    Returns:
        (N, C, H, W) images in [0, 1], as they are after the last step.

    Raises:
        ValueError: images, classes or settings that are none.
    """
    check_images(start)
    check_labels(classes, len(start))
    check_counts(steps=steps, blur_every=blur_every)
    if not 0 <= decay < 1 or blur < 0:
        raise ValueError(f"decay must lie in [0, 1) and blur must not be negative, found {decay} and {blur}")
    images = start.clone()
    with attacking(model, start, classes):
        for step in range(1, steps + 1):
            gradients, _, _ = input_gradient(model, images, lambda logits: cross_entropy(logits, classes))
            images = (images + step_size * ascent_direction(-gradients, "l2")).clamp(0, 1) * (1 - decay)
            if blur > 0 and step % blur_every == 0:
                images = gaussian_blur(images, blur, border="replicate").clamp(0, 1)
    check_result(images, start, None, "l2")
    return images
