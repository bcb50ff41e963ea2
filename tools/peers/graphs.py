"""The works of `tapetum bench` as ONNX graphs, for ONNX Runtime and OpenVINO. Images are NCHW."""

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper


class Graph:
    """Nodes and weights in the order they are added; every node has one output, whose name it gives."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape
        self.nodes, self.weights = [], []

    def add(self, kind: str, *inputs: str, **attributes) -> str:
        return self.add_many(kind, 1, *inputs, **attributes)[0]

    def add_many(self, kind: str, n_outputs: int, *inputs: str, **attributes) -> list[str]:
        outputs = [f"{kind}{len(self.nodes)}_{idx}" for idx in range(n_outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, **attributes))
        return outputs

    def weight(self, value: np.ndarray) -> str:
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def conv(self, source: str, weight: np.ndarray, bias: np.ndarray, group: int = 1) -> str:
        pads = [weight.shape[-1] // 2] * 4
        return self.add("Conv", source, self.weight(weight), self.weight(bias), pads=pads, group=group)

    def model(self, output: str, opset: int = 17) -> ModelProto:
        self.nodes.append(helper.make_node("Identity", [output], ["output"]))
        source = helper.make_tensor_value_info("input", TensorProto.FLOAT, self.shape)
        result = helper.make_tensor_value_info("output", TensorProto.FLOAT, [None] * len(self.shape))
        graph = helper.make_graph(self.nodes, "work", [source], [result], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        checker.check_model(model)
        return model


class NamedGraph(Graph):
    """A graph whose layers are called as their weights are."""

    def __init__(self, shape: tuple[int, ...], weights: dict[str, np.ndarray]):
        super().__init__(shape)
        self.named = weights

    def take(self, name: str) -> str:
        return self.weight(self.named[name])

    def whole(self, *numbers: int) -> str:
        return self.weight(np.array(numbers, dtype=np.int64))

    def layer(self, name: str, source: str, **attributes) -> str:
        """A convolution; same size unless `pads` or `strides` say otherwise."""
        return self.convolution(name, self.named[f"{name}.weight"], source, **attributes)

    def convolution(self, name: str, weight: np.ndarray, source: str, **attributes) -> str:
        """The same with a weight made from what is called so."""
        dilation = attributes.get("dilations", [1])[0]
        attributes = {"pads": [dilation * (weight.shape[-1] // 2)] * 4} | attributes
        inputs = [self.weight(weight)]
        if f"{name}.bias" in self.named:
            inputs.append(self.take(f"{name}.bias"))
        return self.add("Conv", source, *inputs, **attributes)


def scl_lle(shape: tuple[int, ...], weights: dict[str, np.ndarray]) -> ModelProto:
    graph = Graph(shape)

    def layer(number: int, *sources: str) -> str:
        source = sources[0] if len(sources) == 1 else graph.add("Concat", *sources, axis=1)
        name = f"e_conv{number}"
        result = graph.conv(source, weights[f"{name}.weight"], weights[f"{name}.bias"])
        return graph.add("Tanh" if number == 7 else "Relu", result)

    x1 = layer(1, "input")
    x2 = layer(2, x1)
    x3 = layer(3, x2)
    x4 = layer(4, x3)
    x5 = layer(5, x3, x4)
    x6 = layer(6, x2, x5)
    value = "input"
    for rate in graph.add_many("Split", 8, layer(7, x1, x6), axis=1):
        change = graph.add("Sub", graph.add("Mul", value, value), value)
        value = graph.add("Add", value, graph.add("Mul", rate, change))
    return graph.model(value)


def conv3x3(shape: tuple[int, ...], layers: list[tuple[np.ndarray, np.ndarray]]) -> ModelProto:
    graph, value = Graph(shape), "input"
    for weight, bias in layers:
        value = graph.add("Relu", graph.conv(value, weight, bias))
    return graph.model(value)


def conv(shape: tuple[int, ...], weight: np.ndarray, bias: np.ndarray, group: int) -> ModelProto:
    graph = Graph(shape)
    return graph.model(graph.conv("input", weight, bias, group))


def bilinear(shape: tuple[int, ...]) -> ModelProto:
    graph = Graph(shape)
    scales = graph.weight(np.array([1, 1, 2, 2], dtype=np.float32))
    mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return graph.model(graph.add("Resize", "input", "", scales, **mode))


def layer_norm(shape: tuple[int, ...], weight: np.ndarray, bias: np.ndarray) -> ModelProto:
    graph = Graph(shape)
    affine = [graph.weight(weight), graph.weight(bias)]
    return graph.model(graph.add("LayerNormalization", "input", *affine, axis=-1, epsilon=1e-5))
