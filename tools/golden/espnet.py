"""Writes crates/tapetum-methods/tests/data/espnet.safetensors and espnet_tensors.txt: what ESPNet gives,
and the gradient at its image, for weights and images that are formulas, in float64 with PyTorch.

    pip install torch numpy safetensors && python tools/golden/espnet.py [CAMVID.pth CITYSCAPES.pth]

With the released checkpoints it also prints the logits that the tests of them expect.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

DATA = Path(__file__).parents[2] / "crates/tapetum-methods/tests/data"
EPSILON = 1e-3
BRANCHES = (2, 4, 8, 16)
# Blue, green, red; those of the formula give normalised values of about 1.
FORMULA = ([100.0, 110.0, 120.0], [0.25, 0.3, 0.2])
CAMVID = ([110.2224, 108.356, 104.9686], [72.0556, 72.6263, 69.8382])
CITYSCAPES = ([72.3923, 82.9089, 73.1584], [45.3192, 46.1529, 44.9148])


class Tensors:
    """The network's tensors: taken from a checkpoint, or filled by the formula as they are asked for."""

    def __init__(self, checkpoint=None):
        self.checkpoint = checkpoint
        self.shapes = {}

    def take(self, name, *shape):
        self.shapes[name] = shape
        if self.checkpoint is None:
            return torch.from_numpy(filled(name, shape))
        tensor = self.checkpoint[name].double()
        assert tuple(tensor.shape) == shape, (name, tensor.shape, shape)
        return tensor


def filled(name, shape):
    """A wave of incommensurable frequency, scaled by what the tensor is for."""
    index = np.arange(np.prod(shape), dtype=np.float64)
    wave = np.sin(2.4 * (index + 1) + 0.01 * sum(name.encode())).reshape(shape)
    if len(shape) == 4:
        return 1.5 * wave / np.sqrt(np.prod(shape[1:]))
    if name.endswith("running_var"):
        return 0.6 + 0.4 * wave
    if name.endswith("act.weight"):
        return 0.25 + 0.2 * wave
    if name.endswith("weight"):
        return 1.0 + 0.3 * wave
    return 0.2 * wave


def conv(t, name, x, n_out, kernel, stride=1, dilation=1):
    weight = t.take(f"{name}.conv.weight", n_out, x.shape[1], kernel, kernel)
    return F.conv2d(x, weight, None, stride, kernel // 2 * dilation, dilation)


def norm(t, name, x):
    n = x.shape[1]
    weight, bias, mean, variance = (
        t.take(f"{name}.{part}", n).view(1, n, 1, 1)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / torch.sqrt(variance + EPSILON) * weight + bias


def norm_prelu(t, name, x):
    x = norm(t, f"{name}.bn", x)
    slope = t.take(f"{name}.act.weight", x.shape[1]).view(1, -1, 1, 1)
    return torch.where(x > 0, x, slope * x)


def pyramid(t, name, x, n_out):
    n = n_out // 5
    parts = [conv(t, f"{name}.d1", x, n_out - 4 * n, 3)]
    total = 0
    for dilation in BRANCHES:
        total = total + conv(t, f"{name}.d{dilation}", x, n, 3, dilation=dilation)
        parts.append(total)
    return torch.cat(parts, 1)


def down(t, name, x, n_out):
    reduced = conv(t, f"{name}.c1", x, n_out // 5, 3, stride=2)
    return norm_prelu(t, name, pyramid(t, name, reduced, n_out))


def module(t, name, x, n_out, residual=True):
    merged = pyramid(t, name, conv(t, f"{name}.c1", x, n_out // 5, 1), n_out)
    return norm_prelu(t, f"{name}.bn", x + merged if residual else merged)


def double(t, name, x, like):
    weight = t.take(f"{name}.weight", x.shape[1], x.shape[1], 2, 2)
    height, width = like.shape[2:]
    return F.conv_transpose2d(x, weight, stride=2)[:, :, :height, :width]


def logits(t, image, statistics, n_classes, with_image):
    """`image` is RGB, 0..1; `with_image`: whether the last step reads the small image too."""
    mean, deviation = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1) for v in statistics)
    x = (255 * image.flip(1) - mean) / deviation / 255
    x2 = F.avg_pool2d(x, 3, 2, 1)
    x4 = F.avg_pool2d(x2, 3, 2, 1)
    join = lambda *parts: torch.cat(parts, 1)

    alone = norm_prelu(t, "encoder.level1", conv(t, "encoder.level1", x, 16, 3, stride=2))
    half = norm_prelu(t, "encoder.b1", join(alone, x2))
    first = last = down(t, "encoder.level2_0", half, 64)
    for index in range(2):
        last = module(t, f"encoder.level2.{index}", last, 64)
    quarter = norm_prelu(t, "encoder.b2", join(last, first, x4))
    first = last = down(t, "encoder.level3_0", quarter, 128)
    for index in range(8):
        last = module(t, f"encoder.level3.{index}", last, 128)
    eighth = norm_prelu(t, "encoder.b3", join(first, last))

    eighth = norm(t, "br", conv(t, "encoder.classifier", eighth, n_classes, 1))
    below = double(t, "up_l3.0", eighth, quarter)
    both = norm_prelu(t, "combine_l2_l3.0", join(conv(t, "level3_C", quarter, n_classes, 1), below))
    both = module(t, "combine_l2_l3.1", both, n_classes, residual=False)
    below = norm_prelu(t, "up_l2.1", double(t, "up_l2.0", both, half))
    last = join(below, half if with_image else alone)
    last = norm_prelu(t, "conv", conv(t, "conv", last, n_classes, 3))
    return double(t, "classifier", last, image)


def picture(height, width):
    c, i, j = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    wave = np.sin(0.3 * (i + 1) + 0.2 * (j + 1) + 0.5 * c) * np.cos(0.05 * i - 0.9 * j)
    return torch.from_numpy(0.5 + 0.4 * wave)[None]


def main() -> None:
    print("torch", torch.__version__, "numpy", np.__version__)
    golden = {}
    # Sides that are no multiples of 8; at an eighth of the width the widest taps still reach.
    for name, size, with_image in [("", (43, 150), True), ("alone_", (21, 26), False), ("tiny_", (1, 1), True)]:
        image, tensors = picture(*size).requires_grad_(), Tensors()
        found = logits(tensors, image, FORMULA, 12, with_image)
        weights = torch.sin(torch.arange(found.numel(), dtype=torch.float64) * 0.7 + 0.3)
        (found * weights.view_as(found)).sum().backward()
        golden[f"{name}logits"] = found.detach()[:, :, ::3, ::3]
        golden[f"{name}gradient"] = image.grad[:, :, ::3, ::3]
        print(name, found.shape, found.mean().item(), found.std().item(), image.grad.std().item())
        if name == "":
            shapes = tensors.shapes
    DATA.mkdir(exist_ok=True)
    golden = {name: np.ascontiguousarray(v.numpy().astype(np.float32)) for name, v in golden.items()}
    save_file(golden, DATA / "espnet.safetensors")
    lines = [f"{name} {' '.join(map(str, shape))}\n" for name, shape in shapes.items()]
    (DATA / "espnet_tensors.txt").write_text("".join(lines))

    released = [(CAMVID, 12, True), (CITYSCAPES, 20, False)]
    for path, (statistics, n_classes, with_image) in zip(sys.argv[1:], released):
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
        with torch.no_grad():
            found = logits(Tensors(checkpoint), picture(37, 50), statistics, n_classes, with_image)[0]
        counts = torch.bincount(found.argmax(0).flatten(), minlength=n_classes).tolist()
        print(Path(path).name, counts)
        for channel, y, x in [(0, 0, 0), (3, 17, 29), (8, 36, 49), (11, 20, 5)]:
            print(f"    ([{channel}, {y}, {x}], {found[channel, y, x].item():.6f}),")


if __name__ == "__main__":
    main()
