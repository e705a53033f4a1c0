"""The loss by hand, its gradient by its meaning, the guard, the count of passes."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.methods.jem import Guard, JointLoss, Recipe, jem_loss, noisy, passes_per_step
from lib.methods.sgld import Langevin, ReplayBuffer
from lib.training.batches import Batch
from lib.training.loop import Diverged


class Table(nn.Module):
    """Logits (N, 2) that are the first two pixels times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(1.0))

    def forward(self, images: Tensor) -> Tensor:
        return self.w * images.flatten(1)[:, :2]


DATA = torch.tensor([[2.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 2)
CHAINS = torch.tensor([[0.5, 0.5], [1.0, -1.0]]).view(2, 1, 1, 2)
LABELS, CLASSES = torch.tensor([0, 0]), torch.tensor([1, 0])


def lse(*values: float) -> float:
    return math.log(sum(map(math.exp, values)))


def test_the_joint_loss_by_hand():
    data, chains = [lse(2, 0), lse(0, 1)], [lse(0.5, 0.5), lse(1, -1)]
    classification = (data[0] - 2 + data[1] - 0) / 2
    penalty = 0.1 * (sum(v * v for v in data) / 2 + sum(v * v for v in chains) / 2)
    loss, up, down = jem_loss(Table(), DATA, LABELS, CHAINS, CLASSES, Recipe(energy_penalty=0.1))
    assert (up.item(), down.item()) == pytest.approx((sum(data) / 2, sum(chains) / 2))
    assert loss.item() == pytest.approx(classification - (up - down).item() + penalty, rel=1e-5)


def test_a_float64_net_keeps_its_digits():
    """A loss that rounds to float32 has no digit left at a density of a hundred million."""
    data, chains = DATA.double() + 1e8, CHAINS.double() + 1e8
    loss, up, down = jem_loss(Table().double(), data, LABELS, chains, CLASSES, Recipe())
    shifted, _, _ = jem_loss(Table().double(), DATA.double(), LABELS, CHAINS.double(), CLASSES, Recipe())
    assert loss.dtype == torch.float64 and loss.item() == pytest.approx(shifted.item(), abs=1e-6)
    assert (up - down).item() == pytest.approx((lse(2, 0) + lse(0, 1) - lse(0.5, 0.5) - lse(1, -1)) / 2, abs=1e-6)


def test_the_class_conditional_loss_by_hand():
    """Each chain by the class it was run for, the data by their labels, and no cross-entropy."""
    loss, up, down = jem_loss(Table(), DATA, LABELS, CHAINS, CLASSES, Recipe(factorisation="p(x|y) p(y)"))
    assert (up.item(), down.item()) == pytest.approx(((2 + 0) / 2, (0.5 + 1) / 2))
    assert loss.item() == pytest.approx(-(1.0 - 0.75))


def test_a_step_down_the_loss_raises_the_data_and_lowers_the_chains():
    """The sign of the density term: with the data and the chains exchanged it would turn round."""
    model, recipe = Table(), Recipe()
    loss, _, _ = jem_loss(model, DATA, LABELS, CHAINS, CLASSES, recipe)
    classification = F.cross_entropy(model(DATA), LABELS)
    (gradient,) = torch.autograd.grad(loss - classification, model.w)
    up, down = (torch.autograd.grad(model(x).logsumexp(1).mean(), model.w)[0] for x in (DATA, CHAINS))
    assert gradient.item() == pytest.approx((down - up).item())


def test_a_shift_of_all_logits_does_not_matter_to_the_loss_without_penalty():
    class Shifted(Table):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) + 100

    plain, shifted = (jem_loss(m, DATA, LABELS, CHAINS, CLASSES, Recipe())[0].item() for m in (Table(), Shifted()))
    assert shifted == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize(
    ("gaps", "causes"),
    [
        ([0.0, -9.9, 9.9], ["", "", ""]),
        ([float("nan")], ["not finite"]),
        ([float("-inf")], ["not finite"]),
        ([1001.0], ["burst"]),
        ([11.0, 12.0, -13.0], ["", "", "drift"]),
        ([11.0, 12.0, 1.0, 11.0, 12.0], ["", "", "", "", ""]),
    ],
)
def test_guard(gaps, causes):
    guard = Guard(burst=1000, drift=10, patience=3)
    assert [guard.cause(gap) for gap in gaps] == causes


def a_loss(**changes) -> tuple[JointLoss, ReplayBuffer]:
    random = torch.Generator().manual_seed(0)
    buffer = ReplayBuffer(6, (1, 1, 2), random, classes=2)
    recipe = Recipe(Langevin(steps=2), buffer_size=6, **changes)
    return JointLoss(recipe, buffer, random, Guard()), buffer


def batch(images: Tensor = DATA) -> Batch:
    return Batch(images, LABELS, torch.arange(2), 0, torch.Generator())


def test_a_step_visits_chains_and_leaves_no_gradient_of_theirs():
    loss, buffer = a_loss()
    before, model = buffer.images.clone(), Table()
    value = loss(model, batch())
    assert model.w.grad is None and value.requires_grad
    moved = (buffer.images != before).flatten(1).any(1)
    assert moved.sum() == 2
    assert len(loss.trace) == 1 and loss.trace[0][2] > 0


def test_with_chains_of_the_labels_the_biases_of_the_classes_feel_nothing():
    """The mean over data minus the mean over chains of one-hot(y): 0 if both hold the same classes, noise otherwise."""
    torch.manual_seed(0)
    head, images = nn.Linear(3 * 32 * 28, 5), torch.rand(20, 3, 32, 28)
    model = nn.Sequential(nn.Flatten(), head)
    labels = torch.arange(20) % 5
    labels[0] = 3
    gradients = {}
    for pairing in ("label", "place"):
        random = torch.Generator().manual_seed(0)
        recipe = Recipe(Langevin(steps=1), factorisation="p(x|y) p(y)", pairing=pairing, buffer_size=100)
        loss = JointLoss(recipe, ReplayBuffer(100, (3, 32, 28), random, classes=5), random, Guard())
        model.zero_grad()
        loss(model, Batch(images, labels, torch.arange(20), 0, torch.Generator())).backward()
        assert head.bias.grad is not None
        gradients[pairing] = head.bias.grad.abs().max().item()
    assert gradients["label"] < 1e-7 < 0.01 < gradients["place"]


def test_a_pairing_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="paired by label or place, found 'row'"):
        Recipe(pairing="row")


def test_nan_is_found_where_an_absolute_bound_would_let_it_pass():
    loss, _ = a_loss()
    with pytest.raises(Diverged) as found:
        loss(Table(), batch(DATA * float("nan")))
    assert loss.cause == "not finite" and found.value.step == 0
    assert not abs(found.value.loss) > 1e8  # the released code's test


def test_noise_has_its_deviation_in_images_from_minus_one_to_one():
    images = torch.zeros(100, 1, 10, 10)
    blurred = noisy(images, 0.03, torch.Generator().manual_seed(0))
    assert (2 * blurred).std().item() == pytest.approx(0.03, rel=0.03)
    assert torch.equal(noisy(images, 0.0, torch.Generator()), images)


def test_passes_of_a_step():
    assert passes_per_step(0, batches=1) == 3
    assert passes_per_step(20, batches=3) / 3 == pytest.approx(16.33, abs=0.01)
    assert passes_per_step(20) / 3 == pytest.approx(15.33, abs=0.01)
    assert passes_per_step(5) / 3 == pytest.approx(5.33, abs=0.01)
