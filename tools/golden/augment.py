"""Golden values of changes to training images, with torchvision and Pillow.

    pip install numpy pillow torch torchvision && python tools/golden/augment.py

Writes crates/tapetum-train/tests/data/augment.json, which the unit tests below
crates/tapetum-train/src/augment read, and prints the numbers of the tests of
crates/tapetum-image/src/resize.rs and crates/tapetum-train/src/augment/resizing.rs.
"""

import json
import pathlib

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from torchvision.transforms import functional

OUT = pathlib.Path(__file__).parents[2] / "crates/tapetum-train/tests/data/augment.json"
FILTERS = {
    "Bilinear": Image.Resampling.BILINEAR,
    "Bicubic": Image.Resampling.BICUBIC,
    "Lanczos": Image.Resampling.LANCZOS,
}


def picture(width: int, height: int) -> torch.Tensor:
    """[3, height, width], the picture of src/augment/golden.rs."""
    channel, y, x = np.mgrid[:3, :height, :width]
    value = (x * x * 13 + y * 57 + x * y * 7 + channel * (31 + 11 * y + 5 * x)) % 256
    return torch.from_numpy(value.astype(np.float32) / np.float32(255))


def jitter_in_order(image: torch.Tensor) -> torch.Tensor:
    image = functional.adjust_hue(image, 0.1)
    image = functional.adjust_contrast(image, 1.3)
    image = functional.adjust_brightness(image, 0.8)
    return functional.adjust_saturation(image, 1.2)


def colour_cases(image: torch.Tensor) -> dict[str, torch.Tensor]:
    cases = {"grey": functional.rgb_to_grayscale(image, num_output_channels=3)}
    for name, factors in [("brightness", [1.4, 0.3]), ("contrast", [1.5, 0.5]),
                          ("saturation", [1.5, 0.5]), ("hue", [0.25, -0.1, 0.5])]:
        adjust = getattr(functional, f"adjust_{name}")
        cases |= {f"{name} {factor}": adjust(image, factor) for factor in factors}
    for side, sigma in [(3, 0.7), (5, 2), (7, 1.3), (5, 0.1)]:
        cases[f"blur {side}, {sigma}"] = functional.gaussian_blur(image, side, [sigma, sigma])
    cases["hue 0.1, contrast 1.3, brightness 0.8, saturation 1.2"] = jitter_in_order(image)
    return cases


def write_colours() -> None:
    lines = []
    for name, result in colour_cases(picture(7, 6)).items():
        values = result.permute(1, 2, 0).reshape(-1).tolist()
        numbers = ", ".join(f"{value:.8g}" for value in values)
        lines.append(f"  {json.dumps(name)}: [{numbers}]")
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def hills(width: int, height: int) -> np.ndarray:
    """8-bit [height, width, 3], the picture of the tests of resize.rs: slopes with an edge."""
    y, x, channel = np.mgrid[:height, :width, :3]
    slope = (x * 9 + y * (5 + 2 * channel)) % 120
    return (slope + 40 + 60 * ((x + y) % 7 < 3)).astype(np.uint8)


def resized_floats(pixels: np.ndarray, size: tuple[int, int], how) -> np.ndarray:
    planes = [Image.fromarray(pixels[..., c].astype(np.float32) / np.float32(255), mode="F")
              for c in range(3)]
    stacked = np.stack([np.asarray(plane.resize(size, how)) for plane in planes], axis=-1)
    return stacked.clip(0, 1)


def print_resized() -> None:
    """The cases of the test: four pixels as floats, their weighted sum, and the pixels of bytes."""
    pixels = hills(23, 17)
    for name, how in FILTERS.items():
        for size in [(5, 4), (40, 33)]:
            floats = resized_floats(pixels, size, how)
            bytes_ = np.asarray(Image.fromarray(pixels).resize(size, how))
            places = [(0, 0), (size[0] - 1, 0), (2, 3), (size[0] - 1, size[1] - 1)]
            numbers = [f"{value:.6f}" for x, y in places for value in floats[y, x]]
            levels = [str(value) for x, y in places for value in bytes_[y, x]]
            print(f"(Filter::{name}, {size}, {weighted(floats):.6f}_f64,")
            print(f"[{', '.join(numbers)}],\n[{', '.join(levels)}]),")
            apart = np.abs(floats - bytes_ / 255).max() * 255
            print(f"// Pillow's bytes and floats are up to {apart:.3f} levels apart.")


def weighted(values: np.ndarray) -> float:
    flat = values.astype(np.float64).reshape(-1)
    return float((flat * (np.arange(flat.size) % 101 + 1)).sum() / flat.size)


def print_labels() -> None:
    labels = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6))
    for side in (3, 5):
        print(side, np.asarray(labels.resize((side, side), Image.Resampling.NEAREST)).ravel().tolist())


if __name__ == "__main__":
    print(f"torchvision {torchvision.__version__}, Pillow {PIL.__version__}")
    write_colours()
    print_resized()
    print_labels()
