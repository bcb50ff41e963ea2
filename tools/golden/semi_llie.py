"""Prints what Semi-LLIE's loss terms give for formulas, and their gradients at the enhanced image, in float64
with PyTorch: the numbers in crates/tapetum-methods/tests/it/semi_llie_losses.rs.

    pip install torch && python tools/golden/semi_llie.py
"""

import torch
import torch.nn.functional as F


def waves(phase, n_batch=2, n_channels=3, height=9, width=12):
    b, c, i, j = torch.meshgrid(
        *(torch.arange(n, dtype=torch.float64) for n in (n_batch, n_channels, height, width)),
        indexing="ij",
    )
    return 0.5 + 0.4 * torch.sin(0.3 * (i + 1) + 0.2 * (j + 1) + 0.5 * c + 0.9 * b + phase)


def structure(e, y):
    return 0.8 * F.l1_loss(e, y) + 0.2 * F.mse_loss(e, y)


def pyramid(image):
    """What stands for an encoder's levels: the image, and squares of a part of it."""
    part = image[:, 1:, ::2, ::2]
    return [image, part * part]


def perceptual(e, y):
    distances = [F.mse_loss(a, b) for a, b in zip(pyramid(e), pyramid(y))]
    return sum(distances) / len(distances)


def gradient_map(image):
    inner = F.pad(image, (1, 1, 1, 1))
    vertical = inner[..., 2:, 1:-1] - inner[..., :-2, 1:-1]
    horizontal = inner[..., 1:-1, 2:] - inner[..., 1:-1, :-2]
    return (vertical**2 + horizontal**2 + 1e-6).sqrt()


def gradient(e, y):
    return F.l1_loss(gradient_map(e), gradient_map(y))


def consistency(s, t, kept):
    distances = [F.l1_loss(a, b) for a, b, k in zip(s, t, kept) if k]
    return sum(distances) / len(distances)


def semantics(image):
    """What stands for tokens and logits: rows of the image, and means of its channels."""
    return image.flatten(1, 2), (image**2).mean((2, 3))


def contrast(s, t, u, kept):
    total = 0
    for a, p, n, k in zip(s, t, u, kept):
        if k:
            parts = zip(*(semantics(image[None]) for image in (a, p, n)))
            total = total + sum(F.l1_loss(x, y) / (F.l1_loss(x, z) + 1e-7) for x, y, z in parts)
    return total / sum(kept)


def report(name, loss, image):
    image = image.clone().requires_grad_()
    value = loss(image)
    (grad,) = torch.autograd.grad(value, image)
    print(f"{name:20} [{value:.10f}, {grad.norm():.10f}, {grad[1, 1, 4, 5]:.10f}]")


enhanced, reference, dark = waves(0.0), waves(1.0), waves(2.5) * 0.3
report("structure", lambda e: structure(e, reference), enhanced)
report("perceptual", lambda e: perceptual(e, reference), enhanced)
report("gradient", lambda e: gradient(e, reference), enhanced)
for kept in ([1, 1], [0, 1]):
    report(f"consistency {kept}", lambda s: consistency(s, reference, kept), enhanced)
    report(f"contrast {kept}", lambda s: contrast(s, reference, dark, kept), enhanced)
maps = gradient_map(enhanced)
print("gradient map", maps[0, 0, 0, 0].item(), maps[0, 0, 4, 5].item())
