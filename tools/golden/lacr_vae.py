"""Writes crates/tapetum-methods/tests/data/lacr_vae.safetensors and lacr_vae*_tensors.txt: what LACR-VAE's
network gives for weights and images that are formulas, and the gradient at its image, in float64 with
PyTorch.

    pip install torch numpy safetensors && python tools/golden/lacr_vae.py
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from tagging import DATA, Tensors, layer_norm, linear, picture, sampled, weighted

# Channels, side of the fixed grid in px, reduction of keys and values, heads: one column a stage.
STAGES = list(zip((32, 64, 128, 256), (256, 128, 64, 32), (7, 5, 3, 1), (4, 4, 8, 8)))
TOKEN, PATCH = 64, 4
# Added to the variance: of patches, reduced tokens and batches; in the transformer block.
NORM_EPSILON, BLOCK_EPSILON = 1e-5, 1e-6
LOG_VARIANCE_MAX = 10
SIDE_MIN, SIDE_STEP = 32, 8
# With a plain wave the rows of a matrix depend on each other, and what is deep in the network reaches no
# result. A power of two, so that its products are exact in every language.
CHIRP = 0.25
# Keeps features within a few, so that gates and attention are not saturated.
GAIN = 1.5


@dataclass
class Options:
    positions: str = "fixed"
    calibrate: bool = False
    rcam: str = "attention"
    amsm: str = "attention"
    latent: str = "sampled"


def conv(t, name, x, n_out, kernel=3, stride=1, padding=None, dilation=1, groups=1, has_bias=True):
    weight = t.take(f"{name}.weight", n_out, x.shape[1] // groups, kernel, kernel)
    bias = t.take(f"{name}.bias", n_out) if has_bias else None
    padding = dilation * (kernel // 2) if padding is None else padding
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def resized(x, size, mode):
    return F.interpolate(x, size=size, mode=mode, **({} if mode == "nearest" else {"align_corners": False}))


def grid_px(options, feature, fixed_px, reduction):
    """Height and width that the global half is resized to, in px of the feature."""
    if options.positions == "fixed":
        return fixed_px, fixed_px
    return tuple(PATCH * max(-(-side // PATCH), reduction) for side in feature.shape[2:])


def position(t, name, options, fixed_px, grid):
    n = fixed_px // PATCH
    table = t.take(f"{name}.position", n * n, TOKEN)
    if options.positions == "fixed":
        return table
    image = table.T.reshape(1, TOKEN, n, n)
    return resized(image, grid, "bilinear")[0].flatten(1).T


def attention(t, name, x, grid, reduction, n_heads):
    """Attention of all tokens to groups of reduction x reduction tokens; [batch, tokens, 64]."""
    query, source = linear(t, f"{name}.q", x, TOKEN), x
    if reduction > 1:
        image = x.transpose(1, 2).unflatten(2, grid)
        image = conv(t, f"{name}.reduce", image, TOKEN, reduction, reduction, padding=0)
        source = layer_norm(t, f"{name}.reduce_norm", image.flatten(2).transpose(1, 2), NORM_EPSILON)
    key, value = linear(t, f"{name}.kv", source, 2 * TOKEN).split(TOKEN, -1)
    query, key, value = (
        part.unflatten(-1, (n_heads, -1)).transpose(1, 2) for part in (query, key, value)
    )
    scores = query @ key.transpose(-1, -2) / (TOKEN / n_heads) ** 0.5
    shares = scores.softmax(-1)
    t.saturation[f"{name} largest share"] = shares.amax(-1).mean().item()
    return linear(t, f"{name}.proj", (shares @ value).transpose(1, 2).flatten(2), TOKEN)


def global_relations(t, name, x, options, fixed_px, reduction, n_heads):
    half = x.shape[1]
    size = grid_px(options, x, fixed_px, reduction)
    patches = conv(t, f"{name}.embed", resized(x, size, "nearest"), TOKEN, PATCH, PATCH, padding=0)
    grid = tuple(patches.shape[2:])
    tokens = layer_norm(t, f"{name}.embed_norm", patches.flatten(2).transpose(1, 2), NORM_EPSILON)
    tokens = tokens + position(t, name, options, fixed_px, grid)
    y = layer_norm(t, f"{name}.norm1", tokens, BLOCK_EPSILON)
    tokens = tokens + attention(t, name, y, grid, reduction, n_heads)
    y = layer_norm(t, f"{name}.norm2", tokens, BLOCK_EPSILON)
    y = F.gelu(linear(t, f"{name}.fc1", y, 4 * TOKEN), approximate="tanh")
    tokens = tokens + linear(t, f"{name}.fc2", y, TOKEN)
    image = tokens.transpose(1, 2).unflatten(2, grid)
    return conv(t, f"{name}.restore", resized(image, x.shape[2:], "nearest"), half)


def rcam(t, name, x, options, stage):
    """Relations between patches of one half of the channels, filters of the other."""
    if options.rcam == "convolution":
        return F.relu(conv(t, name, x, x.shape[1]))
    half = x.shape[1] // 2
    relations = global_relations(t, name, x[:, :half], options, *stage[1:])
    local = conv(t, f"{name}.local", x[:, half:], half)
    if options.calibrate:
        gate = conv(t, f"{name}.calibrate", relations, half, 1).sigmoid()
        t.saturation[f"{name} gate"] = gate.std().item()
        local = local * gate
    y = F.relu(torch.cat([relations, local], 1))
    return F.relu(conv(t, f"{name}.fuse", y, 2 * half) + x)


def amsm(t, name, x, options):
    """Attention-guided multi-scale features."""
    n = x.shape[1]
    if options.amsm == "convolution":
        return F.relu(conv(t, name, x, n))
    branches = []
    for k in range(3):
        branch = f"{name}.branch.{k}"
        y = conv(t, f"{branch}.depthwise", x, n, dilation=k + 1, groups=n)
        branches.append(F.relu(conv(t, f"{branch}.pointwise", y, n, 1)))
    y = conv(t, f"{name}.fuse", torch.cat(branches, 1), n, 1)
    middle = n // (8 if n == 32 else 16)
    squeeze = t.take(f"{name}.squeeze.weight", middle, n, 1, 1)
    excite = t.take(f"{name}.excite.weight", n, middle, 1, 1)
    pooled = [y.mean((2, 3), keepdim=True), y.amax((2, 3), keepdim=True)]
    gate = sum(F.conv2d(F.relu(F.conv2d(part, squeeze)), excite) for part in pooled).sigmoid()
    y = y * gate
    maps = torch.cat([y.mean(1, keepdim=True), y.amax(1, keepdim=True)], 1)
    where = conv(t, f"{name}.spatial", maps, 1, 7, has_bias=False).sigmoid()
    t.saturation[f"{name} gates"] = (gate.mean().item(), where.mean().item(), where.std().item())
    return x + y * where


def encode(t, x, options):
    """The deepest feature, and what leaves the first three stages before they are halved."""
    skips = []
    x = conv(t, "stem", x, STAGES[0][0])
    for i, stage in enumerate(STAGES):
        x = rcam(t, f"enc.{i}.rcam", x, options, stage)
        for idx in range(2):
            x = amsm(t, f"enc.{i}.amsm{idx}", x, options)
        t.saturation[f"stage {i}"] = (x.mean().item(), x.std().item())
        if i + 1 < len(STAGES):
            skips.append(x)
            x = conv(t, f"ds.{i}", F.max_pool2d(x, 2), 2 * x.shape[1])
    return x, skips


def batch_norm(t, name, x):
    n = x.shape[1]
    scale, shift = t.take(f"{name}.weight", n), t.take(f"{name}.bias", n)
    mean, variance = t.take(f"{name}.running_mean", n), t.take(f"{name}.running_var", n)
    return F.batch_norm(x, mean, variance, scale, shift, False, 0.0, NORM_EPSILON)


def decode(t, z, skips, options):
    x, n = z, z.shape[1]
    for j in range(4):
        n_out = n if j == 0 else n // 2
        x = conv(t, f"dec.dw.{j}.depthwise", x, n, groups=n)
        x = F.relu(conv(t, f"dec.dw.{j}.pointwise", x, n_out, 1))
        if j == 3:
            return conv(t, "dec.out", x, 3)
        skip, up = skips[2 - j], f"dec.up.{j}"
        x = conv(t, f"{up}.conv", resized(x, skip.shape[2:], "bilinear"), skip.shape[1])
        x = torch.cat([F.relu(batch_norm(t, f"{up}.norm", x)), skip], 1)
        n = x.shape[1]


def padded(image):
    """Reflected at the right and at the bottom, as often as it takes, to sides that the network works on."""
    for axis in (2, 3):
        side = image.shape[axis]
        target = max(SIDE_MIN, -(-side // SIDE_STEP) * SIDE_STEP)
        image = image.index_select(
            axis, torch.from_numpy(np.pad(np.arange(side), (0, target - side), "reflect"))
        )
    return image


def network(t, image, options):
    """The result, the mean of the latent, and the logarithm of its variance if it has one."""
    x, skips = encode(t, padded(image), options)
    mu = conv(t, "mu", x, STAGES[-1][0])
    log_variance = None
    if options.latent == "sampled":
        log_variance = conv(t, "logvar", x, STAGES[-1][0]).clamp(-LOG_VARIANCE_MAX, LOG_VARIANCE_MAX)
    result = decode(t, mu, skips, options)
    return result[:, :, : image.shape[2], : image.shape[3]], mu, log_variance


def tensors():
    t = Tensors(CHIRP, GAIN)
    t.saturation = {}
    return t


def tell(name, value):
    print(f"{name:24} {tuple(value.shape)} {value.mean().item():.5f} +- {value.std().item():.5f}")


def write_tensors(name, t):
    lines = [" ".join(map(str, (key, *shape))) for key, shape in t.shapes.items()]
    (DATA / f"{name}_tensors.txt").write_text("\n".join(lines) + "\n")


def default_results():
    image, t = picture(40, 56).requires_grad_(), tensors()
    result, mu, log_variance = network(t, image, Options())
    sum(map(weighted, (result, mu, log_variance))).backward()
    learned = [shape for name, shape in t.shapes.items() if ".running_" not in name]
    print("parameters", sum(int(np.prod(shape)) for shape in learned))
    for name, value in t.saturation.items():
        print(name, value)
    write_tensors("lacr_vae", t)
    clamped = (log_variance.abs() == LOG_VARIANCE_MAX).double().mean().item()
    print("clamped logarithms of the variance:", clamped)
    return {"result": result, "mu": mu, "logvar": log_variance, "gradient": image.grad}


# What else is written: size of the picture, and options.
CASES = {
    "interpolated": ((40, 56), Options(positions="interpolated")),
    "padded": ((45, 52), Options()),
    "padded_interpolated": ((45, 52), Options(positions="interpolated")),
    # Reflected more than once.
    "small": ((9, 20), Options()),
    "calibrate": ((40, 56), Options(calibrate=True)),
    "plain_rcam": ((40, 56), Options(rcam="convolution")),
    "plain_amsm": ((40, 56), Options(amsm="convolution")),
    "deterministic": ((40, 56), Options(latent="deterministic")),
}


def main():
    results = default_results()
    for name, (size, options) in CASES.items():
        t = tensors()
        results[name] = network(t, picture(*size), options)[0]
        if name in ("calibrate", "plain_rcam", "plain_amsm", "deterministic"):
            write_tensors(f"lacr_vae_{name}", t)
            print(name, {key: value for key, value in t.saturation.items() if key.endswith("gate")})
    for name, value in results.items():
        tell(name, value)
    save_file({key: sampled(value) for key, value in results.items()}, DATA / "lacr_vae.safetensors")


if __name__ == "__main__":
    main()
