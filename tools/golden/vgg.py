"""Prints what torchvision's VGG-16 and VGG-19 give at the end of each block, before and after its ReLU, for weights
and an image that are formulas, in float64: norm, mean and middle value, and those of the gradient at the image of
the mean of the squares of the deepest before its ReLU. crates/tapetum-nn/tests/it/backbones.rs holds these numbers.

    pip install torch torchvision && python tools/golden/vgg.py
"""

import numpy as np
import torch
import torchvision

from scene import hash32


def noise(number, count):
    """-1..1, `f32` as the test has it."""
    mask = np.uint64(0xFFFFFFFF)
    mixed = (np.arange(count, dtype=np.uint64) ^ np.uint64(0x9E37 * number)) * np.uint64(0x85EBCA6B) & mask
    mixed = (mixed ^ (mixed >> np.uint64(13))) * np.uint64(0xC2B2AE35) & mask
    return (mixed >> np.uint64(16)).astype(np.float32) / np.float32(32768) - np.float32(1)


def filled(features):
    for number, layer in enumerate(features):
        if isinstance(layer, torch.nn.Conv2d):
            shape = tuple(layer.weight.shape)
            scale = np.sqrt(np.float32(6) / np.float32(np.prod(shape[1:])))
            weight = scale * noise(number, np.prod(shape)).reshape(shape)
            bias = np.float32(0.05) * noise(number, shape[0] + 7)[7:]
            layer.weight.data = torch.from_numpy(weight).double()
            layer.bias.data = torch.from_numpy(bias).double()
        elif isinstance(layer, torch.nn.ReLU):
            layer.inplace = False
    return features


def described(value):
    middle = value[tuple(side // 2 for side in value.shape)]
    return f"[{value.norm():.7e}, {value.mean():.7e}, {middle:.7e}]"


def main():
    picture = np.sin(np.arange(3 * 16 * 18, dtype=np.float32) * np.float32(0.37)).reshape(1, 3, 16, 18)
    for name in ("vgg16", "vgg19"):
        features = filled(getattr(torchvision.models, name)(weights=None).features)
        image = torch.from_numpy(picture).double().requires_grad_()
        values = [image]
        for layer in features:
            if isinstance(layer, torch.nn.MaxPool2d):
                print(name, "before and after:", *map(described, values[-2:]))
            # After the last block there is nothing left to halve.
            if layer is not features[-1]:
                values.append(layer(values[-1]))
        (gradient,) = torch.autograd.grad((values[-2] ** 2).mean(), image)
        print(name, "gradient:", described(gradient))


if __name__ == "__main__":
    main()
