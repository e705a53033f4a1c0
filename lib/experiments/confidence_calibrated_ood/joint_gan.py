"""What `3-joint-gan` measures: classifiers with and without outliers, generators, and both trained in turn.

With the seed vary: the division of sets that no publisher divided, the classes that are held out, initial weights,
order, dropout, the generator's random numbers, which outliers are seen, and which images of other sets are tested.
What does not vary: the published test images.

`task` says what the images are and how many are looked at (pooling, held_out_classes, few_images, ood_images,
sample_images), `plan` what is trained (net, train_steps, batch_images, learning_rate, gan_rate); both are shared by all
arms of a set.
"""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.data.image_set import ImageSet, to_float
from lib.experiments.confidence_calibrated_ood.decision_boundary import at
from lib.experiments.confidence_calibrated_ood.subjects import (
    drawn_noise,
    in_distribution,
    in_shape,
    kinds,
    like,
    load,
    order,
    taken,
)
from lib.methods.confidence_loss import confidence_loss, kl_from_uniform, softmax_score
from lib.methods.joint_gan import Form, Gan, Pull, discriminator_loss, train_gan, train_joint
from lib.methods.sample_border import Judge, judge, seen_by
from lib.methods.sample_quality import nearest
from lib.metrics.classification import softmax
from lib.metrics.detection import auroc, fpr_at_tpr
from lib.models.image_gan import (
    dcgan_discriminator,
    dcgan_generator,
    mlp_discriminator,
    mlp_generator,
    plain_cnn,
    small_discriminator,
    small_generator,
)
from lib.models.inputs import Standardise
from lib.models.mlp import mlp
from lib.models.vgg13 import vgg13
from lib.training.batches import Batch
from lib.training.device import derived_seed, prepare
from lib.training.evaluate import error_rate, evaluating, predict
from lib.training.history import History
from lib.training.loop import Diverged, supervised, train
from lib.training.optimisers import adam
from lib.training.recipe import Shape
from lib.training.schedules import Schedule, step_decay

Values = dict[str, Any]
LOOKS = 21  # at a training on its way, in equal distances: 20 windows, from each look to the next
NOISES = ("gaussian", "uniform")
SEEN_SHARE = 0.5  # of the kinds of the broad set; the others are tested where it is the near set, too
KNOWN = 5_000  # training images that a judge's unit is set with, and among which the nearest one is looked for
FRESH = 2_000  # test images that are looked at on the way, and that a judge's unit is set with
SHOWN = 24  # samples that are kept
WIDTHS = {1: 48, 3: 64}  # of the small nets, by the number of colours
FIXED_BETA = 1.0  # of the generator beside a classifier that stands still: the submission's figure has no weight
GAN, MADE = 11, 12  # purposes of further seeds: nets of the GAN, samples that are measured
DECAY = 0.6  # share of the steps after which all rates are a tenth, as in the released code


class Family(NamedTuple):
    """Nets that go together.

    Attributes:
        classifier: (shape, classes) -> a net without batch norm.
        generator: (shape, latent) -> images in [0, 1] from noise.
        discriminator: shape -> a logit from images.
        latent: random numbers that a sample is made of.
    """

    classifier: Callable[[Shape, int], nn.Module]
    generator: Callable[[Shape, int], nn.Module]
    discriminator: Callable[[Shape], nn.Module]
    latent: int


FAMILIES = {
    "mlp": Family(
        lambda shape, classes: mlp([128, 128], classes, shape, dropout=0.2, inputs=Standardise()),
        mlp_generator,
        mlp_discriminator,
        16,
    ),
    "small cnn": Family(
        lambda shape, classes: plain_cnn(shape, classes, WIDTHS[shape[0]]),
        lambda shape, latent: small_generator(shape, latent, WIDTHS[shape[0]]),
        lambda shape: small_discriminator(shape, WIDTHS[shape[0]]),
        64,
    ),
    "vgg-13": Family(  # all three as in the released code
        lambda shape, classes: vgg13(classes, in_channels=shape[0]),
        lambda shape, latent: dcgan_generator(shape[0], latent),
        lambda shape: dcgan_discriminator(shape[0]),
        100,
    ),
}

# What stands beside the images of a step, or in the place of outliers. "few" is as many as there are of the narrow set.
TRAININGS = {
    "CE": "nothing",
    "CEx": "as many images more",
    "KL narrow": "narrow",
    "KL few": "few of the broad set",
    "KL broad": "broad",
    "KL noise": "noise",
    "KL plain GAN": "samples",
}


GIVEN = ("CE", "CEx", "KL narrow", "KL broad", "KL noise")  # what needs no generator
KEPT = ("CE", "KL noise")  # whose weights other arms ask for; of VGG-13 they are 40 MB each
VARIANTS: dict[str, Values] = {"saturating": {"form": "saturating"}, "pull-away": {"pull_away": 1.0}}  # of `joint`
SET_ROLES = ("dataset", "broad_dataset", "narrow_dataset", "near_dataset", "far_dataset")  # what `opened` calls them


class Sets(NamedTuple):
    """The images of one seed; `pools` are outliers to learn from, `tested` the sets to be told apart, by role/name."""

    fit: ImageSet
    test: ImageSet
    pools: dict[str, Tensor]
    tested: dict[str, Tensor]


def opened(
    seed: int,
    task: Mapping[str, Any],
    dataset: str,
    broad_dataset: str,
    narrow_dataset: str,
    near_dataset: str,
    far_dataset: str,
) -> Sets:
    """All images of a seed in one shape, that of the in-distribution images pooled over squares of pixels.

    No image is both learnt from and tested; where the broad set is the near one as well, its unseen kinds are tested.
    """
    whole, _, whole_test = in_distribution(dataset, seed)
    left_out = order(len(whole.classes), seed, "held out")[: task["held_out_classes"]]
    fit, _ = parted(whole, left_out)
    test, held_out = parted(whole_test, left_out)

    def shaped(images: Tensor) -> Tensor:
        return pooled(in_shape(images, whole.shape, seed), task["pooling"])

    seen, unseen = kinds(load(broad_dataset, "train"), SEEN_SHARE, seed)
    fresh, _ = kinds(load(broad_dataset, "test"), SEEN_SHARE, seed)
    near = unseen if near_dataset == broad_dataset else load(near_dataset, "test")
    others = {f"broad/{broad_dataset}": fresh, f"near/{near_dataset}": near}
    others |= {f"narrow/{narrow_dataset}": load(narrow_dataset, "test")}
    others |= {f"near/held-out {dataset}": held_out} if len(held_out) else {}
    others |= {f"far/{far_dataset}": load(far_dataset, "test")} if far_dataset != narrow_dataset else {}
    tested = {name: shaped(taken(images, task["ood_images"], seed, name)) for name, images in others.items()}
    fit, test = (with_images(part, shaped(part.images)) for part in (fit, test))
    for place, kind in enumerate(NOISES):
        source = torch.Generator().manual_seed(derived_seed(seed, 2, place))
        tested[f"noise/{kind}"] = drawn_noise(kind, task["ood_images"], fit.shape, source)
    narrow = load(narrow_dataset, "train").images
    few = seen.images[order(len(seen), seed, "few")[: task["few_images"]]]
    narrow = narrow[order(len(narrow), seed, "narrow")[: task["few_images"]]]
    pools = {"broad": seen.images, "few of the broad set": few, "narrow": narrow}
    return Sets(fit, test, {name: shaped(images) for name, images in pools.items()}, tested)


def parted(images: ImageSet, left_out: Tensor) -> tuple[ImageSet, ImageSet]:
    """A set without some classes, its other labels counted anew from 0, and the images of those classes."""
    out = torch.isin(images.labels, left_out)
    stay = [label for label in range(len(images.classes)) if label not in left_out.tolist()]
    new = torch.full((len(images.classes),), -1).index_put((torch.tensor(stay),), torch.arange(len(stay)))
    kept, classes = images.take(~out), tuple(images.classes[label] for label in stay)
    return ImageSet(kept.images, new[kept.labels], classes, kept.name, kept.checksum, kept.split), images.take(out)


def with_images(images: ImageSet, others: Tensor) -> ImageSet:
    """The same set with its images in another shape."""
    return ImageSet(others, images.labels, images.classes, images.name, images.checksum, images.split)


def pooled(images: Tensor, by: int) -> Tensor:
    """Averaged over squares of `by` x `by` pixels, (N, C, H, W) -> (N, C, H / by, W / by), of the same type."""
    return like(images, F.avg_pool2d(to_float(images), by)) if by > 1 else images


def classifier(
    seed: int,
    training: str,
    beta: float,
    plan: Mapping[str, Any],
    task: Mapping[str, Any],
    device: str,
    generator: Values | None = None,
    checkpoint: Path | None = None,
    **sets: str,
) -> Values:
    """Train a classifier by one of the `TRAININGS`; outliers, where there are any, are as many as images.

    `generator` is what `generator_beside` returned for this seed, for "KL plain GAN": it makes the outliers, afresh at
    every step, and stands still.
    """
    images, compute = opened(seed, task, **sets), prepare(device)
    outliers = source(training, images, generator, plan, seed, compute.device)
    net = fresh_classifier(plan, images, seed)
    batch = plan["batch_images"] * (2 if training == "CEx" else 1)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        """-log P(y | x) plus beta KL(U || P) on as many outliers."""
        assert outliers is not None
        drawn = outliers(len(batch.images), batch.generator)
        return confidence_loss(model, batch.images, batch.labels, drawn, beta=beta)

    watch = Watch(plan["train_steps"], on_the_way(images, task))
    survived = watch.survives(
        net,
        train,
        net,
        images.fit.images,
        images.fit.labels,
        steps=plan["train_steps"],
        batch_size=batch,
        optimiser=adam(net, plan["learning_rate"]),
        schedule=decayed(plan),
        batch_loss=loss if outliers is not None else supervised(),
        seed=seed,
        compute=compute,
        drop_last=True,
        checkpoint=checkpoint,
        fingerprint=f"{training} {beta} {plan} {task} {sets}",
    )
    found = measured(net.eval(), images) | {"diverged": float(not survived)} | course(watch.history)
    if training == "KL plain GAN":
        assert outliers is not None
        random = torch.Generator(compute.device).manual_seed(derived_seed(seed, MADE))
        made = outliers(task["sample_images"], random).cpu()
        found |= {"on samples": on_samples(net, images, made)}
    needed = net.state_dict() if training in KEPT else {}
    return found | {"weights": {name: value.cpu() for name, value in needed.items()}}


def generator_beside(
    seed: int,
    beta: float,
    plan: Mapping[str, Any],
    task: Mapping[str, Any],
    judged_by: Values,
    device: str,
    net: Values | None = None,
    checkpoint: Path | None = None,
    **sets: str,
) -> Values:
    """Train a GAN, with beta > 0 beside a classifier `net` that stands still, and see where its samples lie.

    `judged_by` and `net` are what `classifier` returned for this seed.
    """
    images, compute = opened(seed, task, **sets), prepare(device)
    gan, eye = fresh_gan(plan, images, seed), judge_of(judged_by, plan, images, compute.device)
    fixed = None if net is None else loaded(net, plan, images, compute.device)
    watch = Watch(plan["train_steps"], lambda _: of_samples(gan, eye, images, task, seed))
    survived = watch.survives(
        gan.generator,
        train_gan,
        gan,
        images.fit.images,
        steps=plan["train_steps"],
        batch_size=plan["batch_images"],
        pull=Pull(beta),
        classifier=fixed,
        seed=seed,
        compute=compute,
        checkpoint=checkpoint,
        fingerprint=f"{beta} {plan} {task} {sets}",
    )
    return (
        samples_of(gan, images, task, seed)
        | {"diverged": float(not survived)}
        | course(watch.history)
        | {"generator": {name: value.cpu() for name, value in gan.generator.state_dict().items()}}
    )


def joint(
    seed: int,
    beta: float,
    plan: Mapping[str, Any],
    task: Mapping[str, Any],
    judged_by: Values,
    device: str,
    form: Form = "non-saturating",
    pull_away: float = 0.0,
    checkpoint: Path | None = None,
    **sets: str,
) -> Values:
    """Train discriminator, generator and classifier in turn, one step each: the outliers are made on the way."""
    images, compute = opened(seed, task, **sets), prepare(device)
    net, gan = fresh_classifier(plan, images, seed), fresh_gan(plan, images, seed)
    eye = judge_of(judged_by, plan, images, compute.device)
    look = on_the_way(images, task)

    def looked(model: nn.Module) -> dict[str, float]:
        return look(model) | of_samples(gan, eye, images, task, seed) | objective(model, gan, images, task, beta, seed)

    watch = Watch(plan["train_steps"], looked)
    survived = watch.survives(
        net,
        train_joint,
        net,
        adam(net, plan["learning_rate"]),
        gan,
        images.fit.images,
        images.fit.labels,
        steps=plan["train_steps"],
        batch_size=plan["batch_images"],
        pull=Pull(beta, form, pull_away),
        schedule=decayed(plan),
        seed=seed,
        compute=compute,
        checkpoint=checkpoint,
        fingerprint=f"{beta} {form} {pull_away} {plan} {task} {sets}",
    )
    return (
        measured(net.eval(), images)
        | samples_of(gan, images, task, seed)
        | {"on samples": on_samples(net, images, drawn(gan, task["sample_images"], seed))}
        | {"diverged": float(not survived)}
        | course(watch.history)
        | {"weights": {name: value.cpu() for name, value in net.state_dict().items()}}
    )


def test_images(
    seed: int, plan: Mapping[str, Any], task: Mapping[str, Any], judged_by: Values, device: str, **sets: str
) -> Values:
    """What the judge says of the test images themselves: what a perfect generator would have."""
    images = opened(seed, task, **sets)
    eye = judge_of(judged_by, plan, images, prepare(device).device)
    real = to_float(images.test.images[:FRESH])
    return {"late": seen_by(eye, real, real)}


def other_weight(beta: float) -> float:
    """The other one of the two weights of the released code, for the joint loss that is shown beside the judged one."""
    return 0.1 if beta == 1 else 1.0


def objective(
    net: nn.Module, gan: Gan, images: Sets, task: Mapping[str, Any], beta: float, seed: int
) -> dict[str, float]:
    """The paper's objective on fixed training images and fixed random numbers, all nets in eval mode.

        E_in[-log P(y | x)] + beta E_G[KL(U || P)] + E_in[log D(x)] + E_G[log(1 - D(x))]

    Classifier and generator are to lower it, the discriminator to raise it. Its first two terms are the confidence
    loss.
    """
    device, count = next(net.parameters()).device, task["sample_images"]
    real, labels = (part[:count].to(device) for part in (to_float(images.fit.images[:count]), images.fit.labels))
    fake = drawn(gan, count, seed).to(device)
    with torch.no_grad(), evaluating(net), evaluating(gan.discriminator):
        right = F.cross_entropy(net(real), labels).item()
        unsure = kl_from_uniform(net(fake)).mean().item()
        game = -discriminator_loss(gan.logits(real), gan.logits(fake)).item()
    loss = right + beta * unsure
    return {"objective": loss + game, "confidence loss": loss, "game": game, "KL on samples": unsure}


def measured(net: nn.Module, images: Sets) -> Values:
    """Accuracy, mean confidence, and how well the net's confidence tells its own test images from others, by role.

    Far sets are the far and the narrow one; "unseen far" leaves out the narrow one, which "KL narrow" has seen.
    """
    logits = predict(net, images.test.images)
    inside = softmax_score(logits)
    found = {name: detected(inside, softmax_score(predict(net, others))) for name, others in images.tested.items()}
    roles = {"near": ("near/",), "far": ("far/", "narrow/"), "unseen far": ("far/",), "noise": ("noise/",)}
    chosen = {role: [found[name] for name in found if name.startswith(begins)] for role, begins in roles.items()}
    return {
        "accuracy": (logits.argmax(dim=1) == images.test.labels).double().mean().item(),
        "confidence": float(softmax(logits).max(axis=1).mean()),
        **{
            metric: {role: sum(each[metric] for each in of) / len(of) for role, of in chosen.items() if of}
            for metric in ("TNR95", "AUROC")
        },
        "sets": {name.replace("/", ", "): values for name, values in found.items()},
    }


def detected(inside: Tensor, outside: Tensor) -> dict[str, float]:
    """TNR95, the share of OOD images rejected where 95 % of the own ones are accepted, and AUROC, from scores."""
    return {"TNR95": 1 - fpr_at_tpr(inside, outside, positive="id"), "AUROC": auroc(inside, outside)}


def on_samples(net: nn.Module, images: Sets, made: Tensor) -> dict[str, float]:
    """How well samples are rejected, and how near to uniform the answers on them are."""
    logits = predict(net, made)
    return detected(softmax_score(predict(net, images.test.images)), softmax_score(logits)) | {
        "KL": kl_from_uniform(logits).mean().item()
    }


def on_the_way(images: Sets, task: Mapping[str, Any]) -> Callable[[nn.Module], dict[str, float]]:
    """Test accuracy, and cross-entropy on training images that stay the same; used for nothing that is trained."""
    test, labels = images.test.images[:FRESH], images.test.labels[:FRESH]
    probe, targets = (part[: task["sample_images"]] for part in (images.fit.images, images.fit.labels))

    def look(net: nn.Module) -> dict[str, float]:
        return {
            "accuracy": 1 - error_rate(net, test, labels),
            "cross-entropy": F.cross_entropy(predict(net, probe), targets).item(),
        }

    return look


def of_samples(gan: Gan, eye: Judge, images: Sets, task: Mapping[str, Any], seed: int) -> dict[str, float]:
    """Where samples lie at present, of how many classes they are, and how different from each other."""
    count = task["sample_images"]
    return seen_by(eye, drawn(gan, count, seed), to_float(images.test.images[:count]))


def samples_of(gan: Gan, images: Sets, task: Mapping[str, Any], seed: int) -> Values:
    """Some samples with the training images nearest to them, as uint8, and whether they are copies.

    The ratio compares the median distance of samples to the nearest training image with that of test images.
    """
    known, count = to_float(images.fit.images[:KNOWN]), task["sample_images"]
    made = drawn(gan, count, seed)
    away, which = nearest(made, known)
    own, _ = nearest(to_float(images.test.images[:count]), known)
    bytes_of = [(255 * some[:SHOWN]).round().to(torch.uint8) for some in (made, known[which])]
    ratio = (away.median() / own.median().clamp_min(1e-12)).item()
    return {"samples": bytes_of[0], "nearest": bytes_of[1], "distance ratio": ratio}


def drawn(gan: Gan, count: int, seed: int) -> Tensor:
    """The same samples of the generator at any time, in eval mode, on the CPU, without a trace on the training.

    What is not finite, of a generator that broke, is 0: a black image, which the measures then tell from the data.
    """
    device = next(gan.generator.parameters()).device
    random = torch.Generator(device).manual_seed(derived_seed(seed, MADE))
    with torch.no_grad(), evaluating(gan.generator):
        return gan.samples(count, random).cpu().nan_to_num(0.0).clamp(0, 1)


class Watch:
    """A hook that looks at a training in equal distances, and holds on to what it saw where the training diverges."""

    def __init__(self, steps: int, look: Callable[[nn.Module], dict[str, float]]) -> None:
        """`look` is called with the model of the run."""
        self.when = {round(steps * number / LOOKS) for number in range(1, LOOKS + 1)}
        self.look = look
        self.history: History | None = None

    def __call__(self, run: Any) -> None:
        """After a step."""
        self.history = run.history
        if run.step in self.when:
            self.record(run.step, run.model)

    def record(self, step: int, net: nn.Module) -> None:
        """Note what is seen; a number that is not finite, of nets that broke, as 0, since "diverged" tells."""
        for name, value in self.look(net).items():
            assert self.history is not None
            self.history.record(name, step, value if math.isfinite(value) else 0.0)

    def survives(self, net: nn.Module, training: Callable[..., History], *arguments: Any, **options: Any) -> bool:
        """Whether the training of `net` comes to its end; where loss or gradient break, the nets stay as they then are.

        That is a result like any other: such a run is measured and not repeated with another seed.
        """
        try:
            training(*arguments, hooks=[self], **options)
        except Diverged as found:
            self.history = self.history or History.of(found.step + 1, torch.device("cpu"))
            self.record(found.step + 1, net)
            return False
        return True


def course(history: History | None) -> Values:
    """What was recorded along a training, its means over the second half, which of it rose, the last quarter's gain."""
    assert history is not None, "a training without a step"
    values = history.values
    steps = [step for step, _ in next(iter(values.values()))]
    along = {name: [value for _, value in lines] for name, lines in values.items()}
    late = [place for place, step in enumerate(steps) if step > steps[-1] / 2]
    means = {name: sum(line[place] for place in late) / len(late) for name, line in along.items()}
    found = {"along": {"step": steps} | along, "late": means, "rises": {name: risen(along[name]) for name in along}}
    if "accuracy" in along:
        found["gain"] = along["accuracy"][-1] - at(steps, along["accuracy"], 3 * steps[-1] / 4)
    return found


def risen(values: list[float]) -> float:
    """Share of the windows between two looks at whose end the value is higher than at their beginning."""
    rises = [later > earlier for earlier, later in pairwise(values)]
    return sum(rises) / max(1, len(rises))


def source(
    training: str, images: Sets, generator: Values | None, plan: Mapping[str, Any], seed: int, device: torch.device
) -> Callable[[int, torch.Generator], Tensor] | None:
    """Where outliers come from: a pool, noise that never repeats, a generator; None for a training without them."""
    kind = TRAININGS[training]
    if kind in images.pools:
        pool = images.pools[kind].to(device)
        return lambda count, random: pool[torch.randint(len(pool), (count,), generator=random, device=device)]
    if kind == "noise":
        return lambda count, random: drawn_noise("gaussian", count, images.fit.shape, random)
    if kind != "samples":
        return None
    if generator is None:
        raise ValueError(f"{training} takes its outliers from a generator: pass what generator_beside returned")
    gan = fresh_gan(plan, images, seed)
    gan.generator.load_state_dict(generator["generator"])
    gan.generator.to(device).eval()

    def made(count: int, random: torch.Generator) -> Tensor:
        with torch.no_grad():
            return gan.samples(count, random)

    return made


def fresh_classifier(plan: Mapping[str, Any], images: Sets, seed: int) -> nn.Module:
    """The classifier before its training, the same one for all trainings of a seed."""
    torch.manual_seed(seed)
    return FAMILIES[plan["net"]].classifier(images.fit.shape, len(images.fit.classes))


def fresh_gan(plan: Mapping[str, Any], images: Sets, seed: int) -> Gan:
    """The GAN before its training, the same one wherever a generator is trained."""
    family, shape = FAMILIES[plan["net"]], images.fit.shape
    torch.manual_seed(derived_seed(seed, GAN))
    generator, discriminator = family.generator(shape, family.latent), family.discriminator(shape)
    own, others = (adam(net, plan["gan_rate"], betas=(0.5, 0.999)) for net in (generator, discriminator))
    return Gan(generator, discriminator, own, others, family.latent, decayed(plan))


def decayed(plan: Mapping[str, Any]) -> Schedule:
    """A tenth of every rate for the last 40 % of the steps."""
    return step_decay([round(DECAY * plan["train_steps"])])


def loaded(trained: Values, plan: Mapping[str, Any], images: Sets, device: torch.device) -> nn.Module:
    """A trained classifier, in eval mode."""
    net = FAMILIES[plan["net"]].classifier(images.fit.shape, len(images.fit.classes))
    net.load_state_dict(trained["weights"])
    return net.to(device).eval()


def judge_of(trained: Values, plan: Mapping[str, Any], images: Sets, device: torch.device) -> Judge:
    """The judge of samples: a classifier that took no part in the game, with its unit set by images of the data."""
    net = loaded(trained, plan, images, device)
    return judge(net, images.fit.images[:KNOWN], images.test.images[:FRESH])
