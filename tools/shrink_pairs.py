"""Makes pairs for a network that enlarges from pairs of one size: dark photographs SCALE times smaller than their
references, in the folders of RELLISUR (`Train/LLLR` and `Train/NLHR/XSCALE`).

Both are squashed to squares, references to SIDE pixels, dark photographs to SIDE / SCALE, with PIL's antialiased
Lanczos filter. So shadows keep the colours and the blotches of real cameras, and lose some of their finest noise.

    pip install pillow && python tools/shrink_pairs.py --scale 2 --side 104 OUT PAIRS [PAIRS...]

PAIRS are folders with `low` and `high`; `NAME_3` in `low` goes with `NAME` in `high` where there is no other.
"""

import argparse
from pathlib import Path

from PIL import Image

ENDINGS = {".png", ".jpg", ".jpeg"}


def partner(low, references):
    for name in (low.stem, low.stem.rpartition("_")[0]):
        if name in references:
            return references[name]
    raise SystemExit(f"{low}: no reference")


def squash(source, target, side):
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.open(source).convert("RGB").resize((side, side), Image.Resampling.LANCZOS).save(target)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=int, choices=(2, 4), required=True)
    parser.add_argument("--side", type=int, required=True)
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="NAME")
    parser.add_argument("out", type=Path)
    parser.add_argument("pairs", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.side % arguments.scale:
        raise SystemExit(f"expected a side that {arguments.scale} divides, got {arguments.side}")
    train, n_pairs = arguments.out / "Train", 0
    for folder in arguments.pairs:
        references = {path.stem: path for path in sorted((folder / "high").iterdir()) if path.suffix in ENDINGS}
        lows = [path for path in sorted((folder / "low").iterdir()) if path.suffix in ENDINGS]
        for low in (path for path in lows if path.stem not in arguments.leave_out):
            name = f"{folder.name}-{low.stem}.png"
            squash(low, train / "LLLR" / name, arguments.side // arguments.scale)
            squash(partner(low, references), train / "NLHR" / f"X{arguments.scale}" / name, arguments.side)
            n_pairs += 1
    print(f"{arguments.out}: {n_pairs} pairs")


if __name__ == "__main__":
    main()
