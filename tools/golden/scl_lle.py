"""Writes crates/tapetum-methods/tests/data/scl_lle.safetensors: what SCL-LLE's network gives for
weights and an input that are formulas, computed here in float64 with NumPy alone.

    pip install numpy safetensors && python tools/golden/scl_lle.py
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

LAYERS = [(32, 3), (32, 32), (32, 32), (32, 32), (32, 64), (32, 64), (24, 64)]


def filled(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The deterministic fill: sin(0.1 (i + 1) + 0.01 H) with H the sum of the bytes of the name."""
    seed = sum(name.encode())
    index = np.arange(np.prod(shape), dtype=np.float64)
    wave = np.sin(0.1 * (index + 1) + 0.01 * seed).reshape(shape)
    if len(shape) == 1:
        return 0.05 * wave
    return wave / np.sqrt(np.prod(shape[1:]))


def convolve(image: np.ndarray, layer: int) -> np.ndarray:
    """3x3 correlation with zero padding; image [in, height, width]."""
    n_out, n_in = LAYERS[layer]
    weight = filled(f"e_conv{layer + 1}.weight", (n_out, n_in, 3, 3))
    bias = filled(f"e_conv{layer + 1}.bias", (n_out,))
    _, height, width = image.shape
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    result = np.tile(bias[:, None, None], (1, height, width))
    for y in range(3):
        for x in range(3):
            window = padded[:, y : y + height, x : x + width]
            result += np.einsum("oi,ihw->ohw", weight[:, :, y, x], window)
    return result


def enhance(low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    relu = lambda value: np.maximum(value, 0)
    join = lambda a, b: np.concatenate([a, b])
    x1 = relu(convolve(low, 0))
    x2 = relu(convolve(x1, 1))
    x3 = relu(convolve(x2, 2))
    x4 = relu(convolve(x3, 3))
    x5 = relu(convolve(join(x3, x4), 4))
    x6 = relu(convolve(join(x2, x5), 5))
    curve_maps = np.tanh(convolve(join(x1, x6), 6))
    value = low
    for rate in curve_maps.reshape(8, 3, *low.shape[1:]):
        value = value + rate * (value * value - value)
    return curve_maps, value


def main() -> None:
    c, i, j = np.meshgrid(np.arange(3), np.arange(11), np.arange(14), indexing="ij")
    low = 0.25 + 0.2 * np.sin(0.3 * (i + 1) + 0.2 * (j + 1) + 0.5 * c)
    curve_maps, enhanced = enhance(low)
    folder = Path(__file__).parents[2] / "crates/tapetum-methods/tests/data"
    tensors = {"low": low, "curve_maps": curve_maps, "enhanced": enhanced}
    save_file({k: v.astype(np.float32)[None] for k, v in tensors.items()}, folder / "scl_lle.safetensors")
    print(curve_maps.mean(), curve_maps.std(), enhanced.mean(), enhanced.std())


if __name__ == "__main__":
    main()
