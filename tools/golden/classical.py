"""What other implementations of the classical methods give, for crates/tapetum-methods/tests/it/classical.rs.

    pip install numpy scipy opencv-python-headless && python tools/golden/classical.py

prints the sums over OpenCV's results that the test holds as literals and the waves of `surround.rs`, and
writes `crates/tapetum-methods/tests/data/classical.safetensors`: LIME with a direct solver and MSRCR with
plain Gaussians, both transcribed from the papers in double precision.
"""

import json
import struct
from pathlib import Path

import cv2
import numpy as np
import scipy
import scipy.signal
from scipy.optimize import least_squares
from scipy.sparse import coo_matrix, diags, identity
from scipy.sparse.linalg import spsolve

SIZES = [(64, 48), (61, 47), (64, 45), (200, 160), (203, 161), (5, 3), (1, 1)]
WIDTH, HEIGHT = 67, 45


def picture(width: int, height: int) -> np.ndarray:
    """The picture of the test, 8 bits, `[height, width, 3]`: dark, with edges, slopes and noise."""
    y, x, channel = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    slope = (x * x * (channel + 3) + 5 * y * y) // 160 % 90
    patches = 37 * ((x // 9 + y // 7) % 3)
    noise = (x * 7919 + y * 104729 + channel * 31) % 11
    return ((slope + patches + noise) * 2 // 3).astype(np.uint8)


def checksum(values: np.ndarray) -> int:
    flat = values.reshape(-1).astype(np.int64)
    return int((flat * (np.arange(1, flat.size + 1) % 1009)).sum())


def gaussian(distance: np.ndarray, deviation: float) -> np.ndarray:
    return np.exp(-0.5 * (distance / deviation) ** 2)


def msrcr(low: np.ndarray) -> np.ndarray:
    """Retinex with colour restoration before its range is stretched."""
    height, width, _ = low.shape

    def weights(length: int, deviation: float) -> np.ndarray:
        places = np.arange(length)
        weights = gaussian(places[:, None] - places[None, :], deviation)
        return weights / weights.sum(axis=1, keepdims=True)

    levels = 1 + 255 * low
    retinex = np.zeros_like(low)
    for deviation in (15, 80, 250):
        rows, columns = weights(height, deviation), weights(width, deviation)
        surround = np.einsum("ab,bcd,ec->aed", rows, levels, columns)
        retinex += (np.log(levels) - np.log(surround)) / 3
    return np.log(125 * levels / levels.sum(axis=2, keepdims=True)) * retinex


def stretched(values: np.ndarray) -> np.ndarray:
    flat = np.sort(values.reshape(-1))
    n_cut = flat.size // 100
    darkest, brightest = flat[n_cut], flat[flat.size - 1 - n_cut]
    return np.clip((values - darkest) / (brightest - darkest), 0, 1)


def lime_map(low: np.ndarray) -> np.ndarray:
    first = low.max(axis=2)
    height, width = first.shape
    n_pixels = first.size
    index = np.arange(n_pixels).reshape(height, width)
    taps = gaussian(np.arange(-6, 7), 2.0)
    window = np.outer(taps, taps) / taps.sum() ** 2
    system = identity(n_pixels, format="csr")
    for here, ahead in (
        ((slice(None), slice(0, -1)), (slice(None), slice(1, None))),
        ((slice(0, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        gradient = np.zeros_like(first)
        gradient[here] = first[ahead] - first[here]
        total = scipy.signal.convolve2d(gradient, window, mode="same")
        area = scipy.signal.convolve2d(np.ones_like(first), window, mode="same")
        weight = 0.15 * area / (np.abs(total) + 1e-3) / (np.abs(gradient) + 1e-3)
        edges = index[here].size
        rows = np.arange(edges)
        difference = coo_matrix(
            (
                np.concatenate([np.ones(edges), -np.ones(edges)]),
                (np.concatenate([rows, rows]), np.concatenate([index[ahead].ravel(), index[here].ravel()])),
            ),
            shape=(edges, n_pixels),
        ).tocsr()
        system = system + difference.T @ diags(weight[here].ravel()) @ difference
    return spsolve(system.tocsc(), first.ravel()).reshape(height, width)


def waves() -> None:
    """Half a Gaussian as a sum of three damped waves, for surround.rs."""
    x = np.linspace(0, 8, 4001)
    target = gaussian(x, 1.0)

    def basis(shape: np.ndarray) -> np.ndarray:
        parts = [np.exp(-a * x) * wave(b * x) for a, b in shape.reshape(-1, 2) for wave in (np.cos, np.sin)]
        return np.stack(parts, axis=1)

    def misfit(shape: np.ndarray) -> np.ndarray:
        columns = basis(shape)
        return columns @ np.linalg.lstsq(columns, target, rcond=None)[0] - target

    start = [1.9, 0.5, 1.85, 1.6, 1.7, 2.8]
    fit = least_squares(misfit, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    shares = np.linalg.lstsq(basis(fit.x), target, rcond=None)[0]
    error = np.abs(fit.fun)
    print("damping, frequency:", fit.x.reshape(-1, 2).tolist(), "cosine, sine:", shares.reshape(-1, 2).tolist())
    print("error at most", error.max(), "share of the area", error.sum() / target.sum())


def save(path: Path, tensors: dict[str, np.ndarray]) -> None:
    header, offset = {}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [offset, offset + 4 * values.size]}
        offset += 4 * values.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(values.astype("<f4").tobytes() for values in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    print("OpenCV", cv2.__version__, "NumPy", np.__version__, "SciPy", scipy.__version__)
    for width, height in SIZES:
        plane = np.ascontiguousarray(picture(width, height)[..., 0])
        equalized = cv2.equalizeHist(plane)
        limited = cv2.createCLAHE(2.0, (8, 8)).apply(plane)
        print(f"(({width}, {height}), {checksum(equalized)}, {checksum(limited)}),")
    low = picture(WIDTH, HEIGHT) / 255
    light = lime_map(low)
    retinex = msrcr(low)
    folder = Path(__file__).parents[2] / "crates/tapetum-methods/tests/data"
    save(
        folder / "classical.safetensors",
        {
            "lime.enhanced": np.clip(low / (light**0.8 + 1e-3)[..., None], 0, 1),
            "lime.illumination": light,
            "msrcr.enhanced": stretched(retinex),
            "msrcr.retinex": retinex,
        },
    )
    waves()
