"""Numbers for the tests of crates/tapetum-metrics: what NIQE, BRISQUE, LOE, noise estimates,
statistics and segmentation scores should be on the pictures of scene.py. Also writes a made-up BRISQUE
model to tests/data beside it.

Everything is computed twice where a library has it: once here in float64 from the definition, once by the
library; both are printed with the library's version.

    pip install numpy scipy scikit-image PyWavelets brisque piq pyiqa torch
    python tools/golden/no_reference.py [niqe_pris_params.npz]
"""

import importlib
import importlib.metadata
import pickle
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
from scipy import ndimage, special

import scene

CASES = {
    "reference": scene.reference(300, 200, 3),
    "enhanced": scene.enhanced(300, 200, 3),
    "low": scene.low(300, 200, 3),
}
ODD = scene.enhanced(203, 215, 5)
SHAPE_FEATURES = [0, 2, 6, 10, 14, 18, 20, 24, 28, 32]


def half_up(values: np.ndarray) -> np.ndarray:
    """Rounded, halves up although floating point made them a trifle less."""
    return np.floor(values + 0.5 + 1e-9)


# NIQE, after BasicSR.

SHAPES = 0.2 + 0.001 * np.arange(9801)
RATIOS = special.gamma(2 / SHAPES) ** 2 / (special.gamma(1 / SHAPES) * special.gamma(3 / SHAPES))


def window() -> np.ndarray:
    line = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    plane = np.outer(line, line)
    return plane / plane.sum()


def fit_on_grid(values: np.ndarray) -> tuple[float, float, float]:
    with np.errstate(all="ignore"):
        left = np.sqrt(np.mean(values[values < 0] ** 2))
        right = np.sqrt(np.mean(values[values > 0] ** 2))
        sides = left / right
        ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
        ratio *= (sides**3 + 1) * (sides + 1) / (sides**2 + 1) ** 2
    shape = SHAPES[np.argmin((RATIOS - ratio) ** 2)]
    scale = np.sqrt(special.gamma(1 / shape) / special.gamma(3 / shape))
    return shape, left * scale, right * scale


def block_features(block: np.ndarray) -> list[float]:
    shape, left, right = fit_on_grid(block)
    features = [shape, (left + right) / 2]
    for shift in [(0, 1), (1, 0), (1, 1), (1, -1)]:
        shape, left, right = fit_on_grid(block * np.roll(block, shift, axis=(0, 1)))
        mean = (right - left) * special.gamma(2 / shape) / special.gamma(1 / shape)
        features += [shape, mean, left, right]
    return features


def half_matrix(size: int, dtype) -> np.ndarray:
    """MATLAB's antialiased bicubic resize to half, with a mirrored border, as a matrix."""
    matrix = np.zeros((size // 2, size))
    for row in range(size // 2):
        for column in range(2 * row - 3, 2 * row + 5):
            x = abs(2 * row + 0.5 - column) / 2
            near = 1.5 * x**3 - 2.5 * x**2 + 1
            far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
            mirrored = -1 - column if column < 0 else 2 * size - 1 - column if column >= size else column
            matrix[row, mirrored] += (near if x <= 1 else far) / 2
    return matrix.astype(dtype)


def niqe_blocks(pixels: np.ndarray, half_dtype=np.float64):
    """Features and sharpness of all 96x96 blocks."""
    luma = half_up(16 + pixels.astype(np.float64) @ [65.481, 128.553, 24.966] / 255)
    rows, columns = luma.shape[0] // 96, luma.shape[1] // 96
    plane = luma[: rows * 96, : columns * 96]
    scales, sharpness = [], []
    for side in (96, 48):
        mean = ndimage.convolve(plane, window(), mode="nearest")
        square = ndimage.convolve(plane**2, window(), mode="nearest")
        deviation = np.sqrt(np.abs(square - mean**2))
        centred = plane - mean
        centred[np.abs(centred) < 1e-10] = 0
        normalized = centred / (deviation + 1)
        cut = [np.s_[r * side : (r + 1) * side, c * side : (c + 1) * side]
               for r in range(rows) for c in range(columns)]
        scales.append([block_features(normalized[part]) for part in cut])
        if side == 96:
            sharpness = [deviation[part].mean() for part in cut]
            down = half_matrix(plane.shape[0], half_dtype)
            across = half_matrix(plane.shape[1], half_dtype)
            plane = (down @ (plane / 255).astype(half_dtype) @ across.T).astype(np.float64) * 255
    return np.concatenate(scales, axis=1), np.array(sharpness)


def niqe(pixels, mean, covariance, half_dtype=np.float64) -> float:
    features, _ = niqe_blocks(pixels, half_dtype)
    complete = features[~np.isnan(features).any(axis=1)]
    inverse = np.linalg.pinv((covariance + np.cov(complete, rowvar=False)) / 2)
    difference = np.ravel(mean) - np.nanmean(features, axis=0)
    return float(np.sqrt(difference @ inverse @ difference))


def made_up_model() -> tuple[np.ndarray, np.ndarray]:
    """Well conditioned, and of no photograph at all."""
    i, j = np.mgrid[:36, :36]
    return 0.5 + 0.4 * np.sin(1 + np.arange(36)), 0.05 * 0.5 ** np.abs(i - j) + 0.01 * (i == j)


# BRISQUE, after the package of this name.

def solve(values: np.ndarray) -> tuple[float, float, float]:
    left = np.sqrt(np.mean(values[values < 0] ** 2))
    right = np.sqrt(np.mean(values[values >= 0] ** 2))
    sides = left / right
    ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    ratio *= (sides**3 + 1) * (sides + 1) / (sides**2 + 1) ** 2
    low, high = np.log(0.05), np.log(50)
    for _ in range(80):
        middle = (low + high) / 2
        first, second, third = special.gammaln(np.array([1, 2, 3]) / np.exp(middle))
        low, high = (middle, high) if np.exp(2 * second - first - third) < ratio else (low, middle)
    return np.exp(low), left, right


def brisque_features(pixels: np.ndarray) -> np.ndarray:
    plane = pixels.astype(np.float64) @ [0.2125, 0.7154, 0.0721]
    features = []
    for _ in range(2):
        mean = ndimage.convolve(plane, window(), mode="constant")
        square = ndimage.convolve(plane**2, window(), mode="constant")
        centred = plane - mean
        # Flat areas: the package keeps the rounding, whose signs are chance.
        centred[np.abs(centred) < 1e-10] = 0
        z = centred / (np.sqrt(np.abs(square - mean**2)) + 1)
        shape, left, right = solve(z)
        features += [shape, (left**2 + right**2) / 2]
        pairs = [(z[:, :-1], z[:, 1:]), (z[:-1], z[1:]), (z[:-1, :-1], z[1:, 1:]), (z[1:, :-1], z[:-1, 1:])]
        for first, second in pairs:
            shape, left, right = solve(first * second)
            one, two, three = special.gamma(np.array([1, 2, 3]) / shape)
            mean = (right - left) * np.sqrt(one / three) * two / one
            features += [shape, mean, left**2, right**2]
        plane = half_opencv(plane)
    return np.array(features)


def half_opencv(plane: np.ndarray) -> np.ndarray:
    for _ in range(2):
        size = plane.shape[0]
        at = 2 * np.arange(round(size / 2))
        taps = [plane[np.clip(at + step, 0, size - 1)] for step in (-1, 0, 1, 2)]
        plane = (-0.09375 * (taps[0] + taps[3]) + 0.59375 * (taps[1] + taps[2])).T
    return plane


def tiny_machine() -> tuple[str, bytes, callable]:
    """Three support vectors, ranges, and the function that they are."""
    index = np.arange(36)
    vectors = [np.round(np.sin(k + index), 4) for k in (1, 2, 3)]
    weights = [40.0, -25.0, 60.5]
    low, high = -0.5 - 0.01 * index, 2.0 + 0.02 * index
    lines = ["svm_type epsilon_svr", "kernel_type rbf", "gamma 0.05", "nr_class 2", "total_sv 3", "rho -12.5", "SV"]
    for weight, vector in zip(weights, vectors):
        lines.append(f"{weight:g} " + " ".join(f"{i + 1}:{v:g}" for i, v in enumerate(vector)) + " ")
    ranges = {"min_": [round(float(v), 6) for v in low], "max_": [round(float(v), 6) for v in high]}

    def score(features):
        x = -1 + 2 * (features - low) / (high - low)
        kernel = [w * np.exp(-0.05 * ((x - v) ** 2).sum()) for w, v in zip(weights, vectors)]
        return sum(kernel) + 12.5

    return "\n".join(lines) + "\n", pickle.dumps(ranges, protocol=4), score


# LOE.

def disorder(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first.ravel(), second.ravel()
    return float(np.mean([np.sum((a <= first) != (b <= second)) for a, b in zip(first, second)]))


def loe(enhanced, low) -> float:
    def thin(pixels):
        light = pixels.max(axis=2)
        height, width = light.shape
        r = 50 / min(height, width)
        rows, columns = (int(np.floor(r * size + 0.5)) for size in (height, width))
        y = ((np.arange(rows) + 0.5) * height / rows).astype(int)
        x = ((np.arange(columns) + 0.5) * width / columns).astype(int)
        return light[np.ix_(y, x)]

    return disorder(thin(enhanced), thin(low))


def loe_local_max(enhanced, low) -> float:
    def thin(pixels):
        light = ndimage.maximum_filter(pixels.max(axis=2), 11, mode="mirror")
        height, width = light.shape
        return light[np.ix_(np.arange(50) * (height // 50), np.arange(50) * (width // 50))]

    return disorder(thin(enhanced), thin(low))


# Statistics, noise, hue, segmentation.

def grey(pixels):
    return pixels.astype(np.float64) @ [0.299, 0.587, 0.114]


def statistics(pixels) -> dict[str, float]:
    plane, rgb = grey(pixels), pixels.astype(np.float64)
    counts = np.bincount(half_up(plane).astype(int).ravel(), minlength=256)
    shares = counts[counts > 0] / counts.sum()
    rg, yb = rgb[..., 0] - rgb[..., 1], (rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2]
    dx, dy = plane[:-1, 1:] - plane[:-1, :-1], plane[1:, :-1] - plane[:-1, :-1]
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    blocks = plane[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8)
    return {
        "entropy": -np.sum(shares * np.log2(shares)),
        "mean": plane.mean(),
        "deviation": plane.std(),
        "colourfulness": np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()),
        "average gradient": np.mean(np.sqrt((dx**2 + dy**2) / 2)),
        "eme": np.mean(20 * np.log10((blocks.max(axis=(1, 3)) + 1) / (blocks.min(axis=(1, 3)) + 1))),
        "clipped high": np.mean((pixels == 255).any(axis=2)),
        "clipped low": np.mean((pixels == 0).all(axis=2)),
    }


def immerkaer(pixels) -> float:
    kernel = np.outer([1, -2, 1], [1, -2, 1])
    response = ndimage.convolve(grey(pixels), kernel)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(response).mean())


def hue_shift(low, enhanced) -> float:
    from skimage.color import rgb2lab

    labs = [rgb2lab(pixels / 255.0) for pixels in (low, enhanced)]
    chroma = [np.hypot(lab[..., 1], lab[..., 2]) for lab in labs]
    turn = np.subtract(*[np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) for lab in labs])
    turn = np.abs((turn + 180) % 360 - 180)
    weight = np.sqrt(chroma[0] * chroma[1]) * (chroma[0] >= 5) * (chroma[1] >= 5)
    return float((weight * turn).sum() / weight.sum())


def segmentation() -> dict[str, float]:
    """Labels and predictions of 7 classes, 5 and 6 of which labels lack; 255 is ignored."""
    index = np.arange(5000)
    labels = (scene.hash32(index, 1, 9) % 5).astype(int)
    predictions = np.where(scene.hash32(index, 2, 9) % 3 == 0, scene.hash32(index, 3, 9) % 6, labels)
    labels[scene.hash32(index, 4, 9) % 11 == 0] = 255
    keep = labels != 255
    matrix = np.bincount(7 * labels[keep] + predictions[keep], minlength=49).reshape(7, 7)
    diagonal, rows, columns = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    with np.errstate(all="ignore"):
        iou, accuracy = diagonal / (rows + columns - diagonal), diagonal / rows
    share = rows / rows.sum()
    return {
        "mean iou": np.nanmean(iou),
        "pixel accuracy": diagonal.sum() / matrix.sum(),
        "mean class accuracy": np.nanmean(accuracy),
        "frequency-weighted iou": np.sum(share[share > 0] * iou[share > 0]),
    }


def libraries() -> None:
    # pyiqa imports it to fetch weights, which are passed in here.
    sys.modules.setdefault("huggingface_hub", MagicMock())
    import cv2
    import torch
    from brisque import BRISQUE
    from pyiqa.archs import niqe_arch
    from skimage.restoration import estimate_sigma

    version = importlib.metadata.version
    package = BRISQUE(url=False)
    # Its function of the same name hides the module.
    piq_brisque = importlib.import_module("piq.brisque")
    piq_brisque._score_svr = lambda features: features.sum()
    kept = []
    piq_brisque._scale_features = lambda features: kept.append(features) or features
    for name, pixels in {**CASES, "odd": ODD}.items():
        own = brisque_features(pixels)
        plane = pixels.astype(np.float64) / 255 @ [0.2125, 0.7154, 0.0721]
        half = cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_CUBIC)
        scales = [package.calculate_brisque_features(part, kernel_size=7, sigma=7 / 6) for part in (plane, half)]
        theirs = np.array([float(np.ravel(value)[0]) for value in np.concatenate(scales)])
        image = torch.tensor(pixels).permute(2, 0, 1)[None].double()
        kept.clear()
        piq_brisque.brisque(image, data_range=255)
        far = kept[0].numpy().ravel()
        gaps = [np.abs(own - other) for other in (theirs, far)]
        print(f"brisque {name}: largest difference of a feature to brisque {version('brisque')} {gaps[0].max():.3g},",
              f"to piq {version('piq')} {gaps[1].max():.3g} (not of a shape: {np.delete(gaps[1], SHAPE_FEATURES).max():.3g});",
              f"score of the package's model {package.calculate_image_quality_score(theirs):.12g}")
        sigma = estimate_sigma(pixels.astype(np.float64), average_sigmas=True, channel_axis=-1)
        print(f"wavelet noise {name}: scikit-image {version('scikit-image')}", repr(float(sigma)))
    if len(sys.argv) > 1:
        stored = np.load(sys.argv[1])
        model = stored["mu_pris_param"], stored["cov_pris_param"]
        parts = dict(zip(("mu_pris_param", "cov_pris_param"), map(torch.tensor, model)))
        for name, pixels in CASES.items():
            image = torch.tensor(pixels).permute(2, 0, 1)[None].double() / 255
            theirs = [float(niqe_arch.calculate_niqe(image, color_space=space, **parts)) for space in ("ycbcr", "yiq")]
            print(f"niqe {name}: {niqe(pixels, *model)!r}, with float32 halving {niqe(pixels, *model, np.float32):.12g},",
                  f"pyiqa {version('pyiqa')} ycbcr {theirs[0]:.12g}, yiq {theirs[1]:.12g}")



def main() -> None:
    for package in ("numpy", "scipy", "scikit-image", "PyWavelets"):
        print(package, importlib.metadata.version(package))
    for name, pixels in CASES.items():
        print(f"niqe of the made-up model, {name}:", repr(niqe(pixels, *made_up_model())))
    kept = []
    for seed in range(3, 19):
        features, sharpness = niqe_blocks(scene.reference(384, 384, seed))
        kept.append(features[sharpness > 0.75 * sharpness.max()])
    fitted = np.concatenate(kept)
    covariance = np.cov(fitted, rowvar=False)
    print("niqe fit:", len(fitted), [float(v) for v in (fitted.mean(axis=0)[0], fitted.mean(axis=0)[35], covariance[0, 0], covariance[3, 20])])
    text, ranges, score = tiny_machine()
    folder = Path(__file__).parents[2] / "crates/tapetum-metrics/tests/data"
    folder.mkdir(exist_ok=True)
    (folder / "brisque_made_up.txt").write_text(text)
    (folder / "brisque_made_up.pickle").write_bytes(ranges)
    for name, pixels in {"enhanced": CASES["enhanced"], "odd": ODD}.items():
        features = brisque_features(pixels)
        print(f"brisque {name}:", score(features), [float(v) for v in features])
    print("loe:", loe(CASES["enhanced"], CASES["low"]), "local max:", loe_local_max(CASES["enhanced"], CASES["low"]),
          "full:", disorder(CASES["enhanced"][:60, :70].max(axis=2), CASES["low"][:60, :70].max(axis=2)))
    for name, pixels in CASES.items():
        print(f"statistics {name}:", {key: float(value) for key, value in statistics(pixels).items()})
        print(f"immerkaer {name}:", immerkaer(pixels))
    print("hue shift:", hue_shift(CASES["low"], CASES["enhanced"]))
    print("segmentation:", {key: float(value) for key, value in segmentation().items()})
    libraries()


if __name__ == "__main__":
    main()
