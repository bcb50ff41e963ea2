"""Prints what LACR-VAE's loss terms give for formulas, and their gradients, in float64 with PyTorch: the value,
the norm of the gradient at what is named, and its value in the middle. LACR-VAE's tests hold these numbers.

    pip install torch && python tools/golden/lacr_vae_losses.py
"""

import torch
import torch.nn.functional as F

# Weights of the scales, finest first [Wang 2003].
SCALE_WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
TERM_MIN = 1e-6
TEMPERATURE = 0.07


def waves(phase, n_batch=2, n_channels=3, height=9, width=12):
    b, c, i, j = torch.meshgrid(
        *(torch.arange(n, dtype=torch.float64) for n in (n_batch, n_channels, height, width)),
        indexing="ij",
    )
    return 0.5 + 0.4 * torch.sin(0.3 * (i + 1) + 0.2 * (j + 1) + 0.5 * c + 0.9 * b + phase)


def divergence(mean, log_variance):
    each = mean**2 + log_variance.exp() - 1 - log_variance
    return (each.sum(1) / 2).mean()


def ratio(anchor, positive, negatives):
    """Distance to the positive over the mean distance to the negatives, of each sample."""
    distance = lambda other: (anchor - other).abs().mean((1, 2, 3))
    apart = sum(map(distance, negatives)) / len(negatives)
    return (distance(positive) / (apart + 1e-7)).mean()


def direction(latent):
    return F.normalize(latent.mean((2, 3)), dim=1, eps=1e-12)


def info_nce(anchor, positive, negatives):
    found = direction(anchor)
    others = [direction(other) for other in (positive, *negatives)]
    scores = torch.stack([(found * other).sum(1) / TEMPERATURE for other in others], 1)
    return (scores.logsumexp(1) - scores[:, 0]).mean()


def blurred(image):
    """Mean under a Gaussian window, where the whole window lies in the image."""
    x = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = (-(x**2) / (2 * SIGMA**2)).exp()
    window = window / window.sum()
    image = image.flatten(0, 1)[:, None]
    image = F.conv2d(F.conv2d(image, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    return image[:, 0]


def ssim_terms(x, y):
    """Means of luminance * contrast * structure and of contrast * structure, [batch * channels]."""
    mean_x, mean_y = blurred(x), blurred(y)
    variance_x = blurred(x * x) - mean_x**2
    variance_y = blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    contrast_structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return [term.mean((1, 2)) for term in (luminance * contrast_structure, contrast_structure)]


def scale_weights(height, width):
    """As many as there are scales on which a window fits; fewer than all are made to sum to 1."""
    n = sum(min(height, width) >> scale >= WINDOW for scale in range(len(SCALE_WEIGHTS)))
    total = 1 if n == len(SCALE_WEIGHTS) else sum(SCALE_WEIGHTS[:n])
    return [weight / total for weight in SCALE_WEIGHTS[:n]]


def ms_ssim_loss(x, y):
    weights = scale_weights(*x.shape[2:])
    similarity = 1
    for idx, weight in enumerate(weights):
        if idx > 0:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        ssim, contrast_structure = ssim_terms(x, y)
        term = ssim if idx + 1 == len(weights) else contrast_structure
        similarity = similarity * term.clamp(min=TERM_MIN) ** weight
    return 1 - similarity.mean()


def report(name, loss, at):
    at = at.clone().requires_grad_()
    value = loss(at)
    (grad,) = torch.autograd.grad(value, at)
    middle = grad[tuple(side // 2 for side in grad.shape)]
    print(f"{name:34} [{value:.10f}, {grad.norm():.10f}, {middle:.10f}]")


def latents():
    # The gradient of a distance is a sign, so nothing here lies exactly on another.
    mean, log_variance = waves(0.0, n_channels=5) - 0.3, 1.5 * waves(1.0, n_channels=5) - 1
    report("divergence at mean", lambda m: divergence(m, log_variance), mean)
    report("divergence at log_variance", lambda v: divergence(mean, v), log_variance)
    positive, dark = waves(1.0, n_channels=5), waves(2.5, n_channels=5)
    negatives = [0.3 * dark, 0.5 * dark - 0.2, waves(4.0, n_channels=5) * dark]
    anchor = waves(0.0, n_channels=5) * waves(3.0, n_channels=5)
    for n in (1, 3):
        report(f"ratio of {n}", lambda a: ratio(a, positive, negatives[:n]), anchor)
        report(f"info_nce of {n}", lambda a: info_nce(a, positive, negatives[:n]), anchor)


def pictures(name, n_batch, height, width):
    enhanced, reference = (waves(phase, n_batch, 3, height, width) for phase in (0.4, 0.0))
    # Finer than the waves, and a little of it in both, so that every scale tells them apart.
    i, j = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grain = torch.sin(2.1 * i + 0.2 * j * j).double()
    reference, enhanced = reference + 0.1 * grain, 0.9 * enhanced + 0.06 * grain
    report(f"ms_ssim {name}", lambda e: ms_ssim_loss(e, reference), enhanced)
    report(f"squares {name}", lambda e: F.mse_loss(e, reference), enhanced)
    report(f"distances {name}", lambda e: F.l1_loss(e, reference), enhanced)
    # The opposite of what is expected is below the least of a term.
    report(f"ms_ssim of opposites {name}", lambda e: ms_ssim_loss(e, 1 - enhanced), enhanced)


def main():
    latents()
    pictures("2x3x24x30", 2, 24, 30)
    pictures("1x3x48x50", 1, 48, 50)
    pictures("1x3x177x190", 1, 177, 190)
    for side in (11, 21, 22, 43, 44, 87, 88, 175, 176):
        print(side, [round(weight, 6) for weight in scale_weights(side, side + 9)])


if __name__ == "__main__":
    main()
