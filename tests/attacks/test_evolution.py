"""Evolution in batches against one individual at a time, resumed against uninterrupted, and what it must refuse."""

import math

import pytest
import torch
from torch import nn

from lib.attacks import evolution
from lib.attacks.cppn import INPUTS, LINEAR, Patterns, activate, add_node, grid
from lib.attacks.evolution import Pixels, evolve, log_odds, polynomial_step, simulated_binary_crossover
from lib.models.lenet import lenet

SHAPE = (1, 28, 28)
ENCODINGS = {"pixels": Pixels(SHAPE), "patterns": Patterns(SHAPE), "as coded": Patterns(SHAPE, "as_coded")}


@pytest.fixture(scope="module")
def net():
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return lenet(11, mean=0.13)


def evolved(net, encoding, **settings):
    chosen = {"classes": 10, "generations": 6, "population": 20, "seed": 1} | settings
    return evolve(net, encoding, **chosen)


def step_of(u, eta=15.0):
    return (2 * u) ** (1 / (eta + 1)) - 1 if u < 0.5 else 1 - (2 * (1 - u)) ** (1 / (eta + 1))


def crossed(a, b, u, eta=10.0):
    beta = (2 * u) ** (1 / (eta + 1)) if u <= 0.5 else (1 / (2 * (1 - u))) ** (1 / (eta + 1))
    return min(max(0.5 * ((1 + beta) * a + (1 - beta) * b), 0), 1)


def test_the_steps_of_variation_are_those_of_their_formulas():
    draws = [0.0, 1e-4, 0.2, 0.4999, 0.5, 0.7, 0.9999]
    u = torch.tensor(draws, dtype=torch.float64)
    assert polynomial_step(u).tolist() == pytest.approx([step_of(x) for x in draws], abs=1e-12)
    a, b = torch.full_like(u, 0.3), torch.full_like(u, 0.6)
    found = simulated_binary_crossover(a, b, u).tolist()
    assert found == pytest.approx([crossed(0.3, 0.6, x) for x in draws], abs=1e-12)


def test_a_batched_generation_is_one_individual_after_the_other(net):
    """The same draws, but pixels, children and champions in loops, as one would write it first."""
    count, size = 6, 28 * 28
    found = evolve(net, Pixels(SHAPE), classes=10, generations=2, population=count, seed=3)
    generator = torch.Generator().manual_seed(3)
    champions: list[list[float]] = [[] for _ in range(10)]
    best = [-math.inf] * 10
    for generation in range(3):
        if generation == 0:
            children = torch.rand(count, size, generator=generator).tolist()
        else:
            first, second = torch.randint(10, (2, count), generator=generator).tolist()
            crosses = (torch.rand(count, generator=generator) < 0.5).tolist()
            spread, changes, steps = (torch.rand(count, size, generator=generator).tolist() for _ in range(3))
            children = []
            for i in range(count):
                child = list(champions[first[i]])
                for j in range(size):
                    if crosses[i]:
                        child[j] = crossed(child[j], champions[second[i]][j], spread[i][j])
                    if changes[i][j] < 0.1:
                        child[j] = min(max(child[j] + step_of(steps[i][j]), 0), 1)
                children.append(child)
        for child in children:
            with torch.no_grad():
                logits = net(torch.tensor(child).view(1, *SHAPE))[0].double().tolist()
            for label in range(10):
                others = math.log(sum(math.exp(z) for k, z in enumerate(logits) if k != label))
                if logits[label] - others > best[label]:
                    best[label], champions[label] = logits[label] - others, child
    assert found.log_odds.tolist() == pytest.approx(best, abs=1e-4)
    assert torch.allclose(found.images.flatten(1), torch.tensor(champions), atol=1e-5)


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_champions_get_better_and_are_what_the_net_says(net, encoding):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = evolved(net, encoding, film_at=(0, 3, 6))
    assert (found.history.diff(dim=0) >= 0).all() and (found.history[-1] > found.history[0]).sum() >= 5
    with torch.no_grad():
        probability = net(found.images).double().softmax(1).diagonal()
    assert torch.allclose(found.log_odds.double().sigmoid(), probability, atol=1e-5)
    assert found.images.shape == (10, *SHAPE) and found.images.min() >= 0 and found.images.max() <= 1
    assert found.film.shape == (3, 10, *SHAPE) and torch.equal(found.film[-1], found.images)
    assert found.film_at == (0, 3, 6) and found.history.shape == (7, 10)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_the_seed_decides_and_an_interrupt_changes_nothing(net, encoding, tmp_path, monkeypatch):
    whole = evolved(net, encoding, film_at=(1, 5))
    assert not torch.equal(whole.images, evolved(net, encoding, seed=2).images)
    monkeypatch.setattr(evolution, "SAVE_EVERY", 2)
    path, step = tmp_path / "partial", evolution._Run.step

    def interrupted(run):
        if run.generation == 4:
            raise KeyboardInterrupt
        step(run)

    monkeypatch.setattr(evolution._Run, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evolved(net, encoding, film_at=(1, 5), checkpoint=path)
    taken = []

    def noted(run):
        taken.append(run.generation)
        step(run)

    monkeypatch.setattr(evolution._Run, "step", noted)
    resumed = evolved(net, encoding, film_at=(1, 5), checkpoint=path)
    assert taken == [4, 5]
    for name in ("images", "log_odds", "history", "film"):
        assert torch.equal(getattr(whole, name), getattr(resumed, name)), name


def test_a_checkpoint_of_another_run_is_refused_and_a_damaged_one_set_aside(net, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evolution, "SAVE_EVERY", 3)
    path = tmp_path / "partial"
    whole = evolved(net, Pixels(SHAPE), checkpoint=path)
    with pytest.raises(ValueError, match="checkpoint of another evolution"):
        evolved(net, Pixels(SHAPE), checkpoint=path, seed=2)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert torch.equal(evolved(net, Pixels(SHAPE), checkpoint=path).images, whole.images)
    assert "is damaged" in capsys.readouterr().err


def test_log_odds_do_not_round_where_probabilities_do():
    logits = torch.tensor([[30.0, 0.0, 0.0], [40.0, 0.0, 0.0], [0.0, 1.0, 2.0]])
    odds = log_odds(logits, 2)
    assert odds.shape == (3, 2)
    assert odds[:2, 0].tolist() == pytest.approx([30 - math.log(2), 40 - math.log(2)])
    p = logits[2].double().softmax(0)
    assert odds[2].tolist() == pytest.approx((p / (1 - p)).log()[:2].tolist(), abs=1e-5)
    assert logits[0].softmax(0)[0] == logits[1].softmax(0)[0] == 1


def test_the_rate_of_mutation_is_halved_as_published_or_stays(net, monkeypatch):
    rates = []
    vary = Pixels.vary

    def noted(self, parents, others, rate, generator):
        rates.append(rate)
        return vary(self, parents, others, rate, generator)

    monkeypatch.setattr(Pixels, "vary", noted)
    evolved(net, Pixels(SHAPE), generations=5, halved_every=2)
    evolved(net, Pixels(SHAPE), generations=3, halved_every=None)
    assert rates == [0.1, 0.1, 0.05, 0.05, 0.025, 0.1, 0.1, 0.1]


def test_an_output_beyond_the_classes_has_no_champion_but_takes_probability(net):
    found = evolved(net, Pixels(SHAPE))
    logits = net(found.images).detach()
    assert logits.shape == (10, 11) and len(found.images) == 10
    assert torch.allclose(found.log_odds, log_odds(logits, 10).diagonal(), atol=1e-4)
    with pytest.raises(ValueError, match="12 classes wanted, but the model has 11 outputs"):
        evolved(net, Pixels(SHAPE), classes=12)


def painted_alone(weights, kinds, places):
    """One graph, node by node and pixel by pixel."""
    functions = [lambda z: z, math.sin, lambda z: 1 / (1 + math.exp(-z)), lambda z: math.exp(-z * z)]
    image = []
    for place in places.T.tolist():
        values = [*place, *[0.0] * (len(weights) - INPUTS)]
        for slot in range(INPUTS, len(weights)):
            into = [weights[i][slot] * values[i] for i in range(slot) if weights[i][slot] != 0]
            values[slot] = functions[kinds[slot]](sum(into)) if into else 0.0
        image.append(min(abs(values[-1]), 1.0))
    return image


@pytest.mark.parametrize("coordinates", ["as_published", "as_coded"])
def test_a_population_of_graphs_is_painted_as_each_alone(coordinates):
    encoding = Patterns((1, 9, 7), coordinates)
    generator = torch.Generator().manual_seed(0)
    genomes = encoding.first(30, generator)
    for _ in range(12):
        genomes = encoding.vary(genomes, genomes, 0.1, generator)
    images = encoding.images(genomes).flatten(1)
    assert images.std(1).gt(0.01).sum() > 10, "most graphs paint something"
    places = grid((1, 9, 7), coordinates, torch.device("cpu"))
    for i in range(30):
        alone = painted_alone(genomes["weights"][i].tolist(), genomes["kinds"][i].tolist(), places)
        assert images[i].tolist() == pytest.approx(alone, abs=2e-3)


def test_graphs_grow_and_never_turn_back():
    encoding = Patterns(SHAPE)
    generator = torch.Generator().manual_seed(1)
    genomes = encoding.first(100, generator)
    start = genomes["weights"].count_nonzero()
    assert start == 400 and genomes["kinds"].max() <= 3
    for _ in range(15):
        genomes = encoding.vary(genomes, genomes, 0.1, generator)
    weights = genomes["weights"]
    assert weights.tril().count_nonzero() == 0 and weights[:, :, :INPUTS].count_nonzero() == 0
    assert weights.abs().max() <= 3
    hidden = weights[:, :, INPUTS:-1].bool().any(1).sum(1)
    assert hidden.float().mean() > 1 and weights.count_nonzero() > start


def test_a_split_connection_keeps_its_ends_and_its_weight():
    weights, kinds = torch.zeros(1, 8, 8), torch.zeros(1, 8, dtype=torch.long)
    weights[0, 2, 7] = 1.5
    add_node(weights, kinds, torch.tensor([True]), torch.rand(1, 8, 8), torch.rand(1, 8), torch.tensor([0.6]))
    (new,) = weights[0, 2].nonzero()[:, 0].tolist()
    assert 4 <= new < 7 and weights[0, 2, new] == 1 and weights[0, new, 7] == 1.5 and weights[0, 2, 7] == 0
    assert kinds[0, new] == 2 and weights.count_nonzero() == 2


def test_every_function_of_a_node():
    z = torch.tensor([[0.5, -1.0]] * 4)
    found = activate(z, torch.arange(4))
    assert found[LINEAR].tolist() == [0.5, -1.0]
    assert found[1].tolist() == pytest.approx([math.sin(0.5), math.sin(-1)], abs=1e-6)
    assert found[2].tolist() == pytest.approx([1 / (1 + math.exp(-0.5)), 1 / (1 + math.e)], abs=1e-6)
    assert found[3].tolist() == pytest.approx([math.exp(-0.25), math.exp(-1)], abs=1e-6)


def test_coordinates_are_on_one_scale_or_indices():
    published, coded = (grid((1, 3, 5), name, torch.device("cpu")) for name in ("as_published", "as_coded"))
    assert published[0].view(3, 5)[0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert published[2, 7] == 0 and published[2, 0] == pytest.approx(2**0.5)
    assert coded[0].view(3, 5)[0].tolist() == [0, 1, 2, 3, 4] and coded[1].view(3, 5)[:, 0].tolist() == [0, 1, 2]
    assert coded[2].max() == 1 and (published[3] == 1).all()


def test_what_cannot_be_is_refused(net):
    with pytest.raises(ValueError, match="population=0"):
        evolved(net, Pixels(SHAPE), population=0)
    with pytest.raises(ValueError, match="in grey"):
        Patterns((3, 8, 8))
    with pytest.raises(ValueError, match="as_published or as_coded"):
        Patterns(SHAPE, "polar")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one slot"):
        Patterns(SHAPE, hidden=0)


def test_a_net_that_answers_nan_gets_no_champion_for_it():
    class Broken(nn.Module):
        def forward(self, images):
            logits = images.flatten(1)[:, :3].clone()
            logits[0] = torch.nan
            return logits

    found = evolve(Broken(), Pixels((1, 8, 8)), classes=3, generations=3, population=10)
    assert torch.isfinite(found.log_odds).all()
