"""Mixes the weights of two trainings that began from the same ones, tensor by tensor, into a file for `tapetum`.

    pip install numpy safetensors && python tools/mix_weights.py SHARE FIRST.safetensors SECOND.safetensors OUT.safetensors

SHARE is that of the first, 0 to 1. The header is that of the first, with a line that says how much of which was mixed in.
"""

import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file


def read(path):
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}, dict(file.metadata())


def main():
    share, first, second, out = float(sys.argv[1]), *sys.argv[2:]
    (tensors, header), (others, other_header) = read(first), read(second)
    if tensors.keys() != others.keys() or not 0 <= share <= 1:
        raise SystemExit("expected a share of 0 to 1 and two files of the same network")
    mixed = {name: (share * tensors[name] + (1 - share) * others[name]).astype(np.float32) for name in tensors}
    header.pop("content_sha256", None)
    header |= {"mixed_share": str(share), "mixed_with_recipe": other_header["recipe"]}
    save_file(mixed, out, metadata=dict(sorted(header.items())))


if __name__ == "__main__":
    main()
