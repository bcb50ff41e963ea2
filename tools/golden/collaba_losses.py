"""Prints what CollaBA's loss terms give for formulas, and their gradients, in float64 with PyTorch: the value, the
norm of the gradient at what is named, and its value in the middle. CollaBA's tests hold these numbers.

Also writes crates/tapetum-methods/tests/data/collaba_step.safetensors and collaba_step_*_tensors.txt: the gradient
of a step against two discriminators, with the part of it that goes through them and without.

    pip install torch numpy safetensors opencv-python-headless && python tools/golden/collaba_losses.py
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

import collaba
from lacr_vae_losses import report, waves

# Side of the window of sharpening; how far a value is from the blurred one to be sharpened, of 0..255.
WINDOW, SIGMA = 51, 0.3 * (25 - 1) + 0.8
SHARPENING, THRESHOLD = 0.5, 10
# Added to each tensor's part of the denominator of kappa.
KAPPA_EPSILON = 1e-10
ADVERSARIAL = 0.1


def blurred(image):
    """Mean under a Gaussian window, the image reflected without its border pixels, as often as it takes."""
    x = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = (-(x**2) / (2 * SIGMA**2)).exp()
    window = window / window.sum()
    for axis in (2, 3):
        margin = (WINDOW // 2, WINDOW // 2)
        places = np.pad(np.arange(image.shape[axis]), margin, "reflect")
        image = image.index_select(axis, torch.from_numpy(places))
    flat = image.flatten(0, 1)[:, None]
    flat = F.conv2d(F.conv2d(flat, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    return flat.unflatten(0, image.shape[:2])[:, :, 0]


def sharpened(image):
    residual = image - blurred(image)
    is_edge = (residual.abs() * 255 > THRESHOLD).double()
    share = blurred(is_edge)
    return share * (image + SHARPENING * residual).clamp(0, 1) + (1 - share) * image


def pixels(y, reference):
    return F.l1_loss(y, sharpened(reference))


def value_of(image):
    """V of HSV, [batch, 1, height, width]."""
    return image.amax(1, keepdim=True)


def illumination_target(normal, low):
    return (value_of(normal) - value_of(low)).abs() / (value_of(normal) + 1e-4)


def illumination(attention, normal, low):
    return F.mse_loss(attention, illumination_target(normal, low))


def variation(attention):
    batch, _, height, width = attention.shape
    vertical = (attention[:, :, 1:] - attention[:, :, :-1]) ** 2
    horizontal = (attention[:, :, :, 1:] - attention[:, :, :, :-1]) ** 2
    return 2 * (vertical.sum() / ((height - 1) * width) + horizontal.sum() / (height * (width - 1))) / batch


def judged(logits, answer):
    """Mean binary cross-entropy against the same answer everywhere."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, answer))


def weighed(losses, rho):
    return (losses / (2 * rho**2) + (1 + rho**2).log()).sum()


def photograph(phase, height, width):
    """Waves and a grain, ever stronger to the right, so that some places are sharpened and some are not."""
    i, j = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grain = torch.sin(2.1 * i + 0.2 * j * j).double()
    size = {"height": height, "width": width}
    change = waves(phase, **size) + 0.15 * waves(phase + 2, **size) * grain - 0.5
    return 0.5 + ((j + 1) / width) ** 2 * change


def compare_with_opencv(image):
    for channel in image.flatten(0, 1):
        theirs = cv2.GaussianBlur(channel.numpy(), (WINDOW, WINDOW), 0, borderType=cv2.BORDER_REFLECT_101)
        error = np.abs(blurred(channel[None, None])[0, 0].numpy() - theirs).max()
        if not error < 1e-12:
            raise SystemExit(f"OpenCV's blurred image differs by {error}")


def tell_edges(image):
    residual = image - blurred(image)
    edges, sharp = residual.abs() * 255, image + SHARPENING * residual
    share = (edges > THRESHOLD).double().mean()
    clamped = (sharp != sharp.clamp(0, 1)).double().mean()
    nearest = (edges - THRESHOLD).abs().min()
    print(f"    {share:.2f} sharpened, {clamped:.2f} clamped, next to the threshold {nearest:.4f} of 255")


def sharpening():
    # The others are less than half a window, down to what reflects nothing.
    for height, width in ((60, 64), (20, 34), (2, 7), (1, 1)):
        image = photograph(0.0, height, width)
        compare_with_opencv(image)
        tell_edges(image)
        sharp = sharpened(image)
        middle, last = sharp[tuple(side // 2 for side in sharp.shape)], sharp[-1, -1, -1, -1]
        name = f"sharpened 2x3x{height}x{width}"
        print(f"{name:34} [{sharp.norm():.10f}, {middle:.10f}, {last:.10f}]")
        y = 0.9 * waves(0.4, 2, 3, height, width) + 0.02
        report(f"pixels 2x3x{height}x{width}", lambda y: pixels(y, image), y)


def maps():
    normal, low = waves(1.0), 0.2 * waves(0.0)
    target = illumination_target(normal, low)
    print(f"target: mean {target.mean():.10f}, middle {target[1, 0, 4, 6]:.10f}")
    collaba.differ("target", [target.mean(), target[0, 0, 4, 5], variation(target)], [0.706181, 0.533982, 0.037633])
    attention = waves(0.3, n_channels=1)
    report("illumination at attention", lambda a: illumination(a, normal, low), attention)
    report("variation at attention", variation, attention)
    logits = 3 * (waves(0.7, n_channels=1) - 0.5)
    report("judged real", lambda x: judged(x, 1.0), logits)
    report("judged made", lambda x: judged(x, 0.0), logits)
    # Beyond what an exponential holds in `f32`.
    report("judged real, far", lambda x: judged(x, 1.0), 200 * logits)
    report("judged made, far", lambda x: judged(x, 0.0), 200 * logits)


def rows(*gradients):
    return "; ".join("[" + ", ".join(f"{value:.10f}" for value in gradient) + "]" for gradient in gradients)


def weighing():
    losses = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5], dtype=torch.float64, requires_grad=True)
    for rho in ([1.0] * 5, [0.473, 2.177, 0.181, -0.901, 0.195]):
        rho = torch.tensor(rho, dtype=torch.float64, requires_grad=True)
        total = weighed(losses, rho)
        gradients = torch.autograd.grad(total, (rho, losses))
        print(f"weighed {total:.10f}; at rho, at losses: {rows(*gradients)}")
        if (rho == 1).all():
            collaba.differ("weighed", [total], [4.215736])


def discriminators():
    """Both, filled, as functions of an image to logits."""
    tensors = [collaba.Tensors(collaba.house) for _ in range(2)]
    whole = lambda image: collaba.attention_logits(tensors[0], image, 4)
    patch = lambda image: collaba.patch_logits(tensors[1], image, 4)
    return tensors, whole, patch


def inner(first, second):
    return sum((a * b).sum() for a, b in zip(first, second))


def best_response(generator, learned, outer, inner_loss):
    """Kappa, the gradient of the outer loss, and with what goes through the discriminators."""
    of_outer = torch.autograd.grad(outer, learned, retain_graph=True)
    of_inner = torch.autograd.grad(inner_loss, learned, retain_graph=True)
    kappa = inner(of_outer, of_inner) / (inner(of_inner, of_inner) + KAPPA_EPSILON * len(learned))
    (alone,) = torch.autograd.grad(outer, generator, retain_graph=True)
    (whole,) = torch.autograd.grad(outer - kappa.detach() * inner_loss, generator, retain_graph=True)
    return kappa, alone, whole


def step():
    """A generator of one convolution: three channels are the image, the sigmoid of the fourth the attention."""
    size = {"height": 16, "width": 24}
    weight = collaba.house("generator.weight", (4, 3, 3, 3))
    weight = torch.from_numpy(weight).requires_grad_()
    low, normal = 0.2 * waves(0.0, **size), waves(1.0, **size)
    reference = photograph(0.3, **size)
    tell_edges(reference)
    tensors, whole, patch = discriminators()
    result = F.conv2d(2 * low + 0.1, weight, None, 1, 1)
    y, attention = result[:, :3], result[:, 3:].sigmoid()
    adversarial = ADVERSARIAL * (judged(whole(y), 1.0) + judged(patch(y), 1.0))
    answers = lambda judge: judged(judge(reference), 1.0) + judged(judge(y), 0.0)
    inner_loss = answers(whole) + 0.5 * answers(patch)
    terms = {
        "pix": pixels(y, reference),
        "ue": illumination(attention, normal, low),
        "adv": adversarial,
        "tv": variation(attention),
    }
    learned = [value for t in tensors for value in t.made.values() if value.requires_grad]
    written = {}
    for name, rho in {"two": {"pix": 0.9, "adv": 0.5}, "all": {"pix": 0.9, "ue": 0.7, "adv": 0.5, "tv": 0.8}}.items():
        losses = torch.stack([terms[term] for term in rho])
        outer = weighed(losses, torch.tensor(list(rho.values()), dtype=torch.float64))
        kappa, alone, with_response = best_response(weight, learned, outer, inner_loss)
        print(f"step of {name}: {dict(zip(rho, losses.tolist()))}")
        print(f"    outer {outer:.10f}, inner {inner_loss:.10f}, kappa {kappa:.10f}")
        parts = alone.norm(), with_response.norm(), (alone - with_response).norm()
        print("    norms of the gradient alone, with response, of the response:", rows(parts))
        written |= {f"{name}.alone": alone, f"{name}.response": with_response}
    for name, t in zip(("global", "patch"), tensors):
        collaba.write_tensors(f"step_{name}", t)
        written |= collaba.vectors(f"{name}.", t)
    written = {name: value.detach().numpy().astype(np.float32) for name, value in written.items()}
    save_file(written, collaba.DATA / "collaba_step.safetensors")


def main():
    sharpening()
    maps()
    weighing()
    step()


if __name__ == "__main__":
    main()
