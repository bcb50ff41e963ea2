"""PyTorch as a peer: eager, channels last, bf16 through autocast; scans through torch.compile."""

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


class SelectiveScan(torch.nn.Module):
    """SS2D of Semi-LLIE: two-scale filters, four scans at once, a gate. Names are those of the weights."""

    N_INNER, N_STATES, RANK, N_DIRECTIONS = 128, 16, 4, 4

    def __init__(self):
        super().__init__()
        inner, mixed = self.N_INNER, self.RANK + 2 * self.N_STATES
        parameter = lambda *shape: torch.nn.Parameter(torch.empty(shape))
        self.x_proj_weight = parameter(self.N_DIRECTIONS, mixed, inner)
        self.dt_projs_weight = parameter(self.N_DIRECTIONS, inner, self.RANK)
        self.dt_projs_bias = parameter(self.N_DIRECTIONS, inner)
        self.A_logs = parameter(self.N_DIRECTIONS * inner, self.N_STATES)
        self.Ds = parameter(self.N_DIRECTIONS * inner)
        self.in_proj = torch.nn.Linear(64, 2 * inner, bias=False)
        self.conv2d = torch.nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        self.conv2d_55 = torch.nn.Conv2d(inner, inner, 5, padding=2, groups=inner)
        self.point_wise_conv = torch.nn.Conv2d(2 * inner, inner, 1)
        self.out_norm = torch.nn.LayerNorm(inner)
        self.out_proj = torch.nn.Linear(inner, 64, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """`image` and result: [1, height, width, 64]."""
        _, height, width, _ = image.shape
        value, gate = self.in_proj(image).chunk(2, -1)
        fine = self.conv2d(value.permute(0, 3, 1, 2))
        coarse = self.conv2d_55(fine)
        value = self.point_wise_conv(functional.silu(torch.cat([fine, coarse], 1)))[0]
        columns = value.transpose(1, 2)
        orders = torch.stack([value.flatten(1), columns.flatten(1)])
        sequences = torch.cat([orders, orders.flip(-1)])
        rows, columns, back, columns_back = self.scan(sequences)
        total = rows + back.flip(-1)
        turned = (columns + columns_back.flip(-1)).unflatten(1, (width, height)).transpose(1, 2)
        total = (total + turned.flatten(1)).t().unflatten(0, (height, width))[None]
        return self.out_proj(self.out_norm(total) * functional.silu(gate))

    def scan(self, sequences: torch.Tensor) -> torch.Tensor:
        """`sequences` and result: [directions, channels, length]. All directions, channels and states advance
        together, position by position, in pieces that are compiled."""
        mixed = torch.einsum("kdl,kcd->klc", sequences, self.x_proj_weight)
        step, source, sink = mixed.split([self.RANK, self.N_STATES, self.N_STATES], -1)
        step = torch.einsum("klr,kdr->lkd", step, self.dt_projs_weight).contiguous()
        step = functional.softplus(step + self.dt_projs_bias)
        source, sink = (part.transpose(0, 1).contiguous() for part in (source, sink))
        x = sequences.permute(2, 0, 1).contiguous()
        decay = -self.A_logs.exp().unflatten(0, (self.N_DIRECTIONS, self.N_INNER))
        skip = self.Ds.unflatten(0, (self.N_DIRECTIONS, self.N_INNER))
        state, rows = torch.zeros_like(decay), []
        for piece in zip(*(part.split(CHUNK) for part in (x, step, source, sink))):
            state, row = scan_piece(state, decay, skip, *piece)
            rows.append(row)
        return torch.cat(rows).permute(1, 2, 0)


@torch.compile(dynamic=False)
def scan_piece(state, decay, skip, x, step, source, sink):
    rows = []
    for position in range(len(x)):
        kept = torch.exp(step[position][..., None] * decay) * state
        state = kept + (step[position] * x[position])[..., None] * source[position][:, None]
        rows.append((state * sink[position][:, None]).sum(-1) + skip * x[position])
    return state, torch.stack(rows)


class StateSpaceBlock(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = torch.nn.LayerNorm(64), torch.nn.LayerNorm(64)
        self.self_attention = SelectiveScan()
        self.skip_scale = torch.nn.Parameter(torch.empty(64))
        self.skip_scale2 = torch.nn.Parameter(torch.empty(64))
        attention = torch.nn.Module()
        attention.attention = torch.nn.Sequential(
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Conv2d(64, 2, 1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(2, 64, 1),
            torch.nn.Sigmoid(),
        )
        self.conv_blk = torch.nn.Module()
        self.conv_blk.cab = torch.nn.Sequential(
            torch.nn.Conv2d(64, 21, 3, padding=1),
            torch.nn.GELU(),
            torch.nn.Conv2d(21, 64, 3, padding=1),
            attention,
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        image = image * self.skip_scale + self.self_attention(self.ln_1(image))
        cab = self.conv_blk.cab
        features = cab[:3](self.ln_2(image).permute(0, 3, 1, 2))
        features = features * cab[3].attention(features)
        return image * self.skip_scale2 + features.permute(0, 2, 3, 1)


class MambaLowlight(torch.nn.Module):
    """Semi-LLIE's network."""

    MEAN = (0.4488, 0.4371, 0.4040)

    def __init__(self, weights: dict[str, np.ndarray]):
        super().__init__()
        conv = lambda n_in: torch.nn.Conv2d(n_in, 64, 3, padding=1)
        self.conv_first, self.conv_after_body = conv(6), conv(64)
        self.conv_last = torch.nn.Conv2d(64, 3, 3, padding=1)
        self.norm = torch.nn.LayerNorm(64)
        self.patch_embed = torch.nn.Module()
        self.patch_embed.norm = torch.nn.LayerNorm(64)
        self.estimator = torch.nn.Module()
        self.estimator.conv1 = torch.nn.Conv2d(4, 64, 1)
        self.estimator.depth_conv = torch.nn.Conv2d(64, 64, 5, padding=2, groups=4)
        self.estimator.conv2 = torch.nn.Conv2d(64, 3, 1)
        self.layers = torch.nn.ModuleList()
        for _ in range(2):
            group = torch.nn.Module()
            group.residual_group = torch.nn.Module()
            group.residual_group.blocks = torch.nn.Sequential(StateSpaceBlock(), StateSpaceBlock())
            group.conv = conv(64)
            self.layers.append(group)
        self.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        self.register_buffer("mean", torch.tensor(self.MEAN).reshape(1, 3, 1, 1))
        self.to(memory_format=torch.channels_last)

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        """`low` and result: [1, 3, height, width]."""
        centred = low - self.mean
        light = torch.cat([centred, centred.mean(1, keepdim=True)], 1)
        light = self.estimator.conv2(self.estimator.depth_conv(self.estimator.conv1(light)))
        shallow = self.conv_first(torch.cat([centred, light], 1))
        features = self.patch_embed.norm(shallow.permute(0, 2, 3, 1))
        for group in self.layers:
            deep = group.residual_group.blocks(features).permute(0, 3, 1, 2)
            features = features + group.conv(deep).permute(0, 2, 3, 1)
        deep = self.conv_after_body(self.norm(features).permute(0, 3, 1, 2)) + shallow
        return (low + self.conv_last(deep)).clamp(0, 1)


FORWARDS = {
    "conv3x3": conv3x3,
    "conv1x1": conv1x1,
    "depthwise3x3": depthwise3x3,
    "bilinear": bilinear,
    "layer-norm": layer_norm,
    "scl-lle": lambda task: CurveNetwork(task.network()),
    "semi-llie": lambda task: MambaLowlight(task.network()),
}
