"""Measures what becomes of large photographs with LACR-VAE: as one, with the grid of regions as large as always or growing
with the photograph, and in tiles that are mixed by linear ramps.

    pip install numpy pillow safetensors
    python tools/measure_grid.py --tapetum target/release/tapetum --weights models/lacr-vae.safetensors PAIRS

PAIRS is a folder with low/ and high/; the photographs are enlarged to about two megapixels with a bicubic filter first, so
what is measured is exposure and colour, not fine detail. For each way: PSNR against the references, PSNR against the
whole photograph on the grid as it always is, and by how much the mean over a column changes, against that whole, across
the overlap in the middle, in 8-bit levels, beside the median of such changes.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

N_PIXELS = 2_000_000
# Pixels that two tiles share.
OVERLAP = 128
# Tiles along each axis.
N_TILES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--tapetum", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--n", type=int, default=6, help="pairs, the first by name")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options, Path(folder))


def measure(options: argparse.Namespace, folder: Path) -> None:
    weights = {mode: with_positions(options.weights, mode, folder) for mode in ("fixed", "interpolated")}
    scores: dict[str, list] = {}
    for path in sorted((options.pairs / "low").iterdir())[: options.n]:
        low, high = (enlarged(options.pairs / part / path.name) for part in ("low", "high"))
        whole = {mode: enhanced(options, weights[mode], low, folder) for mode in weights}
        tiled = mixed_tiles(low, lambda tile: enhanced(options, weights["fixed"], tile, folder))
        base = whole["fixed"]
        for name, result in (*((f"whole, {mode} grid", whole[mode]) for mode in whole), ("tiles", tiled)):
            scores.setdefault(name, []).append((psnr(result, high), psnr(result, base), *steps(result - base)))
    print("| way | PSNR to reference, dB | to the whole, dB | step at seams | elsewhere |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, values in scores.items():
        reference, base, seam, elsewhere = np.mean(values, axis=0)
        print(f"| {name} | {reference:.2f} | {base:.1f} | {seam:.2f} | {elsewhere:.2f} |")


def with_positions(weights: Path, mode: str, folder: Path) -> Path:
    """The same weights whose header says how the grid follows the size."""
    path = folder / f"{mode}.safetensors"
    with safe_open(weights, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        save_file(tensors, path, metadata={**file.metadata(), "positions": mode})
    return path


def enlarged(path: Path) -> np.ndarray:
    image = Image.open(path).convert("RGB")
    factor = (N_PIXELS / (image.width * image.height)) ** 0.5
    size = (round(image.width * factor), round(image.height * factor))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def enhanced(options: argparse.Namespace, weights: Path, image: np.ndarray, folder: Path) -> np.ndarray:
    source, result = folder / "in.png", folder / "out.png"
    Image.fromarray(image).save(source)
    command = [options.tapetum, "enhance", source, "-w", weights, "--strength", "1", "--memory", "16G"]
    subprocess.run([*command, "--overwrite", "-q", "-o", result], check=True)
    return np.asarray(Image.open(result).convert("RGB"), dtype=np.float64)


def mixed_tiles(image: np.ndarray, enhance) -> np.ndarray:
    height, width, _ = image.shape
    total, weight = np.zeros(image.shape), np.zeros((height, width, 1))
    for top, bottom in pieces(height):
        for left, right in pieces(width):
            ramp = ramps(top, bottom, height)[:, None] * ramps(left, right, width)[None, :]
            total[top:bottom, left:right] += enhance(image[top:bottom, left:right]) * ramp[..., None]
            weight[top:bottom, left:right] += ramp[..., None]
    return total / weight


def pieces(side: int) -> list[tuple[int, int]]:
    cuts = [round(side * idx / N_TILES) for idx in range(N_TILES + 1)]
    half = OVERLAP // 2
    return [(max(a - half, 0), min(b + half, side)) for a, b in zip(cuts, cuts[1:])]


def ramps(start: int, end: int, side: int) -> np.ndarray:
    place = np.arange(start, end) + 0.5
    rising = np.clip((place - start) / OVERLAP, 0, 1) if start > 0 else np.ones(end - start)
    falling = np.clip((end - place) / OVERLAP, 0, 1) if end < side else np.ones(end - start)
    return np.minimum(rising, falling)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    squares = np.mean((a - b) ** 2)
    return 10 * np.log10(255**2 / squares) if squares else np.inf


def steps(difference: np.ndarray) -> tuple[float, float]:
    """Mean difference of the results' change across the overlaps, and across as many pixels elsewhere."""
    width = difference.shape[1]
    columns = difference.mean(axis=(0, 2))
    jump = np.abs(columns[OVERLAP:] - columns[:-OVERLAP])
    seam = width // 2 - OVERLAP // 2
    return float(jump[seam]), float(np.median(jump))


if __name__ == "__main__":
    main()
