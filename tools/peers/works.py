"""The inputs and weights of each work of `tapetum bench`, and what peers have to do with them.

Images are [batch, channels, height, width] here; outputs are compared in the order of Tapetum's memory,
[batch, height, width, channels].
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import synthetic

BATCH = 8
TARGET = 0.6
LEARNING_RATE = 1e-5
WEIGHT_SCALE = 0.1


@dataclass
class Task:
    """A work, as a peer is to do it."""

    work: str
    width: int
    height: int
    precision: str
    n_threads: int
    weights: Path

    def channels(self, count: int, salt: int = 0) -> np.ndarray:
        """A made-up image, [1, height, width, count]."""
        return synthetic.values((1, self.height, self.width, count), salt, 1.0)

    def input(self) -> np.ndarray:
        """What the work starts from, batch and channels first; pixels first for layer-norm."""
        if self.work in ("scl-lle", "semi-llie", "lacr-vae", "collaba-s-x2"):
            return channels_first(synthetic.image(self.width, self.height)[None])
        if self.work == "scl-lle-train":
            picture = synthetic.image(self.width, BATCH * self.height)
            return channels_first(picture.reshape(BATCH, self.height, self.width, 3))
        if self.work == "layer-norm":
            return self.channels(64).reshape(-1, 64)
        return channels_first(self.channels(64))

    def network(self) -> dict[str, np.ndarray]:
        return synthetic.weights(self.weights)

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights and biases of the work's convolutions, or of its normalisation."""
        if self.work == "conv3x3":
            return [parameters((64, 64, 3, 3), 2 * layer) for layer in range(1, 9)]
        shape = {"conv1x1": (256, 64, 1, 1), "depthwise3x3": (64, 1, 3, 3)}.get(self.work)
        if shape:
            return [parameters(shape, 1)]
        if self.work == "layer-norm":
            return [(synthetic.values((64,), 1, 1.0), synthetic.values((64,), 2, 1.0))]
        return []

    def scan(self) -> dict[str, np.ndarray]:
        """Sequences, [length, channels or states], and parameters of the selective scan."""
        sequence = lambda count, salt: self.channels(count, salt).reshape(-1, count)
        return {
            "x": sequence(128, 0),
            "step": sequence(128, 1),
            "step_bias": synthetic.values((128,), 2, 1.0) - np.float32(4),
            "decay": np.tile(-np.arange(1, 17, dtype=np.float32), (128, 1)),
            "input": sequence(16, 3),
            "output": sequence(16, 4),
            "skip": synthetic.values((128,), 5, 1.0),
        }


def parameters(shape: tuple[int, ...], salt: int) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a convolution."""
    bias = synthetic.values(shape[:1], salt + 1, WEIGHT_SCALE)
    return synthetic.values(shape, salt, WEIGHT_SCALE), bias


def channels_first(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.transpose(0, 3, 1, 2))


def channels_last(image: np.ndarray) -> np.ndarray:
    """In the order of Tapetum's memory; what has no channels axis stays."""
    image = np.asarray(image, dtype=np.float32)
    return np.ascontiguousarray(image.transpose(0, 2, 3, 1) if image.ndim == 4 else image)
