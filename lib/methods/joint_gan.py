"""The generator of Lee et al. 2018, which makes the outliers that a confidence loss is trained with.

    min_G max_D min_theta  E_in[-log P_theta(y | x)] + beta E_G[KL(U || P_theta(. | x))]       the classifier's loss
                           + E_in[log D(x)] + E_G[log(1 - D(x))]                               a GAN

The GAN draws the samples to the data; the middle term, which classifier and generator share, draws them to where the
classifier is unsure. The paper hopes that both together leave them at the border of the data. One step, in the order
of the paper's algorithm and code: the discriminator; the generator, with the same samples, against the discriminator
as it now is; the classifier, with new samples. Each is moved alone, and once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.data.image_set import to_float
from lib.methods.confidence_loss import confidence_loss, kl_from_uniform
from lib.methods.energy import frozen
from lib.training.batches import Batch
from lib.training.device import Compute
from lib.training.history import History, Hook
from lib.training.loop import remember_rates, set_rates, train
from lib.training.schedules import Schedule

Form = Literal["non-saturating", "saturating"]


class Pull(NamedTuple):
    """What the generator is drawn by, beside the discriminator.

    Attributes:
        beta: weight of the KL term; 0 is a plain GAN. The submission has 1, the released code 1 and 0.1.
        form: "non-saturating" as in the released code, "saturating" as in the paper's algorithm.
        pull_away: weight of the pull-away term, 1 in the submission, absent from code and camera-ready.
    """

    beta: float = 0.0
    form: Form = "non-saturating"
    pull_away: float = 0.0


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-E_in[log D(x)] - E_G[log(1 - D(x))] from the logits of D, (B,) and (M,): a scalar, log 4 where D = 1/2."""
    # D = sigmoid(s), so that -log D = softplus(-s) and -log(1 - D) = softplus(s)
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def fooling_loss(fake: Tensor, form: Form) -> Tensor:
    """What the generator lowers, from the logits of D on its samples, (M,): a scalar.

    Both forms fall as D is fooled. Where D is sure that a sample is made, s << 0, the gradient by s is -(1 - D), nearly
    -1, in the one form and -D, nearly 0, in the other, which therefore cannot learn while D is far ahead.

    Raises:
        ValueError: another form.
    """
    if form not in get_args(Form):
        raise ValueError(f"form is {' or '.join(get_args(Form))}, found {form!r}")
    if form == "saturating":
        return -F.softplus(fake).mean()  # E_G[log(1 - D(x))]
    return F.softplus(-fake).mean()  # -E_G[log D(x)]


def pull_away(samples: Tensor) -> Tensor:
    """The mean over i != j of cos^2(x_i, x_j), from the samples (M, ...): a scalar in [0, 1] (Zhao et al. 2017).

    Small where the samples point in different directions from the origin. Samples that lie opposite each other count
    as alike: the square forgets the sign.
    """
    directions = F.normalize(samples.flatten(1), dim=1)  # (M, D)
    cosines = directions @ directions.T  # (M, M)
    pairs = len(samples) * (len(samples) - 1)
    return (cosines.square().sum() - cosines.diagonal().square().sum()) / pairs


@dataclass
class Gan:
    """A generator and a discriminator with their optimisers.

    Attributes:
        generator: (B, latent) standard normal -> samples in the range and shape of the images.
        discriminator: images -> one logit each, of being real.
        generator_optimiser: the released code has Adam at 2e-4 with beta_1 = 0.5 for both.
        discriminator_optimiser: see there.
        latent: number of random numbers that a sample is made of.
        schedule: step (from 0) -> factor on the rates of both; None is constant.
    """

    generator: nn.Module
    discriminator: nn.Module
    generator_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer
    latent: int
    schedule: Schedule | None = None

    def samples(self, count: int, random: torch.Generator) -> Tensor:
        """G(z) for fresh z ~ N(0, I), with a graph: (count, ...), float32 also where the nets compute with less."""
        return self.generator(torch.randn(count, self.latent, generator=random, device=random.device)).float()

    def logits(self, images: Tensor) -> Tensor:
        """(B, ...) -> (B,)."""
        return self.discriminator(images).flatten()

    def keep_pace(self, step: int) -> None:
        """Set both rates to those of step number `step`."""
        if self.schedule is None:
            return
        for optimiser in (self.generator_optimiser, self.discriminator_optimiser):
            remember_rates(optimiser)
            set_rates(optimiser, self.schedule(step))

    def discriminator_step(self, real: Tensor, fake: Tensor) -> None:
        """First: D is moved, by as many real images as samples; the samples are not."""
        self.discriminator_optimiser.zero_grad()
        discriminator_loss(self.logits(to_float(real)), self.logits(fake.detach())).backward()
        self.discriminator_optimiser.step()

    def generator_loss(self, fake: Tensor, pull: Pull, classifier: nn.Module | None) -> Tensor:
        """Second: the loss of the samples by which G is moved; D and the classifier stand still, but pass it on."""
        with frozen(self.discriminator):
            loss = fooling_loss(self.logits(fake), pull.form)
        if pull.beta and classifier is not None:
            with frozen(classifier):
                loss = loss + pull.beta * kl_from_uniform(classifier(fake)).mean()  # beta E_G[KL(U || P)]
        return loss + pull.pull_away * pull_away(fake) if pull.pull_away else loss

    def place(self, compute: Compute) -> None:
        """Move both nets to the device, ready to be trained."""
        for net in (self.generator, self.discriminator):
            compute.place(net)
            net.train()

    def state_dict(self) -> dict[str, Any]:
        """Everything that training changes."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Put back what `state_dict` returned."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator optimiser": self.generator_optimiser,
            "discriminator optimiser": self.discriminator_optimiser,
        }


def gan_step(gan: Gan, batch: Batch, pull: Pull, classifier: nn.Module | None) -> Tensor:
    """Move D; return the loss that G is to be moved by, with the same samples and the new D: a scalar."""
    gan.keep_pace(batch.step)
    fake = gan.samples(len(batch.images), batch.generator)
    gan.discriminator_step(batch.images, fake)
    return gan.generator_loss(fake, pull, classifier)


def joint_step(gan: Gan, classifier: nn.Module, batch: Batch, pull: Pull) -> Tensor:
    """Move D, then G; return the confidence loss, on new samples, that the classifier is to be moved by: a scalar."""
    loss = gan_step(gan, batch, pull, classifier)
    gan.generator_optimiser.zero_grad()
    loss.backward()
    gan.generator_optimiser.step()
    fresh = gan.samples(len(batch.images), batch.generator).detach()  # the classifier's step moves the classifier alone
    return confidence_loss(classifier, batch.images, batch.labels, fresh, beta=pull.beta)


def train_gan(
    gan: Gan,
    images: Tensor,
    *,
    steps: int,
    batch_size: int,
    pull: Pull,
    classifier: nn.Module | None = None,
    seed: int = 0,
    compute: Compute,
    hooks: Sequence[Hook] = (),
    checkpoint: Path | None = None,
    fingerprint: str = "",
) -> History:
    """Train a GAN in place beside a classifier that stays as it is, or, with beta = 0, beside none.

    Args:
        gan: moved to the device.
        images: (N, ...) uint8 or float32, in the range of the samples.
        steps: of each of the two nets.
        batch_size: images, and as many samples.
        pull: what else draws the generator.
        classifier: images -> logits (N, K), on the device and in eval mode.
        seed: of order and samples.
        compute: device and precision.
        hooks: see `train`; the model of the run is the generator.
        checkpoint: see `train`.
        fingerprint: see `train`.

    Returns:
        The history, whose losses are the generator's.

    Raises:
        Diverged: when the generator's loss is not finite; the weights are those of the last step.
    """
    gan.place(compute)
    return train(
        gan.generator,
        images,
        images.new_zeros(len(images), dtype=torch.int64),
        steps=steps,
        batch_size=batch_size,
        optimiser=gan.generator_optimiser,
        batch_loss=lambda generator, batch: gan_step(gan, batch, pull, classifier),
        seed=seed,
        compute=compute,
        hooks=hooks,
        retake=False,
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        stateful={"gan": gan},
    )


def train_joint(
    classifier: nn.Module,
    optimiser: torch.optim.Optimizer,
    gan: Gan,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    batch_size: int,
    pull: Pull,
    schedule: Schedule | None = None,
    seed: int = 0,
    compute: Compute,
    hooks: Sequence[Hook] = (),
    checkpoint: Path | None = None,
    fingerprint: str = "",
) -> History:
    """Train classifier, generator and discriminator in place and in turn, one step each.

    Args:
        classifier: images -> logits (N, K).
        optimiser: of the classifier.
        gan: moved to the device.
        images: (N, ...) uint8 or float32, in the range of the samples.
        labels: (N,) class indices.
        steps: of each of the three nets.
        batch_size: images, and as many samples.
        pull: what draws the generator; its beta weighs the classifier's KL term too, as in the released code.
        schedule: of the classifier's rate alone; the GAN has its own.
        seed: of order, samples and dropout.
        compute: device and precision.
        hooks: see `train`; the model of the run is the classifier.
        checkpoint: see `train`.
        fingerprint: see `train`.

    Returns:
        The history, whose losses are the classifier's.

    Raises:
        Diverged: when the classifier's loss is not finite; the GAN is as it was after that step.
    """
    gan.place(compute)
    return train(
        classifier,
        images,
        labels,
        steps=steps,
        batch_size=batch_size,
        optimiser=optimiser,
        schedule=schedule,
        batch_loss=lambda model, batch: joint_step(gan, model, batch, pull),
        seed=seed,
        compute=compute,
        hooks=hooks,
        retake=False,
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        stateful={"gan": gan},
    )
