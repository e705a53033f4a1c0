"""Runs with made-up logits, as `confidence_loss.classifier` would return them."""

import torch

SETS = ["test", "validation", "test, batch statistics", "broad/cifar100", "narrow/svhn-sample"]
SETS += ["near/tiny-imagenet-pretrain", "far/mnist", "noise/gaussian", "noise/uniform"]


def run(seed, sure=4.0, far=True):
    """Logits that are sure of the right class inside, and of nothing much outside."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (200,), generator=generator)
    logits = {}
    for name in SETS:
        noise = torch.randn(200, 3, generator=generator)
        inside = not name.partition("/")[2]
        logits[name] = noise + (sure * torch.nn.functional.one_hot(labels, 3) if inside else 0)
    if not far:
        del logits["far/mnist"]
    return {"logits": logits, "labels": {"test": labels, "validation": labels}, "cpu seconds": 1.0}
