import torch

from lib.attacks.fooling import fooling_images


def confidence(net, images, classes):
    with torch.no_grad():
        return net(images).softmax(1)[torch.arange(len(images)), classes]


def test_noise_becomes_a_confident_image_of_every_class(plain_net):
    noise, classes = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 10
    before = noise.clone()
    found = fooling_images(plain_net, noise, classes)
    assert torch.equal(noise, before)
    assert found.min() >= 0 and found.max() <= 1
    assert (confidence(plain_net, found, classes) >= 0.99).all()
    assert (confidence(plain_net, noise, classes) < 0.99).sum() >= 15


def test_stops_at_the_confidence_and_leaves_done_images_alone(plain_net, digits):
    images, labels = digits[0][:20], digits[1][:20]
    sure = confidence(plain_net, images, labels) >= 0.9
    found = fooling_images(plain_net, images, labels, confidence=0.9)
    assert sure.sum() > 10 and torch.equal(found[sure], images[sure])


def test_more_steps_climb_higher(plain_net):
    noise, classes = torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(10)
    means = [
        confidence(plain_net, fooling_images(plain_net, noise, classes, steps=n), classes).mean() for n in (1, 5, 25)
    ]
    assert means[0] < means[1] < means[2]
