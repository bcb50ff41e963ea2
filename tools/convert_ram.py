"""Writes those weights of the Recognize Anything Model that recognise tags as safetensors under the same names,
for `tapetum_methods::tagging`: 0.9 GB of the 5.6 GB of ram_swin_large_14m.pth.

    pip install torch numpy safetensors
    python tools/convert_ram.py .../ram_swin_large_14m.pth ram_swin_large_14m.safetensors
"""

import sys

import torch
from safetensors.torch import save_file

# Of the image encoder, the projection of its tokens and the tag head.
PREFIXES = ("visual_encoder.", "image_proj.", "wordvec_proj.", "tagging_head.encoder.", "fc.")
# What follows from the configuration, or is of BERT and not used.
UNUSED = (".relative_position_index", ".attn_mask", ".attention.self.", ".attention.output.")


def is_read(name: str) -> bool:
    is_wanted = name == "label_embed" or name.startswith(PREFIXES)
    return is_wanted and not any(part in name for part in UNUSED)


def main(source: str, target: str) -> None:
    checkpoint = torch.load(source, map_location="cpu", weights_only=True, mmap=True)
    tensors = {}
    for name, tensor in checkpoint["model"].items():
        name = name.replace("vision_multi.", "tagging_head.")
        if is_read(name):
            # Names may share memory, which safetensors does not know.
            tensors[name] = tensor.float().clone().contiguous()
    wanted = ["label_embed", "visual_encoder.norm.weight", "tagging_head.encoder.layer.0.output.dense.bias"]
    missing = [name for name in wanted if name not in tensors]
    if missing:
        sys.exit(f"expected {missing} in {source}, got {sorted(tensors)[:4]} and others")
    header = {"name": "RAM, Swin-L, 14 M images", "source": "ram_swin_large_14m.pth"}
    save_file(tensors, target, metadata=header)
    print(f"{len(tensors)} tensors in {target}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
