"""Pictures that crates/tapetum-metrics/tests/it/scene.rs makes too, bit for bit: integers all the way.

    pip install numpy && python tools/golden/scene.py        prints the sums that the test compares
"""

import numpy as np


def hash32(*words) -> np.ndarray:
    """32 bits that look random, element by element."""
    words = np.broadcast_arrays(*[np.asarray(word, dtype=np.uint64) for word in words])
    state = np.full(words[0].shape, 0x9E3779B9, dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    for word in words:
        mixed = ((state ^ word) * np.uint64(0x85EBCA6B)) & mask
        mixed = ((mixed ^ (mixed >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & mask
        state = mixed ^ (mixed >> np.uint64(16))
    return state.astype(np.int64)


def value_noise(x, y, cell: int, seed: int) -> np.ndarray:
    """Random values at the corners of cells of `cell` pixels, linear in between; 0..255."""
    column, row, right, down = x // cell, y // cell, x % cell, y % cell

    def corner(dx, dy):
        return hash32(column + dx, row + dy, seed) % 256

    upper = corner(0, 0) * (cell - right) + corner(1, 0) * right
    lower = corner(0, 1) * (cell - right) + corner(1, 1) * right
    return (upper * (cell - down) + lower * down) // (cell * cell)


def fractal(x, y, seed: int) -> np.ndarray:
    """Six octaves of noise, 0..255."""
    octaves = [value_noise(x, y, 64 >> o, seed * 8 + o) * (32 >> o) for o in range(6)]
    return sum(octaves) // 63


def in_box(x, y, width: int, height: int, seed: int) -> np.ndarray:
    left = int(hash32(seed, 1, 5)) % width
    top = int(hash32(seed, 2, 5)) % height
    columns = 4 + int(hash32(seed, 3, 5)) % (width // 4 + 1)
    rows = 4 + int(hash32(seed, 4, 5)) % (height // 4 + 1)
    return (x >= left) & (x < left + columns) & (y >= top) & (y < top + rows)


def reference(width: int, height: int, seed: int) -> np.ndarray:
    """8-bit RGB [height, width, 3] with content at all scales and a few hard edges."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    shared = fractal(x, y, seed)
    boxed = np.any([in_box(x, y, width, height, seed + idx) for idx in range(6)], axis=0)
    channels = [(3 * shared + fractal(x, y, seed + 100 + channel)) // 4 for channel in range(3)]
    value = np.stack(channels, axis=-1)
    return np.where(boxed[..., None], (value + 255) // 2, value).astype(np.uint8)


def enhanced(width: int, height: int, seed: int) -> np.ndarray:
    """The same scene with less contrast, an offset and noise: what a method might give."""
    pixels = reference(width, height, seed).astype(np.int64)
    noise = hash32(np.arange(pixels.size), seed, 77).reshape(pixels.shape) % 25
    return np.minimum(pixels * 9 // 10 + noise, 255).astype(np.uint8)


def low(width: int, height: int, seed: int) -> np.ndarray:
    """The same scene in the dark."""
    pixels = reference(width, height, seed).astype(np.int64)
    noise = hash32(np.arange(pixels.size), seed, 78).reshape(pixels.shape) % 4
    return (pixels * pixels // 1300 + noise).astype(np.uint8)


def checksum(pixels: np.ndarray) -> int:
    values = pixels.reshape(-1).astype(np.int64)
    return int((values * (np.arange(1, values.size + 1) % 1009)).sum())


if __name__ == "__main__":
    print([checksum(make(120, 90, 3)) for make in (reference, enhanced, low)])
