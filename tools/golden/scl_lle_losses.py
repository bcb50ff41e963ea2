"""Prints what SCL-LLE's loss terms give for formulas, and their gradients at the enhanced image, in
float64 with PyTorch: the numbers in crates/tapetum-methods/tests/it/scl_lle_losses.rs.

    pip install torch && python tools/golden/scl_lle_losses.py
"""

import torch
import torch.nn.functional as F

N_CLASSES = 4


def waves(phase, n_batch=2, n_channels=3, height=9, width=12):
    b, c, i, j = torch.meshgrid(
        *(torch.arange(n, dtype=torch.float64) for n in (n_batch, n_channels, height, width)),
        indexing="ij",
    )
    return 0.5 + 0.4 * torch.sin(0.3 * (i + 1) + 0.2 * (j + 1) + 0.5 * c + 0.9 * b + phase)


def labels():
    b, i, j = torch.meshgrid(torch.arange(2), torch.arange(9), torch.arange(12), indexing="ij")
    classes = (i // 3 + j // 4 + b) % N_CLASSES
    return torch.where((i + j) % 11 == 0, 255, classes)


def gram(x):
    flat = x.flatten(2)
    return flat @ flat.transpose(1, 2) / (x[0].numel())


def gram_distance(a, b):
    return sum(((gram(x) - gram(y)) ** 2).sum() for x, y in zip(a, b))


def style_contrast(e, p, n, margin):
    scale = e[0].shape[0] / 2
    return torch.clamp((gram_distance(e, p) - gram_distance(e, n)) / scale + margin, min=0)


def class_brightness(e):
    """Means of each class in each image."""
    brightness, total = e.mean(1), 0
    for image, classes in zip(brightness, labels()):
        for k in range(N_CLASSES):
            values = image[classes == k]
            if len(values):
                total = total + ((values - values.mean()) ** 2).sum()
    return total / brightness.numel()


def class_brightness_released(e):
    """Masks [label, height, width] meet brightness [image, 1, height, width]; means are over all cells."""
    brightness, total = e.mean(1, keepdim=True), 0
    for k in range(N_CLASSES):
        cells = (labels() == k) * brightness
        mean = cells.mean().detach()
        total = total + (torch.where(cells != 0, cells - mean, 0) ** 2).mean()
    return total


def stages(x):
    return [x, x[:, 1:, ::2, ::2] ** 2]


def segmentation(logits):
    return F.cross_entropy(logits, labels(), ignore_index=255)


def show(name, loss, x):
    x = x.clone().requires_grad_()
    value = loss(x)
    value.backward()
    middle = x.grad[1, 1, 4, 5].item()
    print(f'("{name}", {value.item():.10f}, [{x.grad.norm().item():.10f}, {middle:.10f}])')


def main():
    e, p, n = waves(0), waves(1), waves(2.5)
    print("gram distance", gram_distance([e], [p]).item(), gram_distance([e], [n]).item())
    show("style", lambda x: style_contrast(stages(x), stages(p), stages(n), 0.3), e)
    e3, p3, n3 = (waves(phase, n_batch=3) for phase in (0, 1, 2.5))
    show("style of three", lambda x: style_contrast(stages(x), stages(p3), stages(n3), 0.3), e3)
    show("features", lambda x: F.mse_loss(x, p), e)
    show("class brightness", class_brightness, e)
    show("class brightness released", class_brightness_released, e)
    black = e.clone()
    black[:, :, 3:6] = 0
    show("class brightness released, black", class_brightness_released, black)
    show("segmentation", segmentation, 3 * (waves(0.7, n_channels=5) - 0.5))


if __name__ == "__main__":
    main()
