"""Prints the golden numbers of crates/tapetum-metrics/tests/it/full_reference.rs: full-reference metrics
written down again in float64 with NumPy, PyTorch and SciPy, and what other packages give for the same
pictures with the relative difference.

    pip install numpy scipy scikit-image torch piq pyiqa && python tools/golden/full_reference.py

Packages that cannot be imported are left out.
"""

import math
from importlib.metadata import version

import numpy as np
import torch
from scipy.ndimage import convolve1d
from skimage import color, metrics

import scene

SCENES = [(192, 176, 3), (411, 389, 5), (67, 45, 7), (700, 643, 9)]
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
LUMA_601 = np.array([65.481, 128.553, 24.966]) / 255
GREY = np.array([0.299, 0.587, 0.114])
YIQ_AUTHORS = np.array([GREY, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
YIQ_PIQ = np.array([GREY, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def channel_mean(score, a, b) -> float:
    return float(np.mean([score(a[..., c], b[..., c]) for c in range(3)]))


def gaussian(n_taps: int, sigma: float) -> np.ndarray:
    x = np.arange(n_taps) - n_taps // 2
    weights = np.exp(-(x**2) / (2 * sigma**2))
    return weights / weights.sum()


def valid(plane: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Both ways with a symmetric window; only windows inside the image."""
    for axis in (0, 1):
        count = plane.shape[axis] - len(taps) + 1
        plane = convolve1d(plane, taps, axis=axis, mode="constant")
        plane = plane.take(np.arange(count) + (len(taps) // 2), axis=axis)
    return plane


def ssim_maps(a, b, taps, c1=C1, c2=C2):
    mean_a, mean_b = valid(a, taps), valid(b, taps)
    variance_a = valid(a * a, taps) - mean_a**2
    variance_b = valid(b * b, taps) - mean_b**2
    covariance = valid(a * b, taps) - mean_a * mean_b
    contrast = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return contrast * (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1), contrast


def ssim_gauss_valid(a, b) -> float:
    return float(ssim_maps(a, b, gaussian(11, 1.5))[0].mean())


def ssim_torch(a: np.ndarray, b: np.ndarray, padding: int, peak: float) -> float:
    """Depthwise convolution of [1, 3, height, width] with an 11x11 window."""
    x, y = (torch.from_numpy(v.transpose(2, 0, 1).copy())[None] for v in (a, b))
    size = 11 if padding else min(11, *a.shape[:2])
    taps = torch.from_numpy(gaussian(size, 1.5))
    window = torch.outer(taps, taps).expand(3, 1, size, size)
    mean = lambda v: torch.nn.functional.conv2d(v, window, padding=padding, groups=3)
    mean_x, mean_y = mean(x), mean(y)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    structure = (2 * covariance + c2) / (variances + c2)
    return float((structure * (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)).mean())


def ms_ssim(a, b) -> float:
    score = 1.0
    for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
        similarity, contrast = (m.mean() for m in ssim_maps(a, b, gaussian(11, 1.5)))
        score *= max(similarity if scale == 4 else contrast, 0) ** weight
        a, b = (np.pad(v, [(0, n % 2) for n in v.shape], mode="edge") for v in (a, b))
        a, b = ((v[::2, ::2] + v[1::2, ::2] + v[::2, 1::2] + v[1::2, 1::2]) / 4 for v in (a, b))
    return float(score)


def uqi(a, b) -> float:
    """With sums instead of means, as the authors' program has it."""
    windows = lambda v: np.lib.stride_tricks.sliding_window_view(v, (8, 8)).sum(axis=(2, 3))
    sum_a, sum_b, n = windows(a), windows(b), 64
    products = sum_a * sum_b
    squares = sum_a**2 + sum_b**2
    variances = n * (windows(a * a) + windows(b * b)) - squares
    quality = np.ones_like(products)
    flat = (variances == 0) & (squares != 0)
    quality[flat] = 2 * products[flat] / squares[flat]
    rest = variances * squares != 0
    numerator = 4 * (n * windows(a * b) - products) * products
    quality[rest] = numerator[rest] / (variances * squares)[rest]
    return float(quality.mean())


def vif(enhanced, reference) -> float:
    kept = available = 0.0
    for scale in range(4):
        n_taps = 2 ** (4 - scale) + 1
        taps = gaussian(n_taps, n_taps / 5)
        if scale > 0:
            reference, enhanced = (valid(v, taps)[::2, ::2] for v in (reference, enhanced))
        mean_1, mean_2 = valid(reference, taps), valid(enhanced, taps)
        v1 = np.maximum(valid(reference**2, taps) - mean_1**2, 0)
        v2 = np.maximum(valid(enhanced**2, taps) - mean_2**2, 0)
        covariance = valid(reference * enhanced, taps) - mean_1 * mean_2
        gain = covariance / (v1 + 1e-10)
        noise = v2 - gain * covariance
        flat = v1 < 1e-10
        gain[flat], noise[flat], v1[flat] = 0, v2[flat], 0
        gain[v2 < 1e-10], noise[v2 < 1e-10] = 0, 0
        noise[gain < 0] = v2[gain < 0]
        gain[gain < 0] = 0
        noise = np.maximum(noise, 1e-10)
        kept += np.log10(1 + gain**2 * v1 / (noise + 2)).sum()
        available += np.log10(1 + v1 / 2).sum()
    return float(kept / available)


def reduce_as_authors(plane: np.ndarray) -> np.ndarray:
    """F x F means with zeros around, centred as MATLAB's conv2 does, every F-th pixel."""
    factor = max(1, math.floor(min(plane.shape) / 256 + 0.5))
    before, after = (factor - 1) // 2, factor // 2
    padded = np.pad(plane, (before, after))
    height, width = plane.shape
    shifts = [(y, x) for y in range(factor) for x in range(factor)]
    means = sum(padded[y : y + height, x : x + width] for y, x in shifts) / factor**2
    return means[::factor, ::factor]


def reduce_as_piq(plane: np.ndarray) -> np.ndarray:
    factor = max(1, round(min(plane.shape) / 256))
    height, width = (n // factor for n in plane.shape)
    blocks = plane[: height * factor, : width * factor]
    return blocks.reshape(height, factor, width, factor).mean(axis=(1, 3))


def frequencies(count: int) -> np.ndarray:
    if count % 2:
        return np.fft.ifftshift(np.arange(-(count - 1) / 2, count / 2) / (count - 1))
    return np.fft.ifftshift(np.arange(-count / 2, count / 2) / count)


def phase_congruency(plane: np.ndarray, epsilon: float, median) -> np.ndarray:
    height, width = plane.shape
    x, y = np.meshgrid(frequencies(width), frequencies(height))
    radius, theta = np.hypot(x, y), np.arctan2(-y, x)
    low_pass = 1 / (1 + (radius / 0.45) ** 30)
    radius[0, 0] = 1
    radial = []
    for scale in range(4):
        gabor = low_pass * np.exp(-np.log(radius * 6 * 2**scale) ** 2 / (2 * math.log(0.55) ** 2))
        gabor[0, 0] = 0
        radial.append(gabor)
    spectrum = np.fft.fft2(plane)
    energies, amplitudes = np.zeros(plane.shape), np.zeros(plane.shape)
    for orientation in range(4):
        angle = np.angle(np.exp(1j * (theta - orientation * math.pi / 4)))
        filters = [g * np.exp(-(angle**2) / (2 * (math.pi / 4 / 1.2) ** 2)) for g in radial]
        responses = [np.fft.ifft2(spectrum * f) for f in filters]
        total = sum(responses)
        mean = total / (np.abs(total) + epsilon)
        aligned = [r * np.conj(mean) for r in responses]
        energy = sum(v.real - np.abs(v.imag) for v in aligned)
        impulses = [np.fft.ifft2(f).real * math.sqrt(plane.size) for f in filters]
        power = median(np.abs(responses[0]) ** 2) / math.log(2) / (filters[0] ** 2).sum()
        squares = sum((i**2).sum() for i in impulses)
        pairs = sum((impulses[i] * impulses[j]).sum() for i in range(4) for j in range(i + 1, 4))
        tau = math.sqrt((2 * power * squares + 4 * power * pairs) / 2)
        noise = tau * math.sqrt(math.pi / 2) + 2 * math.sqrt((2 - math.pi / 2) * tau**2)
        energies += np.maximum(energy - noise / 1.7, 0)
        amplitudes += sum(np.abs(r) for r in responses)
    return energies / (amplitudes + (epsilon if epsilon < 1e-10 else 0))


def lower_median(values: np.ndarray) -> float:
    """The lower of the two in the middle, as PyTorch takes it."""
    return np.sort(values, axis=None)[(values.size - 1) // 2]


def phase_as_authors(luma: np.ndarray) -> np.ndarray:
    return phase_congruency(luma, 1e-4, np.median)


def phase_as_piq(luma: np.ndarray) -> np.ndarray:
    """Rows and columns change places, which tells only at the highest frequency of even sizes."""
    return phase_congruency(luma.T, np.finfo(float).eps, lower_median).T


AS_AUTHORS = (reduce_as_authors, YIQ_AUTHORS, phase_as_authors)
AS_PIQ = (reduce_as_piq, YIQ_PIQ, phase_as_piq)


def fsim(a, b, chroma: bool, choices=AS_AUTHORS) -> float:
    reduce, yiq, phase = choices
    planes = [[reduce(picture @ row) for row in yiq] for picture in (a, b)]
    phases = [phase(p[0]) for p in planes]
    scharr = np.outer([3, 10, 3], [1, 0, -1]) / 16
    gradients = []
    for luma, _, _ in planes:
        padded = np.pad(luma, 1)
        h, w = luma.shape
        take = lambda k: sum(
            k[i, j] * padded[i : i + h, j : j + w] for i in range(3) for j in range(3)
        )
        gradients.append(np.hypot(take(scharr), take(scharr.T)))
    similar = lambda pair, c: (2 * pair[0] * pair[1] + c) / (pair[0] ** 2 + pair[1] ** 2 + c)
    weight = np.maximum(*phases)
    score = similar(phases, 0.85) * similar(gradients, 160)
    if chroma:
        i, q = (similar([planes[0][k], planes[1][k]], 200) for k in (1, 2))
        score = score * ((i * q).astype(complex) ** 0.03).real
    return float((score * weight).sum() / weight.sum())


def lab(picture: np.ndarray) -> np.ndarray:
    """With the constants of our code, which differ from scikit-image's in the sixth digit."""
    v = picture / 255
    linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    t = linear @ to_xyz.T / [0.95047, 1, 1.08883]
    x, y, z = np.moveaxis(np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def psnr(mse) -> float:
    return float(10 * np.log10(255**2 / mse))


def ours(e: np.ndarray, r: np.ndarray) -> dict[str, float]:
    """Each metric of the enhanced and the reference picture, both [height, width, 3], 0..255."""
    peak = 255 if e.max() > 128 else 1
    rows = {
        "mse": ((e - r) ** 2).mean(),
        "rmse": math.sqrt(((e - r) ** 2).mean()),
        "mae": np.abs(e - r).mean(),
        "psnr-rgb": psnr(((e - r) ** 2).mean()),
        "psnr-y": psnr(((e @ LUMA_601 - r @ LUMA_601) ** 2).mean()),
        "psnr-channel-mean": np.mean([psnr(((e - r) ** 2)[..., c].mean()) for c in range(3)]),
        "ciede2000": color.deltaE_ciede2000(lab(e), lab(r)).mean(),
        "delta-e76": color.deltaE_cie76(lab(e), lab(r)).mean(),
        "gauss-valid": channel_mean(ssim_gauss_valid, e, r),
        "sk-uniform": metrics.structural_similarity(e, r, data_range=255, channel_axis=-1),
        "sk-gauss": metrics.structural_similarity(
            e,
            r,
            data_range=255,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        ),
        "torch-same": ssim_torch(e, r, 5, 255),
        "torch-valid-auto": ssim_torch(e, r, 0, peak),
        "y-gauss": ssim_gauss_valid(16 + e @ LUMA_601, 16 + r @ LUMA_601),
        "uqi": channel_mean(uqi, e, r),
        "vif": vif(e @ GREY, r @ GREY),
        "fsim": fsim(e, r, chroma=False),
        "fsimc": fsim(e, r, chroma=True),
    }
    if min(e.shape[:2]) >= 176:
        rows["ms-ssim"] = channel_mean(ms_ssim, e, r)
    return rows


def others(e: np.ndarray, r: np.ndarray) -> dict[tuple[str, str], float]:
    """What packages give, by metric and package."""
    y = lambda v: 16 + v @ LUMA_601
    rows = {
        ("psnr-rgb", "scikit-image"): metrics.peak_signal_noise_ratio(r, e, data_range=255),
        ("psnr-y", "scikit-image"): metrics.peak_signal_noise_ratio(y(r), y(e), data_range=255),
        ("mse", "scikit-image"): metrics.mean_squared_error(r, e),
        ("ciede2000", "scikit-image from sRGB"): color.deltaE_ciede2000(
            color.rgb2lab(e / 255), color.rgb2lab(r / 255)
        ).mean(),
        ("delta-e76", "scikit-image from sRGB"): color.deltaE_cie76(
            color.rgb2lab(e / 255), color.rgb2lab(r / 255)
        ).mean(),
    }
    x, z = (torch.from_numpy(v.transpose(2, 0, 1).copy())[None] for v in (e, r))
    try:
        import piq
    except ImportError:
        return rows
    big = min(e.shape[:2]) >= 176
    rows["psnr-rgb", "piq"] = piq.psnr(x, z, data_range=255)
    rows["gauss-valid", "piq, downsample off"] = piq.ssim(x, z, data_range=255, downsample=False)
    rows["gauss-valid", "piq, default (downsamples)"] = piq.ssim(x, z, data_range=255)
    rows["vif", "piq"] = piq.vif_p(x, z, data_range=255)
    for name, chroma in (("fsim", False), ("fsimc", True)):
        rows[name, "piq"] = piq.fsim(x, z, data_range=255, chromatic=chroma)
        same = fsim(e, r, chroma, AS_PIQ)
        rows[name, "this script with piq's choices, against piq"] = same
    if big:
        rows["ms-ssim", "piq"] = piq.multi_scale_ssim(x, z, data_range=255)
    try:
        from pyiqa.archs import fsim_arch, psnr_arch, ssim_arch
    except ImportError:
        return rows
    u, v = x / 255, z / 255
    rows["psnr-rgb", "pyiqa"] = psnr_arch.PSNR()(u, v)
    rows["psnr-y", "pyiqa"] = psnr_arch.psnr(u, v, test_y_channel=True, color_space="ycbcr")
    rows["gauss-valid", "pyiqa"] = ssim_arch.SSIM(test_y_channel=False)(u, v)
    rows["y-gauss", "pyiqa (rounds Y)"] = ssim_arch.SSIM(color_space="ycbcr")(u, v)
    rows["fsimc", "pyiqa"] = fsim_arch.FSIM(chromatic=True)(u, v)
    if big:
        rows["ms-ssim", "pyiqa"] = ssim_arch.MS_SSIM(test_y_channel=False)(u, v)
    return rows


def rust(value) -> str:
    """A literal with all digits."""
    return repr(float(value))


def main() -> None:
    packages = ["numpy", "scipy", "scikit-image", "torch", "piq", "pyiqa"]
    print({name: version(name) for name in packages})
    tables = {}
    for size in SCENES:
        e, r = scene.enhanced(*size), scene.reference(*size)
        e, r = e.astype(float), r.astype(float)
        found = ours(e, r)
        for name, value in found.items():
            tables.setdefault(name, {})[size] = value
        for (name, package), value in others(e, r).items():
            base = found[name]
            if "against piq" in package:
                import piq

                x, z = (torch.from_numpy(v.transpose(2, 0, 1).copy())[None] for v in (e, r))
                base = float(piq.fsim(x, z, data_range=255, chromatic=name == "fsimc"))
            value = float(value)
            print(size, f"{name:12} {package:45} {value:.9f} relative {value / base - 1:+.2e}")
    r = scene.reference(*SCENES[0]).astype(float)
    inverted = ours(255 - r, r)
    for name, values in tables.items():
        values = {**values, "inverted": inverted[name]}
        cells = [rust(values[size]) if size in values else "TOO_SMALL" for size in [*SCENES, "inverted"]]
        print(f'    ("{name}", [{", ".join(cells)}]),')
    e, r = (make(67, 45, 7).astype(float) for make in (scene.low, scene.reference))
    print("dark, torch-valid-auto:", rust(ssim_torch(e, r, 0, 1)), "largest", e.max())
    print("5x9 of it:", rust(ssim_torch(e[:9, :5], r[:9, :5], 0, 1)))


if __name__ == "__main__":
    main()
