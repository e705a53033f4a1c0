from functools import partial

import pytest
import torch
from torch import nn

from lib.attacks.fgsm import fgsm
from lib.attacks.guard import attacking, input_gradient
from lib.attacks.harness import robust_accuracy
from lib.attacks.pgd import pgd
from tests.attacks.nets import Linear, small_net


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(20, 1, 8, 8, generator=generator), torch.randint(10, (20,), generator=generator)


def nothing(model, images, labels):
    return images


class TestReport:
    def test_no_attack_gives_clean_accuracy(self, plain_net, digits):
        images, labels = digits[0][:100], digits[1][:100].clone()
        labels[:30] = (labels[:30] + 1) % 10  # thirty images that count as misclassified
        report = robust_accuracy(plain_net, images, labels, nothing, batch_size=64)
        correct = plain_net(images).argmax(1) == labels
        assert report.accuracy == report.clean_accuracy == correct.double().mean().item() <= 0.7
        assert torch.equal(report.robust, correct)
        assert torch.equal(report.adversarial, images)
        assert report.flags == ()

    def test_only_correctly_classified_images_are_attacked(self, plain_net, digits):
        images, labels = digits[0][:100], digits[1][:100].clone()
        labels[::2] = (labels[::2] + 1) % 10
        seen = []

        def spy(model, images, labels):
            seen.append(labels)
            return images

        robust_accuracy(plain_net, images, labels, spy, batch_size=16)
        correct = plain_net(images).argmax(1) == labels
        assert torch.equal(torch.cat(seen), labels[correct])
        assert max(len(batch) for batch in seen) <= 16

    def test_nothing_is_attacked_where_every_image_is_misclassified(self, plain_net, digits):
        images = digits[0][:10]
        labels = (plain_net(images).argmax(1) + 1) % 10
        report = robust_accuracy(plain_net, images, labels, partial(pgd, eps=0.1, steps=2), batch_size=4)
        assert report.accuracy == report.clean_accuracy == report.backward_passes == 0
        assert report.forward_passes == 10

    def test_adversarial_images_break_exactly_those_that_are_not_robust(self, plain_net, digits):
        images, labels = digits[0][:200], digits[1][:200]
        report = robust_accuracy(plain_net, images, labels, partial(pgd, eps=0.1, steps=10), batch_size=64)
        with torch.no_grad():
            assert torch.equal(plain_net(report.adversarial).argmax(1) == labels, report.robust)
        assert 0 < report.accuracy < report.clean_accuracy

    def test_passes_are_counted_exactly(self, digits):
        images, labels = digits[0][:50], digits[1][:50]
        net = small_net().eval()
        correct = int((net(images).argmax(1) == labels).sum())
        report = robust_accuracy(net, images, labels, fgsm_of(0.0), batch_size=20)
        assert report.forward_passes == 50 + correct + correct  # clean, attack, judgement
        assert report.backward_passes == correct
        assert report.seconds > 0

    def test_passes_of_pgd_without_success(self, digits):
        images, labels = digits[0][:50], digits[1][:50]
        net = small_net().eval()
        correct = int((net(images).argmax(1) == labels).sum())
        report = robust_accuracy(net, images, labels, partial(pgd, eps=0.0, steps=7), batch_size=20)
        assert report.forward_passes == 50 + 8 * correct + correct
        assert report.backward_passes == 7 * correct

    def test_repr_is_one_line_without_tensors(self, plain_net, digits):
        text = repr(robust_accuracy(plain_net, digits[0][:9], digits[1][:9], nothing, batch_size=9))
        assert "accuracy=" in text and "tensor" not in text and "\n" not in text

    def test_folding_changes_no_verdict(self, plain_net, digits):
        images, labels = digits[0][:300], digits[1][:300]

        def accuracy(fold):
            attack = partial(pgd, eps=0.1, steps=10, generator=torch.Generator().manual_seed(0))
            return robust_accuracy(plain_net, images, labels, attack, batch_size=300, fold=fold).accuracy

        assert accuracy(True) == pytest.approx(accuracy(False), abs=0.004)


def fgsm_of(eps):
    return partial(fgsm, eps=eps)


class TestRefusals:
    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda x: x * 4 - 2, r"must lie in \[0, 1\], found \[-1\.9\d*, 1\.9\d*\]"),
            (lambda x: x.index_fill(0, torch.tensor([3]), float("nan")), "finite, found 64 values"),
            (lambda x: (x * 255).byte(), "uint8.*divide uint8 by 255"),
            (lambda x: x.half(), "float16"),
            (lambda x: x[:0], "at least one"),
        ],
    )
    @pytest.mark.parametrize("direct", [True, False])
    def test_images(self, batch, damage, message, direct):
        images, labels = damage(batch[0]), batch[1]
        with pytest.raises(ValueError, match=message):
            if direct:
                pgd(small_net(), images, labels, eps=0.1, steps=1)
            else:
                robust_accuracy(small_net(), images, labels, nothing, batch_size=8)

    @pytest.mark.parametrize("labels", [torch.zeros(19, dtype=torch.int64), torch.zeros(20), -torch.ones(20).long()])
    def test_labels(self, batch, labels):
        with pytest.raises(ValueError, match="labels must"):
            fgsm(small_net(), batch[0], labels, eps=0.1)

    def test_label_beyond_the_classes(self, batch):
        with pytest.raises(ValueError, match="10 classes and a label is 11"):
            robust_accuracy(small_net(), batch[0], batch[1] + 11 - batch[1].max(), nothing, batch_size=8)

    @pytest.mark.parametrize("eps", [-0.1, float("nan"), float("inf")])
    def test_eps(self, batch, eps):
        with pytest.raises(ValueError, match="eps must be finite"):
            fgsm(small_net(), *batch, eps=eps)

    def test_norm(self, batch):
        with pytest.raises(ValueError, match="unknown norm 'l1': choose one of linf, l2"):
            pgd(small_net(), *batch, eps=0.1, steps=1, norm="l1")  # type: ignore[arg-type]

    def test_a_diverged_model(self, batch):
        net = small_net()
        torch.nn.utils.vector_to_parameters(
            torch.full((sum(p.numel() for p in net.parameters()),), float("nan")), net.parameters()
        )
        with pytest.raises(ValueError, match=r"not finite for 8 of 8 images.*diverged"):
            robust_accuracy(net, batch[0], batch[1], nothing, batch_size=8)

    def test_a_model_that_returns_no_logits(self, batch):
        net = nn.Sequential(nn.Conv2d(1, 10, 8))
        with pytest.raises(ValueError, match=r"logits \(N, K\) for 20 images, found \(20, 10, 1, 1\)"):
            robust_accuracy(net, batch[0], batch[1], nothing, batch_size=20)

    @pytest.mark.parametrize("samples", [1, 3])
    def test_a_model_that_returns_a_tuple(self, batch, samples):
        class Tupled(nn.Module):
            def forward(self, images):
                return images.flatten(1), images

        with pytest.raises(ValueError, match=r"logits \(N, K\) for 20 images, found a tuple"):
            robust_accuracy(Tupled(), batch[0], batch[1], nothing, batch_size=20, samples=samples)

    def test_a_model_with_one_output(self, batch):
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
        with pytest.raises(ValueError, match=r"one output.*torch.cat"):
            robust_accuracy(net, batch[0], 0 * batch[1], partial(pgd, eps=0.1, steps=1), batch_size=20)

    @pytest.mark.parametrize("attack", [partial(pgd, steps=2), fgsm])
    def test_a_targeted_attack_on_the_true_labels(self, plain_net, digits, attack):
        images, labels = digits[0][:50], digits[1][:50]
        targeted = partial(partial(attack, eps=0.2), targeted=True)
        with pytest.raises(ValueError, match=r"targeted=True.*true labels|true labels.*targeted=True"):
            robust_accuracy(plain_net, images, labels, targeted, batch_size=50)
        with_targets = robust_accuracy(
            plain_net, images, labels, lambda model, x, y: targeted(model, x, (y + 1) % 10), batch_size=50
        )
        assert with_targets.accuracy < with_targets.clean_accuracy

    @pytest.mark.parametrize("settings", [{"batch_size": 0}, {"batch_size": 2.5}, {"batch_size": 8, "samples": 0}])
    def test_counts(self, batch, settings):
        with pytest.raises(ValueError, match=r"whole numbers of at least 1, found (batch_size|samples)="):
            robust_accuracy(small_net(), batch[0], batch[1], nothing, **settings)

    @pytest.mark.parametrize("step_size", [-1.0, float("nan")])
    def test_step_size(self, batch, step_size):
        with pytest.raises(ValueError, match="step_size must be finite"):
            pgd(small_net(), *batch, eps=0.1, steps=1, step_size=step_size)

    def test_a_forgotten_division_by_255(self, batch):
        with pytest.raises(ValueError, match="eps=8 / 255"):
            robust_accuracy(small_net(), batch[0], batch[1], nothing, batch_size=8, eps=8)

    def test_what_is_no_tensor(self, batch):
        with pytest.raises(ValueError, match=r"images must be a tensor .* found ndarray"):
            pgd(small_net(), batch[0].numpy(), batch[1], eps=0.1, steps=1)
        with pytest.raises(ValueError, match=r"labels must be an int64 tensor .* found list"):
            pgd(small_net(), batch[0], batch[1].tolist(), eps=0.1, steps=1)

    def test_labels_of_another_device(self, batch):
        with pytest.raises(ValueError, match="one device, found cpu and meta"):
            pgd(small_net(), batch[0], batch[1].to("meta"), eps=0.1, steps=1)


class TestAttacksThatMisbehave:
    """On a model that is right about every image, so that every image is attacked."""

    @pytest.fixture
    def right(self, batch):
        images = batch[0]
        model = Linear((1, 8, 8), 3, torch.Generator().manual_seed(0), torch.float32)
        return model, images, model(images).argmax(1)

    @pytest.mark.parametrize(
        ("attack", "message"),
        [
            (lambda m, x, y: x + 0.11, "left the box"),
            (lambda m, x, y: (x + 0.11).clamp(0, 1), r"left the linf ball: eps is 0\.1 and it moved an image by 0\.11"),
            (lambda m, x, y: x * float("nan"), "left the box"),
            (lambda m, x, y: x[:-1], r"returned torch.float32 \(19, 1, 8, 8\)"),
            (lambda m, x, y: x.double(), "returned torch.float64"),
        ],
    )
    def test_is_caught(self, right, attack, message):
        model, images, labels = right
        with pytest.raises(RuntimeError, match=message):
            robust_accuracy(model, images, labels, attack, batch_size=20, eps=0.1)

    def test_l2_ball(self, right):
        model, images, labels = right
        with pytest.raises(RuntimeError, match="left the l2 ball"):
            robust_accuracy(model, images, labels, lambda m, x, y: 0.9 * x, batch_size=20, eps=0.1, norm="l2")

    def test_an_attack_that_writes_into_its_input_does_not_reach_the_callers_images(self, right):
        model, images, labels = right
        before = images.clone()

        def careless(model, images, labels):
            return images.mul_(0.5)

        robust_accuracy(model, images, labels, careless, batch_size=7)
        assert torch.equal(images, before)


class TestGuard:
    def test_the_model_is_back_as_it_was(self, batch):
        net = small_net().train()
        net[1].eval()
        net[3].weight.requires_grad_(False)
        modes = [module.training for module in net.modules()]
        frozen = [parameter.requires_grad for parameter in net.parameters()]
        with attacking(net):
            assert not any(module.training for module in net.modules())
            assert not any(parameter.requires_grad for parameter in net.parameters())
        assert [module.training for module in net.modules()] == modes
        assert [parameter.requires_grad for parameter in net.parameters()] == frozen

    def test_also_after_an_error(self, batch):
        net = small_net().train()
        with pytest.raises(KeyError), attacking(net, batch_statistics=True):
            raise KeyError
        assert all(module.training for module in net.modules())
        assert net[1].track_running_stats
        assert all(parameter.requires_grad for parameter in net.parameters())

    def test_a_model_that_updates_a_buffer_in_eval_mode_is_reported(self, batch):
        class Counting(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = small_net()
                self.register_buffer("calls", torch.zeros(()))

            def forward(self, images):
                self.get_buffer("calls").add_(1)
                return self.net(images)

        with pytest.raises(RuntimeError, match="changed its buffer 'calls'"):
            fgsm(Counting(), *batch, eps=0.1)

    def test_statistics_that_are_nan_do_not_count_as_changed(self):
        net = small_net()
        net.get_buffer("1.running_mean").fill_(float("nan"))
        with attacking(net):
            pass

    @pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
    def test_works_where_gradients_are_off(self, plain_net, digits, context):
        images, labels = digits[0][:50], digits[1][:50]
        expected = pgd(plain_net, images, labels, eps=0.1, steps=3, random_start=False)
        with context():
            found = pgd(plain_net, images, labels, eps=0.1, steps=3, random_start=False)
            attack = partial(pgd, eps=0.1, steps=3, random_start=False)
            report = robust_accuracy(plain_net, images, labels, attack, batch_size=50)
        assert torch.equal(found, expected)
        assert report.backward_passes > 0

    def test_no_parameter_gets_a_gradient(self, plain_net, digits):
        plain_net.zero_grad()
        pgd(plain_net, digits[0][:20], digits[1][:20], eps=0.1, steps=3)
        assert all(parameter.grad is None for parameter in plain_net.parameters())

    def test_a_model_without_gradient_gives_zero(self, batch):
        class Hard(nn.Module):
            def forward(self, images):
                return nn.functional.one_hot((images.flatten(1).mean(1) > 0.5).long(), 2).float()

        gradients, _, logits = input_gradient(Hard(), batch[0], lambda z: z[:, 0])
        assert logits.shape == (20, 2) and gradients.count_nonzero() == 0

    def test_gradients_that_are_not_finite_become_zero(self):
        gradients, _, _ = input_gradient(nn.Flatten(), torch.zeros(2, 1, 1, 2), lambda z: z[:, 0].sqrt() * 0)
        assert gradients.isfinite().all()
