"""ONNX graphs of `tools/peers` as PyTorch modules, with gradients, so that one description of a network serves
every peer. Only the operations that those graphs use."""

import numpy as np
import torch
from onnx import ModelProto, numpy_helper
from torch.nn import functional


class TorchGraph(torch.nn.Module):
    """Runs the nodes one after another. Weights of floats are parameters."""

    def __init__(self, model: ModelProto):
        super().__init__()
        self.constants: dict[str, np.ndarray] = {}
        for tensor in model.graph.initializer:
            value = numpy_helper.to_array(tensor).copy()
            # Scales of resizing are read when the graph is run, and are no weights.
            if value.dtype != np.float32 or self.is_scale(model, tensor.name):
                self.constants[tensor.name] = value
            else:
                self.register_parameter(tensor.name, torch.nn.Parameter(torch.from_numpy(value)))
        self.nodes = [Node(node) for node in model.graph.node]

    @staticmethod
    def is_scale(model: ModelProto, name: str) -> bool:
        return any(node.op_type == "Resize" and name in node.input for node in model.graph.node)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        values = {"input": image} | dict(self.named_parameters())
        for node in self.nodes:
            inputs = [values.get(name, self.constants.get(name)) for name in node.inputs]
            outputs = OPERATIONS[node.kind](node, *inputs)
            values |= zip(node.outputs, outputs if isinstance(outputs, (list, tuple)) else [outputs])
        return values["output"]


class Node:
    """An operation with its attributes as plain values."""

    def __init__(self, node):
        self.kind, self.inputs, self.outputs = node.op_type, list(node.input), list(node.output)
        self.attributes = {found.name: attribute(found) for found in node.attribute}

    def get(self, name: str, default=None):
        return self.attributes.get(name, default)


def attribute(found):
    by_type = {1: lambda: found.f, 2: lambda: found.i, 3: lambda: found.s.decode(), 7: lambda: list(found.ints)}
    return by_type[found.type]()


def convolution(node: Node, source, weight, bias=None):
    pads = node.get("pads", [0] * 4)
    assert pads[0] == pads[2] and pads[1] == pads[3], "pads alike on both sides"
    options = {"stride": node.get("strides", [1, 1]), "dilation": node.get("dilations", [1, 1])}
    return functional.conv2d(source, weight, bias, padding=pads[:2], groups=node.get("group", 1), **options)


def resize(node: Node, source, _roi, scales=None, sizes=None):
    if sizes is None:
        sizes = np.round(np.array(source.shape) * scales).astype(int)
    size = [int(side) for side in sizes[2:]]
    if node.get("mode") == "nearest":
        return functional.interpolate(source, size=size, mode="nearest")
    return functional.interpolate(source, size=size, mode="bilinear", align_corners=False)


def split(node: Node, source):
    n_parts = node.get("num_outputs", len(node.outputs))
    return source.split(source.shape[node.get("axis")] // n_parts, node.get("axis"))


def depth_to_space(node: Node, source):
    assert node.get("mode") == "CRD", "channel, row, column"
    return functional.pixel_shuffle(source, node.get("blocksize"))


def batch_norm(node: Node, source, weight, bias, mean, variance):
    # Running statistics are parameters here only because they are weights of floats.
    return functional.batch_norm(source, mean.detach(), variance.detach(), weight, bias, eps=node.get("epsilon"))


OPERATIONS = {
    "Add": lambda _, a, b: a + b,
    "AveragePool": lambda node, x: functional.avg_pool2d(x, node.get("kernel_shape"), node.get("strides")),
    "BatchNormalization": batch_norm,
    "Concat": lambda node, *parts: torch.cat(parts, node.get("axis")),
    "Conv": convolution,
    "DepthToSpace": depth_to_space,
    "Gelu": lambda node, x: functional.gelu(x, approximate=node.get("approximate", "none")),
    "GlobalAveragePool": lambda _, x: x.mean((2, 3), keepdim=True),
    "GlobalMaxPool": lambda _, x: x.amax((2, 3), keepdim=True),
    "Identity": lambda _, x: x,
    "LayerNormalization": lambda node, x, weight, bias: functional.layer_norm(
        x, weight.shape, weight, bias, node.get("epsilon")
    ),
    "LeakyRelu": lambda node, x: functional.leaky_relu(x, node.get("alpha")),
    "MatMul": lambda _, a, b: a @ b,
    "MaxPool": lambda node, x: functional.max_pool2d(x, node.get("kernel_shape"), node.get("strides")),
    "Mul": lambda _, a, b: a * b,
    "ReduceMax": lambda node, x, axes: x.amax(tuple(axes.tolist()), keepdim=True),
    "ReduceMean": lambda node, x, axes: x.mean(tuple(axes.tolist()), keepdim=True),
    "Relu": lambda _, x: functional.relu(x),
    "Reshape": lambda _, x, shape: x.reshape(shape.tolist()),
    "Resize": resize,
    "Sigmoid": lambda _, x: x.sigmoid(),
    "Softmax": lambda node, x: x.softmax(node.get("axis")),
    "Split": split,
    "Sub": lambda _, a, b: a - b,
    "Tanh": lambda _, x: x.tanh(),
    "Transpose": lambda node, x: x.permute(node.get("perm")),
}
