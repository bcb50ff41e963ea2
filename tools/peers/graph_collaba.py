"""CollaBA's network as an ONNX graph, for ONNX Runtime and OpenVINO: any size and scale, whichever up-scaler the
weights are of, the brightened image alone and not clamped. Height and width are multiples of 8, of 16 where the
result is no larger, so nothing is padded."""

import numpy as np
from onnx import ModelProto

from graphs import NamedGraph

GROUPS = (1, 2, 4, 4)
OPSET = 20
SLOPE, CONDITION_SLOPE = 0.2, 0.1


class CollabaGraph(NamedGraph):
    """A graph with the layers that CollaBA has many of."""

    def spectral(self, name: str, source: str, **attributes) -> str:
        """One whose weight is divided by its largest singular value, as the stored vectors tell it."""
        weight = self.named[f"{name}.weight_orig"].astype(np.float64)
        left, right = (self.named[f"{name}.weight_{part}"] for part in "uv")
        sigma = left @ weight.reshape(len(weight), -1) @ right
        return self.convolution(name, (weight / sigma).astype(np.float32), source, **attributes)

    def leaky(self, source: str, slope: float = SLOPE) -> str:
        return self.add("LeakyRelu", source, alpha=slope)

    def twice(self, source: str, mode: str) -> str:
        scales = self.weight(np.array([1, 1, 2, 2], dtype=np.float32))
        if mode == "nearest":
            places = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        else:
            places = {"coordinate_transformation_mode": "half_pixel"}
        return self.add("Resize", source, "", scales, mode=mode, **places)

    def unshuffled(self, source: str, n_channels: int, block: int) -> str:
        """Pixels of each block as channels: channel, row, column. Not SpaceToDepth, whose channels come last."""
        height, width = (side // block for side in self.shape[2:])
        if block == 1:
            return source
        value = self.add("Reshape", source, self.whole(1, n_channels, height, block, width, block))
        value = self.add("Transpose", value, perm=[0, 1, 3, 5, 2, 4])
        return self.add("Reshape", value, self.whole(1, n_channels * block * block, height, width))


def model(shape: tuple[int, ...], weights: dict[str, np.ndarray]) -> ModelProto:
    graph = CollabaGraph(shape, weights)
    n_in = weights["conv_in.weight"].shape[1]
    block = round((n_in / 3) ** 0.5)
    multiple = 16 if block == 4 else 8
    if any(side % multiple for side in shape[2:]):
        raise ValueError(f"expected sides in multiples of {multiple}, got {shape[3]}x{shape[2]}")
    seen = graph.unshuffled(attention(graph), 1, block)
    condition = modulation(graph, seen)
    value = graph.layer("conv_in", graph.unshuffled("input", 3, block))
    for idx, group in enumerate(GROUPS):
        value = residual_group(graph, f"body.{idx}", value, condition, group)
    for number in (1, 2):
        value = upscaled(graph, f"conv_up{number}", value)
    return graph.model(graph.layer("conv_out", value), OPSET)


def attention(graph: CollabaGraph) -> str:
    name = "atten_network.conv"
    skips = [graph.leaky(graph.layer(f"{name}0", "input"))]
    for number in (1, 2, 3):
        halved = {"pads": [1] * 4, "strides": [2, 2]}
        skips.append(graph.leaky(graph.spectral(f"{name}{number}", skips[-1], **halved)))
    value = skips.pop()
    for number in (4, 5, 6):
        value = graph.leaky(graph.spectral(f"{name}{number}", graph.twice(value, "linear")))
        value = graph.add("Add", value, skips.pop())
    for number in (7, 8):
        value = graph.leaky(graph.spectral(f"{name}{number}", value))
    return graph.add("Sigmoid", graph.layer(f"{name}9", value))


def modulation(graph: CollabaGraph, attention_map: str) -> str:
    value = graph.layer("Condition_process.0", attention_map)
    for idx in (2, 4, 6, 8):
        value = graph.layer(f"Condition_process.{idx}", graph.leaky(value, CONDITION_SLOPE))
    return value


def residual_group(graph: CollabaGraph, name: str, source: str, condition: str, group: int) -> str:
    value = source
    for idx in (0, 2):
        value = modulated(graph, f"{name}.body.{idx}", value, condition)
        value = multi_scale(graph, f"{name}.body.{idx + 1}", value, group)
    return graph.add("Add", graph.layer(f"{name}.conv", value), source)


def modulated(graph: CollabaGraph, name: str, value: str, condition: str) -> str:
    one = graph.weight(np.ones(1, dtype=np.float32))

    def branch(kind: str) -> str:
        hidden = graph.leaky(graph.layer(f"{name}.CFM_{kind}_conv0", condition), CONDITION_SLOPE)
        return graph.layer(f"{name}.CFM_{kind}_conv1", hidden)

    scaled = graph.add("Mul", value, graph.add("Add", branch("scale"), one))
    return graph.add("Add", scaled, branch("shift"))


def multi_scale(graph: CollabaGraph, name: str, source: str, group: int) -> str:
    def down(part: str, value: str) -> str:
        value = graph.add("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])
        return graph.layer(f"{name}.{part}.body.0.bot.1", value)

    def up(part: str, value: str) -> str:
        return graph.twice(graph.layer(f"{name}.{part}.body.0.bot.0", value), "linear")

    top, middle, bottom = source, down("down2", source), down("down4.1", down("down4.0", source))
    for number in (1, 2):
        top = context_block(graph, f"{name}.dau_top", top, group)
        middle = context_block(graph, f"{name}.dau_mid", middle, group)
        bottom = context_block(graph, f"{name}.dau_bot", bottom, group)
        middle = fused(graph, f"{name}.skff_mid", [middle, up(f"up32_{number}", bottom)])
        top = fused(graph, f"{name}.skff_top", [top, up(f"up21_{number}", middle)])
    return graph.add("Add", graph.layer(f"{name}.conv_out", top), source)


def context_block(graph: CollabaGraph, name: str, source: str, group: int) -> str:
    n_channels = graph.named[f"{name}.body.0.weight"].shape[0]
    value = graph.leaky(graph.layer(f"{name}.body.0", source, group=group))
    value = graph.layer(f"{name}.body.2", value, group=group)
    places = graph.add("Reshape", value, graph.whole(1, n_channels, -1))
    mask = graph.add("Reshape", graph.layer(f"{name}.gcnet.conv_mask", value), graph.whole(1, -1, 1))
    context = graph.add("MatMul", places, graph.add("Softmax", mask, axis=1))
    context = graph.add("Reshape", context, graph.whole(1, n_channels, 1, 1))
    add = f"{name}.gcnet.channel_add_conv"
    change = graph.layer(f"{add}.2", graph.leaky(graph.layer(f"{add}.0", context)))
    return graph.add("Add", graph.leaky(graph.add("Add", value, change)), source)


def fused(graph: CollabaGraph, name: str, branches: list[str]) -> str:
    n_branches, n_channels = len(branches), graph.named[f"{name}.fcs.0.weight"].shape[0]
    together = branches[0]
    for branch in branches[1:]:
        together = graph.add("Add", together, branch)
    squeezed = graph.leaky(graph.layer(f"{name}.conv_du.0", graph.add("GlobalAveragePool", together)))
    logits = [graph.layer(f"{name}.fcs.{idx}", squeezed) for idx in range(n_branches)]
    logits = graph.add("Reshape", graph.add("Concat", *logits, axis=1), graph.whole(n_branches, n_channels, 1, 1))
    shares = graph.add_many("Split", n_branches, graph.add("Softmax", logits, axis=0), axis=0, num_outputs=n_branches)
    weighed = [graph.add("Mul", branch, share) for branch, share in zip(branches, shares)]
    result = weighed[0]
    for branch in weighed[1:]:
        result = graph.add("Add", result, branch)
    return result


def upscaled(graph: CollabaGraph, name: str, value: str) -> str:
    if f"{name}.weight" in graph.named:
        return graph.leaky(graph.layer(name, graph.twice(value, "nearest")))
    nearest = graph.layer(f"{name}.nearest", graph.twice(value, "nearest"))
    bilinear = graph.layer(f"{name}.bilinear", graph.twice(value, "linear"))
    # Channel, row, column, as the weights were trained.
    shuffled = graph.add("DepthToSpace", graph.layer(f"{name}.shuffle", value), blocksize=2, mode="CRD")
    return graph.leaky(fused(graph, f"{name}.fuse", [nearest, bilinear, shuffled]))
