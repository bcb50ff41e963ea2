"""Writes crates/tapetum-methods/tests/data/collaba.safetensors and collaba_*_tensors.txt: what CollaBA's networks
give for weights and images that are formulas, and the gradients at its image and at some weights, in float64
with PyTorch. Before, it compares a second way to fill them with what the authors' own network gives for it.

The vectors of spectral norm, from 200 steps from ones, are among what is written.

    pip install torch numpy safetensors && python tools/golden/collaba.py
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from tagging import DATA, N_WHOLE, STEP, fill, picture

# As in lacr_vae.py.
CHIRP, GAIN = 0.25, 1.5
GROUPS = (1, 2, 4, 4)
N_POWER_STEPS = 200
# Of more values than these only every so many are written.
N_MANY, LONG_STEP = 20_000, 77


@dataclass
class Config:
    scale: int = 2
    n: int = 32
    attention: int = 16
    multi_substrate: bool = False
    has_conv_hr: bool = False

    @property
    def widths(self):
        return self.n, self.n * 3 // 2, self.n * 9 // 4


COMPACT = Config()
LARGE = Config(n=80, attention=64, has_conv_hr=True)


class Tensors:
    """A network's tensors, made by a formula when first asked for; learned ones keep their gradient."""

    def __init__(self, formula):
        self.formula, self.shapes, self.made, self.seen = formula, {}, {}, {}

    def take(self, name, *shape):
        if name not in self.made:
            self.shapes[name] = shape
            values = np.asarray(self.formula(name, shape), dtype=np.float64)
            self.made[name] = torch.from_numpy(values).requires_grad_()
        return self.made[name]

    def spectral(self, name, *shape):
        """The weight over its largest singular value, as the stored vectors tell it."""
        weight = self.take(f"{name}.weight_orig", *shape)
        matrix = weight.flatten(1)
        if f"{name}.weight_u" not in self.made:
            for part, vector in zip("uv", power_steps(matrix.detach())):
                self.shapes[f"{name}.weight_{part}"] = tuple(vector.shape)
                self.made[f"{name}.weight_{part}"] = vector
        sigma = self.made[f"{name}.weight_u"] @ matrix @ self.made[f"{name}.weight_v"]
        self.seen[f"{name} sigma"] = sigma.item()
        return weight / sigma

    def tell(self, name, value):
        """Keeps mean and standard deviation of what goes through the network."""
        self.seen[name] = (value.mean().item(), value.std(unbiased=False).item())

    def n_parameters(self):
        return sum(value.numel() for value in self.made.values() if value.requires_grad)


def power_steps(matrix):
    u = torch.ones(matrix.shape[0], dtype=torch.float64)
    for _ in range(N_POWER_STEPS):
        v = F.normalize(matrix.T @ u, dim=0)
        u = F.normalize(matrix @ v, dim=0)
    return u, v


def house(name, shape):
    return emphasis(name) * fill(name, shape, CHIRP, GAIN)


def emphasis(name):
    """Powers of two by which shares and the attention differ from place to place, and features do not grow."""
    if ".fcs." in name or name == "atten_network.conv9.weight":
        return 8
    is_end = name.startswith("body.") and name.endswith((".conv.weight", ".conv_out.weight"))
    return 0.25 if is_end else 1


def plain(name, shape):
    """What the authors' network was filled with."""
    wave = np.sin(0.1 * (np.arange(np.prod(shape)) + 1) + 0.01 * sum(name.encode())).reshape(shape)
    return 0.05 * wave if len(shape) == 1 else wave / np.sqrt(np.prod(shape[1:]))


def conv(t, name, x, n_out, kernel=3, groups=1, has_bias=False, stride=1, padding=None):
    weight = t.take(f"{name}.weight", n_out, x.shape[1] // groups, kernel, kernel)
    bias = t.take(f"{name}.bias", n_out) if has_bias else None
    return F.conv2d(x, weight, bias, stride, kernel // 2 if padding is None else padding, 1, groups)


def leaky(x, slope=0.2):
    return F.leaky_relu(x, slope)


def twice(x, mode):
    return F.interpolate(x, scale_factor=2, mode=mode, **({} if mode == "nearest" else {"align_corners": False}))


def attention_logits(t, x, base, prefix=""):
    """The U-Net of the attention map and of the global discriminator, without its sigmoid."""

    def layer(number, x, n_out, kernel=3):
        weight = t.spectral(f"{prefix}conv{number}", n_out, x.shape[1], kernel, kernel)
        return leaky(F.conv2d(x, weight, None, kernel // 2, 1))

    skips = [leaky(conv(t, f"{prefix}conv0", x, base, has_bias=True))]
    for number in (1, 2, 3):
        skips.append(layer(number, skips[-1], base << number, 4))
    x = skips.pop()
    for number in (4, 5, 6):
        x = layer(number, twice(x, "bilinear"), x.shape[1] // 2) + skips.pop()
        t.tell(f"{prefix}conv{number}", x)
    for number in (7, 8):
        x = layer(number, x, base)
    return conv(t, f"{prefix}conv9", x, 1, has_bias=True)


def patch_logits(t, x, base, names=tuple(f"conv{number}" for number in range(5))):
    for name, n_out, stride in zip(names, (1, 2, 4, 8), (2, 2, 2, 1)):
        x = leaky(conv(t, name, x, n_out * base, 4, has_bias=True, stride=stride, padding=2))
    return conv(t, names[-1], x, 1, 4, has_bias=True, padding=2)


def condition(t, attention, n):
    name = "Condition_process"
    x = conv(t, f"{name}.0", attention, n, has_bias=True)
    for idx in (2, 4, 6, 8):
        x = conv(t, f"{name}.{idx}", leaky(x, 0.1), n, 1, has_bias=True)
    return x


def cfm(t, name, f, g):
    """Scale and shift of each value, from the condition."""

    def branch(kind):
        inner = leaky(conv(t, f"{name}.CFM_{kind}_conv0", g, g.shape[1], 1, has_bias=True), 0.1)
        return conv(t, f"{name}.CFM_{kind}_conv1", inner, f.shape[1], 1, has_bias=True)

    return f * (branch("scale") + 1) + branch("shift")


def rcb(t, name, x, groups):
    """Residual block with a context that is the same at every place."""
    n = x.shape[1]
    r = conv(t, f"{name}.body.2", leaky(conv(t, f"{name}.body.0", x, n, groups=groups)), n, groups=groups)
    shares = conv(t, f"{name}.gcnet.conv_mask", r, 1, 1).flatten(2).softmax(-1)
    t.seen[f"{name} largest share"] = (shares.amax() * shares.shape[-1]).item()
    context = (r.flatten(2) * shares).sum(-1)[..., None, None]
    add = f"{name}.gcnet.channel_add_conv"
    r = r + conv(t, f"{add}.2", leaky(conv(t, f"{add}.0", context, n, 1)), n, 1)
    return leaky(r) + x


def skff(t, name, branches):
    """Weighs the branches channel by channel."""
    n = branches[0].shape[1]
    pooled = sum(branches).mean((2, 3), keepdim=True)
    squeezed = leaky(conv(t, f"{name}.conv_du.0", pooled, max(n // 8, 4), 1))
    logits = [conv(t, f"{name}.fcs.{idx}", squeezed, n, 1) for idx in range(len(branches))]
    shares = torch.stack(logits).softmax(0)
    t.tell(f"{name} shares", shares[0])
    return sum(share * branch for share, branch in zip(shares, branches))


def mrb(t, name, f, widths, groups):
    """Three scales that inform each other twice."""

    def down(part, x, n_out):
        return conv(t, f"{name}.{part}.body.0.bot.1", F.avg_pool2d(x, 2), n_out, 1)

    def up(part, x, n_out):
        return twice(conv(t, f"{name}.{part}.body.0.bot.0", x, n_out, 1), "bilinear")

    n_top, n_middle, n_bottom = widths
    top, middle = f, down("down2", f, n_middle)
    bottom = down("down4.1", down("down4.0", f, n_middle), n_bottom)
    for number in (1, 2):
        top = rcb(t, f"{name}.dau_top", top, groups)
        middle = rcb(t, f"{name}.dau_mid", middle, groups)
        bottom = rcb(t, f"{name}.dau_bot", bottom, groups)
        middle = skff(t, f"{name}.skff_mid", [middle, up(f"up32_{number}", bottom, n_middle)])
        top = skff(t, f"{name}.skff_top", [top, up(f"up21_{number}", middle, n_top)])
    return conv(t, f"{name}.conv_out", top, n_top, 1) + f


def trunk(t, f, g, widths):
    for i, groups in enumerate(GROUPS):
        x = f
        for idx in (0, 2):
            x = cfm(t, f"body.{i}.body.{idx}", x, g)
            x = mrb(t, f"body.{i}.body.{idx + 1}", x, widths, groups)
        f = conv(t, f"body.{i}.conv", x, widths[0]) + f
        t.tell(f"group {i}", f)
    return f


def up_step(t, j, f, multi_substrate):
    name, n = f"conv_up{j}", f.shape[1]
    if not multi_substrate:
        return leaky(conv(t, name, twice(f, "nearest"), n, has_bias=True))
    branches = [conv(t, f"{name}.{mode}", twice(f, mode), n, has_bias=True) for mode in ("nearest", "bilinear")]
    branches.append(F.pixel_shuffle(conv(t, f"{name}.shuffle", f, 4 * n, has_bias=True), 2))
    return leaky(skff(t, f"{name}.fuse", branches))


def padded(image, multiple):
    """Reflected at the right and at the bottom, as often as it takes."""
    for axis in (2, 3):
        side = image.shape[axis]
        places = np.pad(np.arange(side), (0, -side % multiple), "reflect")
        image = image.index_select(axis, torch.from_numpy(places))
    return image


def network(t, image, config):
    """The brightened image, and the attention map; the map too has lost what was added at the border."""
    height, width = image.shape[2:]
    x = padded(image, 16 if config.scale == 1 else 8)
    logits = attention_logits(t, x, config.attention, "atten_network.")
    t.tell("logits of the attention", logits)
    attention, q = logits.sigmoid(), 4 // config.scale
    f = conv(t, "conv_in", F.pixel_unshuffle(x, q), config.n)
    g = condition(t, F.pixel_unshuffle(attention, q), config.n)
    t.tell("condition", g)
    f = trunk(t, f, g, config.widths)
    for j in (1, 2):
        f = up_step(t, j, f, config.multi_substrate)
    if config.has_conv_hr:
        t.take("conv_hr.weight", config.n, config.n, 3, 3), t.take("conv_hr.bias", config.n)
    y = conv(t, "conv_out", f, 3)
    s = config.scale
    return y[:, :, : s * height, : s * width], attention[:, :, :height, :width]


def wave_picture(height, width):
    c, i, j = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    return torch.from_numpy(0.25 + 0.2 * np.sin(0.3 * (i + 1) + 0.2 * (j + 1) + 0.5 * c))[None]


def differ(name, found, expected, bound=1e-3):
    found = np.array([float(value) for value in found])
    error = np.abs(found - expected).max()
    print(f"{name:24} largest difference {error:.1e}")
    if not error < bound:
        raise SystemExit(f"{name}: expected {expected}, got {found}")


# Size, then parameters; mean and deviation; places and values.
AUTHORS = {
    4: (
        (16, 24),
        10_642_577,
        (-0.016529, 0.057097),
        {
            (0, 0): (-0.010122, 0.010068, -0.009355),
            (7, 9): (-0.085027, 0.061526, -0.033994),
            (63, 95): (-0.010312, 0.009105, -0.007302),
        },
    ),
    2: (
        (16, 24),
        10_651_217,
        (-0.023948, 0.083072),
        {
            (0, 0): (-0.011257, 0.010961, -0.009947),
            (7, 9): (-0.094739, 0.071051, -0.042710),
            (31, 47): (-0.008559, 0.007078, -0.005133),
        },
    ),
    1: (
        (32, 16),
        10_685_777,
        (-0.025108, 0.084298),
        {
            (0, 0): (-0.011589, 0.011004, -0.009699),
            (7, 9): (-0.120867, 0.101799, -0.076064),
            (31, 15): (-0.010944, 0.008758, -0.005999),
        },
    ),
}
SIGMAS = (5.680343, 8.029184, 11.333956, 8.005816, 5.683362, 4.032757, 4.055624, 4.055959)


def compare_with_the_authors():
    for scale, (size, n_parameters, moments, pixels) in AUTHORS.items():
        t = Tensors(plain)
        y, attention = network(t, wave_picture(*size), replace(LARGE, scale=scale))
        print(f"x{scale}: {t.n_parameters()} parameters")
        if t.n_parameters() != n_parameters:
            raise SystemExit(f"expected {n_parameters}")
        differ(f"x{scale} moments", [y.mean(), y.std(unbiased=False)], moments)
        for (i, j), expected in pixels.items():
            differ(f"x{scale} pixel {i} {j}", y[0, :, i, j], expected)
        if scale == 1:
            differ("x1 attention", attention[0, 0, 15, 15:16], [0.459712])
        if scale == 4:
            places = [attention[0, 0, i, j] for i, j in ((0, 0), (7, 9), (15, 15))]
            found = [attention.mean(), attention.std(unbiased=False), *places]
            differ("x4 attention", found, [0.458613, 0.021143, 0.475210, 0.477797, 0.460048])
            found = [t.seen[f"atten_network.conv{number} sigma"] for number in range(1, 9)]
            differ("largest singular values", found, SIGMAS)
    t = Tensors(plain)
    # As the authors number the layers.
    logits = patch_logits(t, wave_picture(32, 40), 64, [f"model.{number}" for number in (0, 2, 4, 6, 8)])
    print("patch discriminator", t.n_parameters(), "parameters, result", tuple(logits.shape[2:]))
    differ("patch", [logits.mean(), logits[0, 0, 0, 0], logits[0, 0, 6, 7]], [-0.050127, -0.050616, -0.049535])


def write_tensors(name, t):
    lines = [" ".join(map(str, (key, *shape))) for key, shape in t.shapes.items()]
    (DATA / f"collaba_{name}_tensors.txt").write_text("\n".join(lines) + "\n")
    print(f"{name}: {t.n_parameters()} parameters")
    for key, value in t.seen.items():
        print("   ", key, np.round(value, 4))


def vectors(prefix, t):
    """Those of spectral norm."""
    return {f"{prefix}{key}": value for key, value in t.made.items() if not value.requires_grad}


# What is written: the network, and the size of its picture. All compact ones have the same attention.
CASES = {
    "compact_x2": (COMPACT, (24, 32)),
    "compact_x4": (replace(COMPACT, scale=4), (16, 24)),
    "compact_x1": (replace(COMPACT, scale=1), (32, 48)),
    "compact_x2_multi_substrate": (replace(COMPACT, multi_substrate=True), (24, 32)),
    "large_x4": (replace(LARGE, scale=4), (8, 16)),
}
# Of the mean of the squares of the result.
GRADIENTS = (
    "body.1.body.1.dau_mid.gcnet.conv_mask.weight",
    "body.2.body.2.CFM_scale_conv0.weight",
    "body.3.body.3.skff_top.fcs.1.weight",
    "atten_network.conv4.weight_orig",
    "Condition_process.0.weight",
)


def results_of_networks():
    results, whole = {}, {}
    for name, (config, size) in CASES.items():
        t, image = Tensors(house), picture(*size).requires_grad_()
        y, attention = network(t, image, config)
        write_tensors(name, t)
        results |= {f"{name}.y": y, f"{name}.attention": attention}
        if name == "compact_x2":
            (y * y).mean().backward()
            results["compact_x2.gradient.image"] = image.grad
            results |= {f"compact_x2.gradient.{key}": t.made[key].grad for key in GRADIENTS}
            padded_y, padded_attention = network(t, picture(21, 30), config)
            results |= {"padded.y": padded_y, "padded.attention": padded_attention}
        if name in ("compact_x2", "large_x4"):
            whole |= vectors(name.partition("_")[0] + ".", t)
    return results, whole


def results_of_discriminators():
    t, image = Tensors(house), picture(24, 32)
    results = {"global": attention_logits(t, image, 16)}
    write_tensors("global", t)
    whole = vectors("global.", t)
    t = Tensors(house)
    results["patch"] = patch_logits(t, image, 16)
    write_tensors("patch", t)
    return results, whole


def sampled(value):
    """Every value of a few, every seventh of more, every 77th of many."""
    values = value.numpy().ravel()
    step = 1 if values.size < N_WHOLE else STEP if values.size < N_MANY else LONG_STEP
    return np.ascontiguousarray(values[::step].astype(np.float32))


def main():
    compare_with_the_authors()
    results, whole = results_of_networks()
    more_results, more_whole = results_of_discriminators()
    written = {}
    for name, value in (results | more_results).items():
        value = value.detach()
        print(f"{name:64} {tuple(value.shape)} {value.mean():.6f} +- {value.std():.6f}")
        written[name] = sampled(value)
    # A test sets these among the weights, so none is left out.
    written |= {name: value.numpy().astype(np.float32) for name, value in (whole | more_whole).items()}
    save_file(written, DATA / "collaba.safetensors")


if __name__ == "__main__":
    main()
