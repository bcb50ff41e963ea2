"""LACR-VAE's network as an ONNX graph, for ONNX Runtime and OpenVINO: interpolated positions, the mean of the
latent, nothing optional, the result not clamped. Height and width are multiples of 8 from 32 on, so nothing
is padded."""

import numpy as np
from onnx import ModelProto

from graphs import NamedGraph

N_STAGES, TOKEN, PATCH = 4, 64, 4
HEADS = (4, 4, 8, 8)
BATCH_EPSILON, PATCH_EPSILON, BLOCK_EPSILON = 1e-5, 1e-5, 1e-6
# The first whose activations hold the approximation of GELU by a hyperbolic tangent.
OPSET = 20


class TokenGraph(NamedGraph):
    """A graph that also works on tokens."""

    def patches(self, name: str, source: str) -> str:
        side = self.named[f"{name}.weight"].shape[-1]
        return self.layer(name, source, pads=[0] * 4, strides=[side, side])

    def linear(self, name: str, source: str, scale: float = 1.0) -> str:
        weight = np.float32(scale) * self.named[f"{name}.weight"].T
        bias = np.float32(scale) * self.named[f"{name}.bias"]
        return self.add("Add", self.add("MatMul", source, self.weight(weight)), self.weight(bias))

    def norm(self, name: str, source: str, epsilon: float) -> str:
        affine = [self.take(f"{name}.{part}") for part in ("weight", "bias")]
        return self.add("LayerNormalization", source, *affine, axis=-1, epsilon=epsilon)

    def tokens(self, source: str) -> str:
        """[1, 64, rows, columns] to [1, places, 64]."""
        return self.add("Transpose", self.add("Reshape", source, self.whole(1, TOKEN, -1)), perm=[0, 2, 1])

    def grid(self, source: str, grid: tuple[int, int]) -> str:
        turned = self.add("Transpose", source, perm=[0, 2, 1])
        return self.add("Reshape", turned, self.whole(1, TOKEN, *grid))

    def nearest(self, source: str, height: int, width: int, n_channels: int) -> str:
        # At some sizes, 56 to 256 among them, a peer's rounding takes a neighbour; at 600x400 none does.
        size = self.whole(1, n_channels, height, width)
        mode = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.add("Resize", source, "", "", size, mode="nearest", **mode)


def model(shape: tuple[int, ...], weights: dict[str, np.ndarray]) -> ModelProto:
    if any(side % 8 or side < 32 for side in shape[2:]):
        raise ValueError(f"expected sides in multiples of 8 from 32 on, got {shape[3]}x{shape[2]}")
    graph, skips = TokenGraph(shape, weights), []
    size = shape[2:]
    value = graph.layer("stem", "input")
    for stage in range(N_STAGES):
        value = rcam(graph, stage, value, size)
        for idx in range(2):
            value = amsm(graph, f"enc.{stage}.amsm{idx}", value)
        if stage + 1 < N_STAGES:
            skips.append(value)
            value = graph.add("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
            value = graph.layer(f"ds.{stage}", value)
            size = tuple(side // 2 for side in size)
    return graph.model(decode(graph, graph.layer("mu", value), skips), OPSET)


def rcam(graph: TokenGraph, stage: int, value: str, size: tuple[int, int]) -> str:
    name = f"enc.{stage}.rcam"
    halves = graph.add_many("Split", 2, value, axis=1, num_outputs=2)
    relations = global_relations(graph, name, halves[0], size, HEADS[stage])
    local = graph.layer(f"{name}.local", halves[1])
    both = graph.add("Relu", graph.add("Concat", relations, local, axis=1))
    return graph.add("Relu", graph.add("Add", graph.layer(f"{name}.fuse", both), value))


def global_relations(graph: TokenGraph, name: str, half: str, size: tuple[int, int], n_heads: int) -> str:
    reduce = graph.named.get(f"{name}.reduce.weight")
    reduction = 1 if reduce is None else reduce.shape[-1]
    grid = tuple(max(-(-side // PATCH), reduction) for side in size)
    n_channels = graph.named[f"{name}.embed.weight"].shape[1]
    seen = graph.nearest(half, *(PATCH * side for side in grid), n_channels)
    tokens = graph.tokens(graph.patches(f"{name}.embed", seen))
    tokens = graph.norm(f"{name}.embed_norm", tokens, PATCH_EPSILON)
    tokens = graph.add("Add", tokens, graph.weight(positions(graph.named[f"{name}.position"], grid)))
    source = graph.norm(f"{name}.norm1", tokens, BLOCK_EPSILON)
    tokens = graph.add("Add", tokens, attention(graph, name, source, grid, n_heads))
    source = graph.norm(f"{name}.norm2", tokens, BLOCK_EPSILON)
    hidden = graph.add("Gelu", graph.linear(f"{name}.fc1", source), approximate="tanh")
    tokens = graph.add("Add", tokens, graph.linear(f"{name}.fc2", hidden))
    return graph.layer(f"{name}.restore", graph.nearest(graph.grid(tokens, grid), *size, TOKEN))


def positions(table: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The table, resized bilinearly with half pixels as corners, [1, tokens, channels]."""
    side = round(len(table) ** 0.5)
    image = table.reshape(side, side, TOKEN)
    for axis, target in enumerate(grid):
        place = np.clip((np.arange(target) + 0.5) * side / target - 0.5, 0, side - 1)
        low = np.minimum(np.floor(place).astype(int), side - 1)
        high = np.minimum(low + 1, side - 1)
        share = (place - low).astype(np.float32).reshape(-1, *(1,) * (2 - axis))
        image = np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
    return np.ascontiguousarray(image.reshape(1, -1, TOKEN), dtype=np.float32)


def attention(graph: TokenGraph, name: str, source: str, grid: tuple[int, int], n_heads: int) -> str:
    def heads(value: str, *perm: int) -> str:
        value = graph.add("Reshape", value, graph.whole(1, -1, n_heads, TOKEN // n_heads))
        return graph.add("Transpose", value, perm=perm)

    # The queries are small beside the scores, so they are what is scaled.
    query = graph.linear(f"{name}.q", source, (TOKEN / n_heads) ** -0.5)
    if f"{name}.reduce.weight" in graph.named:
        reduced = graph.patches(f"{name}.reduce", graph.grid(source, grid))
        source = graph.norm(f"{name}.reduce_norm", graph.tokens(reduced), PATCH_EPSILON)
    both = graph.linear(f"{name}.kv", source)
    key, value = graph.add_many("Split", 2, both, axis=2, num_outputs=2)
    scores = graph.add("MatMul", heads(query, 0, 2, 1, 3), heads(key, 0, 2, 3, 1))
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), heads(value, 0, 2, 1, 3))
    mixed = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
    return graph.linear(f"{name}.proj", graph.add("Reshape", mixed, graph.whole(1, -1, TOKEN)))


def separable(graph: TokenGraph, name: str, value: str, dilation: int = 1) -> str:
    group = len(graph.named[f"{name}.depthwise.weight"])
    value = graph.layer(f"{name}.depthwise", value, group=group, dilations=[dilation] * 2)
    return graph.add("Relu", graph.layer(f"{name}.pointwise", value))


def amsm(graph: TokenGraph, name: str, value: str) -> str:
    branches = [separable(graph, f"{name}.branch.{k}", value, k + 1) for k in range(3)]
    found = graph.layer(f"{name}.fuse", graph.add("Concat", *branches, axis=1))
    gates = []
    for pool in ("GlobalAveragePool", "GlobalMaxPool"):
        hidden = graph.add("Relu", graph.layer(f"{name}.squeeze", graph.add(pool, found)))
        gates.append(graph.layer(f"{name}.excite", hidden))
    found = graph.add("Mul", found, graph.add("Sigmoid", graph.add("Add", *gates)))
    maps = [graph.add(kind, found, graph.whole(1), keepdims=1) for kind in ("ReduceMean", "ReduceMax")]
    where = graph.layer(f"{name}.spatial", graph.add("Concat", *maps, axis=1))
    return graph.add("Add", value, graph.add("Mul", found, graph.add("Sigmoid", where)))


def decode(graph: TokenGraph, value: str, skips: list[str]) -> str:
    twice = graph.weight(np.array([1, 1, 2, 2], dtype=np.float32))
    mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    for idx, skip in enumerate(reversed(skips)):
        value = separable(graph, f"dec.dw.{idx}", value)
        value = graph.layer(f"dec.up.{idx}.conv", graph.add("Resize", value, "", twice, **mode))
        parts = [f"dec.up.{idx}.norm.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        value = graph.add("BatchNormalization", value, *map(graph.take, parts), epsilon=BATCH_EPSILON)
        value = graph.add("Concat", graph.add("Relu", value), skip, axis=1)
    return graph.layer("dec.out", separable(graph, f"dec.dw.{len(skips)}", value))
