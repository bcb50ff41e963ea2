"""Writes crates/tapetum-methods/tests/data/deeplab.safetensors and deeplab_tensors.txt: what DeepLabv3+ on
MobileNetV2 gives, and the gradient at its image, for weights and images that are formulas, in float64
with PyTorch.

    pip install torch numpy safetensors && python tools/golden/deeplab.py

Also prints the logits for the fill and the image that the test of 64x80 pixels expects.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

DATA = Path(__file__).parents[2] / "crates/tapetum-methods/tests/data"
EPSILON = 1e-5
# Expansion, channels, then stride and dilation of each block.
STAGES = [
    (1, 16, [(1, 1)]),
    (6, 24, [(2, 1), (1, 1)]),
    (6, 32, [(2, 1), (1, 1), (1, 1)]),
    (6, 64, [(2, 1)] + 3 * [(1, 1)]),
    (6, 96, 3 * [(1, 1)]),
    (6, 160, [(1, 1), (1, 2), (1, 2)]),
    (6, 320, [(1, 2)]),
]
MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(1, 3, 1, 1)


class Tensors:
    """The network's tensors, made by a formula as they are asked for."""

    def __init__(self, fill):
        self.fill = fill
        self.shapes = {}

    def take(self, name, *shape):
        self.shapes[name] = shape
        return torch.from_numpy(np.asarray(self.fill(name, shape), dtype=np.float64))


def lively(name, shape):
    """A wave of incommensurable frequency, scaled by what the tensor is for."""
    index = np.arange(np.prod(shape), dtype=np.float64)
    wave = np.sin(2.4 * (index + 1) + 0.01 * sum(name.encode())).reshape(shape)
    if len(shape) == 4:
        return 2.0 * wave / np.sqrt(np.prod(shape[1:]))
    if name.endswith("running_var"):
        return 0.6 + 0.4 * wave
    if name.endswith("weight"):
        return 1.0 + 0.3 * wave
    return 0.2 * wave


def slow(name, shape):
    """A wave of low frequency; normalisations have the statistics 0 and 1."""
    if name.endswith("running_mean"):
        return np.zeros(shape)
    if name.endswith("running_var"):
        return np.ones(shape)
    index = np.arange(np.prod(shape), dtype=np.float64)
    wave = np.sin(0.1 * (index + 1) + 0.01 * sum(name.encode())).reshape(shape)
    if len(shape) == 1:
        return 1 + 0.1 * wave if name.endswith("weight") else 0.05 * wave
    return wave / np.sqrt(np.prod(shape[1:]))


def conv_norm(t, conv, norm, x, n_out, kernel, **options):
    groups = options.get("groups", 1)
    weight = t.take(f"{conv}.weight", n_out, x.shape[1] // groups, kernel, kernel)
    x = F.conv2d(x, weight, None, **options)
    weight, bias, mean, variance = (
        t.take(f"{norm}.{part}", n_out).view(1, n_out, 1, 1)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    t.shapes[f"{norm}.num_batches_tracked"] = ()
    return (x - mean) / torch.sqrt(variance + EPSILON) * weight + bias


def relu6(x):
    return torch.clamp(x, 0, 6)


def block(t, name, x, expansion, n_out, stride, dilation):
    hidden = x.shape[1] * expansion
    y = F.pad(x, 4 * [dilation])
    at = 0
    if expansion != 1:
        y = relu6(conv_norm(t, f"{name}.0.0", f"{name}.0.1", y, hidden, 1))
        at = 1
    options = {"stride": stride, "dilation": dilation, "groups": hidden}
    y = relu6(conv_norm(t, f"{name}.{at}.0", f"{name}.{at}.1", y, hidden, 3, **options))
    y = conv_norm(t, f"{name}.{at + 1}", f"{name}.{at + 2}", y, n_out, 1)
    return x + y if stride == 1 and x.shape[1] == n_out else y


def backbone(t, x):
    low, high = "backbone.low_level_features", "backbone.high_level_features"
    x = relu6(conv_norm(t, f"{low}.0.0", f"{low}.0.1", x, 32, 3, stride=2))
    idx, fine = 0, None
    for expansion, n_out, moves in STAGES:
        for stride, dilation in moves:
            idx += 1
            name = f"{low if idx < 4 else high}.{idx}.conv"
            x = block(t, name, x, expansion, n_out, stride, dilation)
            fine = x if idx == 3 else fine
    return fine, x


def up(x, size):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def logits(t, image, n_classes):
    height, width = image.shape[2:]
    image = F.pad(image, (0, max(0, 3 - width), 0, max(0, 3 - height)), mode="replicate")
    fine, coarse = backbone(t, (image - MEAN) / DEVIATION)
    aspp = "classifier.aspp"
    parts = [F.relu(conv_norm(t, f"{aspp}.convs.0.0", f"{aspp}.convs.0.1", coarse, 256, 1))]
    for idx, rate in ((1, 6), (2, 12), (3, 18)):
        names = f"{aspp}.convs.{idx}.0", f"{aspp}.convs.{idx}.1"
        parts.append(F.relu(conv_norm(t, *names, coarse, 256, 3, padding=rate, dilation=rate)))
    mean = coarse.mean((2, 3), keepdim=True)
    mean = F.relu(conv_norm(t, f"{aspp}.convs.4.1", f"{aspp}.convs.4.2", mean, 256, 1))
    parts.append(up(mean, coarse.shape[2:]))
    x = torch.cat(parts, 1)
    x = F.relu(conv_norm(t, f"{aspp}.project.0", f"{aspp}.project.1", x, 256, 1))
    names = "classifier.project.0", "classifier.project.1"
    fine = F.relu(conv_norm(t, *names, fine, 48, 1))
    x = torch.cat([fine, up(x, fine.shape[2:])], 1)
    names = "classifier.classifier.0", "classifier.classifier.1"
    x = F.relu(conv_norm(t, *names, x, 256, 3, padding=1))
    weight = t.take("classifier.classifier.3.weight", n_classes, 256, 1, 1)
    x = F.conv2d(x, weight, t.take("classifier.classifier.3.bias", n_classes))
    return up(x, image.shape[2:])[:, :, :height, :width]


def picture(height, width):
    c, i, j = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    wave = np.sin(0.3 * (i + 1) + 0.2 * (j + 1) + 0.5 * c)
    return torch.from_numpy(0.5 + 0.4 * wave * np.cos(0.05 * i - 0.9 * j))[None]


def sampled(tensor):
    return np.ascontiguousarray(tensor.detach().numpy()[:, :, ::3, ::3].astype(np.float32))


def main():
    golden = {}
    for name, size in (("", (37, 50)), ("tall_", (340, 9)), ("tiny_", (1, 2))):
        image = picture(*size).requires_grad_()
        t = Tensors(lively)
        result = logits(t, image, 5)
        weights = np.sin(np.arange(result.numel()) * 0.7 + 0.3).astype(np.float32)
        (result * torch.from_numpy(weights).reshape(result.shape)).sum().backward()
        golden[f"{name}logits"] = sampled(result)
        golden[f"{name}gradient"] = sampled(image.grad)
        print(name, result.mean().item(), result.std().item(), image.grad.abs().mean().item())
    save_file(golden, DATA / "deeplab.safetensors")

    t = Tensors(slow)
    c, i, j = np.meshgrid(np.arange(3), np.arange(64), np.arange(80), indexing="ij")
    wave = np.sin(0.3 * (i + 1) + 0.2 * (j + 1) + 0.5 * c)
    image = torch.from_numpy(0.25 + 0.2 * wave)[None]
    # The wave is what the network sees behind its normalisation.
    result = logits(t, image * DEVIATION + MEAN, 19)
    print(result.mean().item(), result.std(correction=0).item())
    print(result[0, :, 0, 0].tolist())
    print(result[0, :4, 30, 41].tolist())
    lines = [" ".join(map(str, (name, *shape))) for name, shape in t.shapes.items()]
    (DATA / "deeplab_tensors.txt").write_text("\n".join(lines) + "\n")
    learned = [s for n, s in t.shapes.items() if n.endswith((".weight", ".bias"))]
    print(len(lines), sum(int(np.prod(s)) for s in learned))


if __name__ == "__main__":
    main()
