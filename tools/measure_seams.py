"""Measures what approximate tiles do to photographs: each is enhanced whole and in tiles, and the two are compared.

    pip install numpy pillow
    python tools/measure_seams.py --tapetum target/release/tapetum --memory 300M PHOTO...

For each photograph: the number of tiles, PSNR between the two results, the largest difference in 8-bit levels, and the
seam energy: the mean squared step of the difference between neighbouring pixels, in squared 8-bit levels, with the
largest step of one pixel beside it. A hard seam would show as a step; tiles that are mixed should have none beyond
rounding, whose own energy is about 0.17. Whole images need `--whole-memory`.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("photographs", nargs="+", type=Path)
    parser.add_argument("--tapetum", type=Path, required=True)
    parser.add_argument("--method", default="semi-llie")
    parser.add_argument("--memory", default="300M", help="for the tiles")
    parser.add_argument("--whole-memory", default="16G")
    options = parser.parse_args()
    print("| photograph | tiles | PSNR, dB | largest difference | seam energy | largest step |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for path in options.photographs:
        whole, _ = enhance(options, path, ["--tiles", "whole", "--memory", options.whole_memory])
        tiled, n_tiles = enhance(options, path, ["--memory", options.memory])
        print(row(path.name, n_tiles, whole, tiled), flush=True)


def enhance(options: argparse.Namespace, path: Path, rest: list[str]) -> tuple[np.ndarray, int]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.png"
        command = [options.tapetum, "enhance", path, "-m", options.method, "--strength", "1", "--json"]
        report = subprocess.run([*command, "-o", output, *rest], capture_output=True, text=True, check=True)
        n_tiles = json.loads(report.stdout)["files"][0]["n_tiles"]
        return np.asarray(Image.open(output).convert("RGB"), dtype=np.float64), n_tiles


def row(name: str, n_tiles: int, whole: np.ndarray, tiled: np.ndarray) -> str:
    difference = tiled - whole
    steps = [np.diff(difference, axis=axis) for axis in (0, 1)]
    energy = np.mean([np.mean(step**2) for step in steps])
    largest = max(np.abs(step).max() for step in steps)
    squares = np.mean(difference**2)
    psnr = 10 * np.log10(255**2 / squares) if squares else np.inf
    return f"| {name} | {n_tiles} | {psnr:.1f} | {np.abs(difference).max():.0f} | {energy:.2f} | {largest:.0f} |"


if __name__ == "__main__":
    main()
