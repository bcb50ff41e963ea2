"""The inputs and weights that `tapetum bench` makes up, by the same formulas in whole numbers
(crates/tapetum/src/bench/synthetic.rs), and its weight files."""

import json
from pathlib import Path

import numpy as np


def values(shape: tuple[int, ...], salt: int, scale: float) -> np.ndarray:
    """Values in -scale..scale that look random, in the order of memory."""
    bits = mixed(np.arange(np.prod(shape), dtype=np.uint32), salt)
    unit = (bits >> np.uint32(8)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)
    return (unit * np.float32(scale)).reshape(shape)


def image(width: int, height: int) -> np.ndarray:
    """A dark picture, [height, width, 3], 0..1."""
    y, x, channel = np.ogrid[:height, :width, :3]
    noise = mixed((3 * (y * width + x) + channel).astype(np.uint32), 0) >> np.uint32(28)
    levels = (x // 4 + y // 3 + 16 * channel) % 64 + noise
    return levels.astype(np.float32) / np.float32(255)


def mixed(idx: np.ndarray, salt: int) -> np.ndarray:
    """32 bits for each index that look random."""
    salted = np.uint32(salt * 0x85EBCA77 & 0xFFFFFFFF)
    bits = idx * np.uint32(0x9E3779B1) ^ salted
    bits = (bits ^ bits >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    bits = (bits ^ bits >> np.uint32(12)) * np.uint32(0x297A2D39)
    return bits ^ bits >> np.uint32(15)


# How a safetensors file names them, and NumPy.
DTYPES = {"F32": "<f4", "F16": "<f2"}


def weights(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file of 32-bit or 16-bit floats, as 32-bit ones. Denormals become 0: on them, a program that
    does not flush them is slower by orders of magnitude and no better."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"{path}: expected {name} in {' or '.join(DTYPES)}, got {entry['dtype']}")
        first, end = (start + offset for offset in entry["data_offsets"])
        tensor = np.frombuffer(data[first:end], dtype=DTYPES[entry["dtype"]]).astype(np.float32)
        tensor = tensor.reshape(entry["shape"])
        tensor[np.abs(tensor) < np.finfo(np.float32).tiny] = 0
        tensors[name] = tensor
    return tensors
