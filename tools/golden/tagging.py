"""Writes crates/tapetum-methods/tests/data/tagging_*.safetensors and tagging_*_tensors.txt: what the semantic
encoders give, and the gradient at their image, for weights and images that are formulas, in float64 with
PyTorch.

    pip install torch numpy safetensors && python tools/golden/tagging.py
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

DATA = Path(__file__).parents[2] / "crates/tapetum-methods/tests/data"
MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(1, 3, 1, 1)
# Added to the variance of a normalisation, in the image encoder of RAM and in its tag head.
SWIN_EPSILON, BERT_EPSILON = 1e-5, 1e-12
# Of results with many values only every so many are written, a number that divides few sides.
N_WHOLE, STEP = 1000, 7

# Expansion, channels, blocks, stride and kernel of each stage.
EFFICIENTNET_LITE0 = [
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
]
MOBILENET_V2 = [
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 32, 3, 2, 3),
    (6, 64, 4, 2, 3),
    (6, 96, 3, 1, 3),
    (6, 160, 3, 2, 3),
    (6, 320, 1, 1, 3),
]


class Tensors:
    """The network's tensors, made by a formula as they are asked for."""

    def __init__(self, chirp=0.0, gain=2.0):
        self.shapes, self.chirp, self.gain = {}, chirp, gain

    def take(self, name, *shape):
        self.shapes[name] = shape
        return torch.from_numpy(np.asarray(fill(name, shape, self.chirp, self.gain), dtype=np.float64))


def fill(name, shape, chirp=0.0, gain=2.0):
    """A wave of incommensurable frequency, which rises by twice the chirp a value, scaled by what the tensor
    is for."""
    number = np.arange(np.prod(shape), dtype=np.float64) + 1
    wave = np.sin(2.4 * number + chirp * number * number + 0.01 * sum(name.encode())).reshape(shape)
    if name.endswith(("position_bias_table", ".position")) or name == "label_embed":
        return wave
    if len(shape) > 1:
        return gain * wave / np.sqrt(np.prod(shape[1:]))
    if name.endswith("running_var"):
        return 0.6 + 0.4 * wave
    if name.endswith("weight"):
        return 1.0 + 0.3 * wave
    return 0.2 * wave


def conv_norm(t, names, x, n_out, kernel, stride=1, groups=1, epsilon=1e-5, is_tensorflow=False):
    weight = t.take(f"{names[0]}.weight", n_out, x.shape[1] // groups, kernel, kernel)
    pads = []
    # PyTorch wants the last dimension first.
    for side in (x.shape[3], x.shape[2]):
        total = kernel - 1
        if is_tensorflow:
            total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    x = F.conv2d(F.pad(x, pads), weight, None, stride=stride, groups=groups)
    scale, shift, mean, variance = (
        t.take(f"{names[1]}.{part}", n_out).view(1, n_out, 1, 1)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    t.shapes[f"{names[1]}.num_batches_tracked"] = ()
    return (x - mean) / torch.sqrt(variance + epsilon) * scale + shift


def relu6(x):
    return torch.clamp(x, 0, 6)


def resized(image, side):
    return F.interpolate(image, size=(side, side), mode="bilinear", align_corners=False)


def normalized(image):
    return (image - MEAN) / DEVIATION


def with_mean(places):
    return torch.cat([places.mean(1, keepdim=True), places], 1)


def inverted_residuals(t, x, stages, names, options):
    """Features of the last block, and of the last before each halving from a quarter of the size on."""
    pyramid, reached, idx = [], 2, 0
    for expansion, n_out, n_blocks, first_stride, kernel in stages:
        for place in range(n_blocks):
            stride = first_stride if place == 0 else 1
            if stride == 2:
                if reached >= 4:
                    pyramid.append(x)
                reached *= 2
            expand, middle, project = names(idx, expansion > 1)
            y, hidden = x, x.shape[1] * expansion
            if expansion > 1:
                y = relu6(conv_norm(t, expand, y, hidden, 1, **options))
            y = relu6(conv_norm(t, middle, y, hidden, kernel, stride, hidden, **options))
            y = conv_norm(t, project, y, n_out, 1, **options)
            x = x + y if stride == 1 and x.shape[1] == n_out else y
            idx += 1
    return x, pyramid


def places_of(x):
    return x.flatten(2).transpose(1, 2)


def efficientnet_lite0(t, image, side):
    def names(idx, _):
        parts = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
        return [tuple(f"_blocks.{idx}.{name}" for name in pair) for pair in parts]

    options = {"epsilon": 1e-3, "is_tensorflow": True}
    x = (255 * resized(image, side) - 127) / 128
    x = relu6(conv_norm(t, ("_conv_stem", "_bn0"), x, 32, 3, 2, **options))
    x, pyramid = inverted_residuals(t, x, EFFICIENTNET_LITE0, names, options)
    x = relu6(conv_norm(t, ("_conv_head", "_bn1"), x, 1280, 1, **options))
    tokens = with_mean(places_of(x))
    weight, bias = t.take("_fc.weight", 1000, 1280), t.take("_fc.bias", 1000)
    return tokens, tokens[:, 0] @ weight.T + bias, pyramid


def mobilenet_v2(t, image, side):
    def names(idx, expands):
        at = [0, 3, 6] if expands else [0, 0, 3]
        name = f"features.{idx + 1}.conv"
        return [(f"{name}.{number}", f"{name}.{number + 1}") for number in at]

    first, last = (tuple(f"features.{at}.{part}" for part in (0, 1)) for at in (0, 18))
    x = relu6(conv_norm(t, first, normalized(resized(image, side)), 32, 3, 2))
    x, pyramid = inverted_residuals(t, x, MOBILENET_V2, names, {})
    x = relu6(conv_norm(t, last, x, 1280, 1))
    tokens = with_mean(places_of(x))
    return tokens, tokens[:, 0], pyramid


def linear(t, name, x, n_out, has_bias=True):
    weight = t.take(f"{name}.weight", n_out, x.shape[-1])
    return F.linear(x, weight, t.take(f"{name}.bias", n_out) if has_bias else None)


def layer_norm(t, name, x, epsilon):
    n = x.shape[-1]
    return F.layer_norm(x, (n,), t.take(f"{name}.weight", n), t.take(f"{name}.bias", n), epsilon)


def cut(x, window):
    """[batch, rows, columns, channels] to [batch, windows, tokens, channels]."""
    rows = [torch.stack(band.split(window, 2), 1) for band in x.split(window, 1)]
    return torch.cat(rows, 1).flatten(2, 3)


def glue(x, side, window):
    """Undoes cut."""
    n = side // window
    x = x.unflatten(2, (window, window))
    bands = [torch.cat(list(x[:, row * n : (row + 1) * n].unbind(1)), 2) for row in range(n)]
    return torch.cat(bands, 1)


def window_attention(t, name, x, n_heads, window, table_window, shift):
    batch, side, _, channels = x.shape
    table = t.take(f"{name}.relative_position_bias_table", (2 * table_window - 1) ** 2, n_heads)
    table = table.view(2 * table_window - 1, 2 * table_window - 1, n_heads)
    qkv = linear(t, f"{name}.qkv", x, 3 * channels)
    qkv = cut(torch.roll(qkv, (-shift, -shift), (1, 2)), window)
    query, key, value = (
        part.unflatten(-1, (n_heads, -1)).transpose(2, 3) for part in qkv.split(channels, -1)
    )
    scores = query @ key.transpose(-1, -2) / (channels // n_heads) ** 0.5
    # Where the tokens of each window stand in the image.
    at = torch.stack(torch.meshgrid(*2 * [torch.arange(side)], indexing="ij"), -1)[None]
    at = cut(torch.roll(at, (-shift, -shift), (1, 2)), window)[0]
    inside = at[0] - at[0, 0]
    away = inside[:, None] - inside[None] + table_window - 1
    scores = scores + table[away[..., 0], away[..., 1]].permute(2, 0, 1)
    are_apart = ((at[:, :, None] - at[:, None]).abs() >= window).any(-1)
    scores = scores - 100.0 * are_apart[:, None].double()
    x = (scores.softmax(-1) @ value).transpose(2, 3).flatten(3)
    x = torch.roll(glue(x, side, window), (shift, shift), (1, 2))
    return linear(t, f"{name}.proj", x, channels)


def swin_block(t, name, x, n_heads, table_window, is_odd):
    side, channels = x.shape[1], x.shape[3]
    window = min(side, table_window)
    shift = window // 2 if is_odd and side > table_window else 0
    y = layer_norm(t, f"{name}.norm1", x, SWIN_EPSILON)
    x = x + window_attention(t, f"{name}.attn", y, n_heads, window, table_window, shift)
    y = layer_norm(t, f"{name}.norm2", x, SWIN_EPSILON)
    y = F.gelu(linear(t, f"{name}.mlp.fc1", y, 4 * channels))
    return x + linear(t, f"{name}.mlp.fc2", y, channels)


def swin(t, x, n_channels, depths, n_heads, window):
    name, pyramid = "visual_encoder", []
    weight = t.take(f"{name}.patch_embed.proj.weight", n_channels, 3, 4, 4)
    bias = t.take(f"{name}.patch_embed.proj.bias", n_channels)
    x = F.conv2d(x, weight, bias, stride=4).permute(0, 2, 3, 1)
    x = layer_norm(t, f"{name}.patch_embed.norm", x, SWIN_EPSILON)
    for stage, depth in enumerate(depths):
        layer = f"{name}.layers.{stage}"
        for idx in range(depth):
            block = f"{layer}.blocks.{idx}"
            x = swin_block(t, block, x, n_heads[stage], window, idx % 2 == 1)
        if stage + 1 < len(depths):
            pyramid.append(x.permute(0, 3, 1, 2))
            parts = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
            x = layer_norm(t, f"{layer}.downsample.norm", torch.cat(parts, -1), SWIN_EPSILON)
            n_out = 2 * pyramid[-1].shape[1]
            x = linear(t, f"{layer}.downsample.reduction", x, n_out, has_bias=False)
    return layer_norm(t, f"{name}.norm", x, SWIN_EPSILON).flatten(1, 2), pyramid


def tag_head(t, tokens, n_tags, width, hidden, n_layers, n_heads):
    batch, _, token_width = tokens.shape
    x = F.relu(linear(t, "wordvec_proj", t.take("label_embed", n_tags, token_width), width))
    x = x.expand(batch, -1, -1)
    for idx in range(n_layers):
        name = f"tagging_head.encoder.layer.{idx}"
        attention = f"{name}.crossattention"
        query, key, value = (
            linear(t, f"{attention}.self.{part}", source, width)
            .unflatten(-1, (n_heads, -1))
            .transpose(1, 2)
            for part, source in (("query", x), ("key", tokens), ("value", tokens))
        )
        y = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        y = linear(t, f"{attention}.output.dense", y, width)
        x = layer_norm(t, f"{attention}.output.LayerNorm", x + y, BERT_EPSILON)
        y = F.gelu(linear(t, f"{name}.intermediate.dense", x, hidden))
        y = linear(t, f"{name}.output.dense", y, width)
        x = layer_norm(t, f"{name}.output.LayerNorm", x + y, BERT_EPSILON)
    return linear(t, "fc", x, 1).squeeze(-1)


def tiny_ram(window):
    def encode(t, image, side):
        x = normalized(resized(image, side))
        places, pyramid = swin(t, x, 8, (2, 2, 2, 2), (1, 2, 4, 8), window)
        tokens = linear(t, "image_proj", with_mean(places), 12)
        return tokens, tag_head(t, tokens, 7, 16, 24, 2, 4), pyramid

    return encode


def picture(height, width):
    c, i, j = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    wave = np.sin(0.3 * (i + 1) + 0.2 * (j + 1) + 0.5 * c)
    return torch.from_numpy(0.5 + 0.4 * wave * np.cos(0.05 * i - 0.9 * j))[None]


def sampled(tensor):
    values = tensor.detach().numpy().ravel()
    step = 1 if values.size < N_WHOLE else STEP
    return np.ascontiguousarray(values[::step].astype(np.float32))


def weighted(tensor):
    """A sum of all values with weights that no symmetry hides behind, over the number of values."""
    weights = np.sin(np.arange(tensor.numel()) * 0.7 + 0.3)
    return (tensor * torch.from_numpy(weights).reshape(tensor.shape)).mean()


def write(name, encode, size, side):
    image = picture(*size).requires_grad_()
    t = Tensors()
    tokens, logits, pyramid = encode(t, image, side)
    results = {"tokens": tokens, "logits": logits}
    results |= {f"level{idx}": level for idx, level in enumerate(pyramid)}
    sum(map(weighted, results.values())).backward()
    results["gradient"] = image.grad
    for key, value in results.items():
        print(name, key, tuple(value.shape), value.mean().item(), value.std().item())
    save_file({key: sampled(value) for key, value in results.items()}, DATA / f"{name}.safetensors")
    lines = [" ".join(map(str, (key, *shape))) for key, shape in t.shapes.items()]
    (DATA / f"{name}_tensors.txt").write_text("\n".join(lines) + "\n")


def main():
    # Sides that are even at some halvings and odd at others.
    write("tagging_efficientnet_lite0", efficientnet_lite0, (37, 50), 75)
    write("tagging_mobilenet_v2", mobilenet_v2, (37, 50), 75)
    write("tagging_ram", tiny_ram(3), (37, 50), 96)
    # Tokens of the last stage, 2x2, are fewer than those of a window.
    write("tagging_ram_small", tiny_ram(4), (37, 50), 64)


if __name__ == "__main__":
    main()
