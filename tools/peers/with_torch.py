"""PyTorch as a peer: eager, channels last, bf16 through autocast; the scan through torch.compile."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch.nn import functional

from works import LEARNING_RATE, TARGET, Task, channels_last

# Positions of the scan that are compiled as one piece.
CHUNK = 16

VERSION = torch.__version__


def prepare(task: Task) -> tuple[Callable[[], object], Callable[[object], np.ndarray]]:
    """What to time, and how to read its output."""
    torch.set_num_threads(task.n_threads)
    torch.set_flush_denormal(True)
    if task.work == "selective-scan":
        return scan(task)
    source = torch.from_numpy(task.input())
    if source.ndim == 4:
        source = source.contiguous(memory_format=torch.channels_last)
    if task.work == "scl-lle-train":
        return training(task, source)
    forward = FORWARDS[task.work](task)

    def run() -> torch.Tensor:
        with torch.inference_mode(), precision(task):
            return forward(source)

    return run, lambda output: channels_last(output.float().numpy())


def precision(task: Task):
    is_bf16 = task.precision == "bf16"
    return torch.autocast("cpu", dtype=torch.bfloat16) if is_bf16 else nullcontext()


def layers(task: Task) -> list[tuple[torch.Tensor, torch.Tensor]]:
    def tensor(value: np.ndarray) -> torch.Tensor:
        value = torch.from_numpy(value)
        return value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value

    return [(tensor(weight), tensor(bias)) for weight, bias in task.layers()]


def conv3x3(task: Task) -> Callable[[torch.Tensor], torch.Tensor]:
    stack = layers(task)

    def forward(value: torch.Tensor) -> torch.Tensor:
        for weight, bias in stack:
            value = functional.relu_(functional.conv2d(value, weight, bias, padding=1))
        return value

    return forward


def conv1x1(task: Task) -> Callable[[torch.Tensor], torch.Tensor]:
    [(weight, bias)] = layers(task)
    return lambda value: functional.conv2d(value, weight, bias)


def depthwise3x3(task: Task) -> Callable[[torch.Tensor], torch.Tensor]:
    [(weight, bias)] = layers(task)
    return lambda value: functional.conv2d(value, weight, bias, padding=1, groups=64)


def bilinear(_: Task) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda value: functional.interpolate(
        value, scale_factor=2, mode="bilinear", align_corners=False
    )


def layer_norm(task: Task) -> Callable[[torch.Tensor], torch.Tensor]:
    [(weight, bias)] = layers(task)
    return lambda value: functional.layer_norm(value, (64,), weight, bias, 1e-5)


class CurveNetwork(torch.nn.Module):
    """SCL-LLE's network with its curve."""

    def __init__(self, weights: dict[str, np.ndarray]):
        super().__init__()
        for number in range(1, 8):
            weight = weights[f"e_conv{number}.weight"]
            layer = torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            setattr(self, f"e_conv{number}", layer)
        tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
        self.load_state_dict(tensors)
        self.to(memory_format=torch.channels_last)

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        relu, join = torch.relu, lambda *parts: torch.cat(parts, 1)
        x1 = relu(self.e_conv1(low))
        x2 = relu(self.e_conv2(x1))
        x3 = relu(self.e_conv3(x2))
        x4 = relu(self.e_conv4(x3))
        x5 = relu(self.e_conv5(join(x3, x4)))
        x6 = relu(self.e_conv6(join(x2, x5)))
        value = low
        for rate in torch.tanh(self.e_conv7(join(x1, x6))).split(3, 1):
            value = value + rate * (value * value - value)
        return value


def training(task: Task, low: torch.Tensor):
    network = CurveNetwork(task.network())
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, eps=1e-8)

    def run() -> float:
        optimizer.zero_grad(set_to_none=True)
        with precision(task):
            loss = (network(low) - TARGET).abs().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    return run, lambda loss: np.array([loss], dtype=np.float32)


def scan(task: Task):
    inputs = {name: torch.from_numpy(value) for name, value in task.scan().items()}
    decay, step_bias, skip = inputs["decay"], inputs["step_bias"], inputs["skip"]

    def chunk(state, x, step, source, sink):
        step = functional.softplus(step + step_bias)
        rows = []
        for position in range(CHUNK):
            kept = torch.exp(step[position, :, None] * decay) * state
            state = kept + (step[position] * x[position])[:, None] * source[position]
            rows.append((state * sink[position]).sum(-1) + skip * x[position])
        return state, torch.stack(rows)

    compiled = torch.compile(chunk, dynamic=False)
    pieces = list(zip(*(inputs[name].split(CHUNK) for name in ("x", "step", "input", "output"))))

    def run() -> torch.Tensor:
        state, rows = torch.zeros_like(decay), []
        with torch.inference_mode():
            for piece in pieces:
                state, row = compiled(state, *piece)
                rows.append(row)
            return torch.cat(rows)

    return run, lambda output: output.numpy()


FORWARDS = {
    "conv3x3": conv3x3,
    "conv1x1": conv1x1,
    "depthwise3x3": depthwise3x3,
    "bilinear": bilinear,
    "layer-norm": layer_norm,
    "scl-lle": lambda task: CurveNetwork(task.network()),
}
