"""Semi-LLIE's network in PyTorch with a scan for graphics cards: all chunks of the sequence advance together,
position by position, from the states that a first pass gives them. What `tools/peers/with_torch.py` has walks
the sequence as a whole, which is for a CPU."""

import torch
from torch.nn import functional

import with_torch

# Positions of a chunk.
CHUNK = 64


def scan(self, sequences: torch.Tensor) -> torch.Tensor:
    """`sequences` and result: [directions, channels, length]."""
    length = sequences.shape[-1]
    mixed = torch.einsum("kdl,kcd->klc", sequences, self.x_proj_weight)
    step, source, sink = mixed.split([self.RANK, self.N_STATES, self.N_STATES], -1)
    step = torch.einsum("klr,kdr->lkd", step, self.dt_projs_weight) + self.dt_projs_bias.to(step.dtype)
    step = functional.softplus(step.float())
    x = sequences.permute(2, 0, 1).float()
    source, sink = (part.transpose(0, 1).float() for part in (source, sink))
    decay = -self.A_logs.exp().unflatten(0, (self.N_DIRECTIONS, self.N_INNER))
    skip = self.Ds.unflatten(0, (self.N_DIRECTIONS, self.N_INNER))
    # A step of 0 keeps the state: what fills the last chunk adds nothing.
    n_chunks = -(-length // CHUNK)
    padded = [functional.pad(part, (0, 0) * (part.ndim - 1) + (0, n_chunks * CHUNK - length)) for part in (x, step, source, sink)]
    # [chunk, position, directions, channels or states].
    x, step, source, sink = (part.unflatten(0, (n_chunks, CHUNK)) for part in padded)
    ends, state = [], x.new_zeros(n_chunks, *decay.shape)
    for position in range(CHUNK):
        state = advance(state, position, x, step, source, decay)
    products = torch.exp(step.sum(1)[..., None] * decay)
    start = torch.zeros_like(state[0])
    for left, product in zip(state.unbind(0), products.unbind(0)):
        ends.append(start)
        start = product * start + left
    state, rows = torch.stack(ends), []
    for position in range(CHUNK):
        state = advance(state, position, x, step, source, decay)
        rows.append((state * sink[:, position, :, None]).sum(-1))
    y = torch.stack(rows, 1) + skip * x
    return y.flatten(0, 1)[:length].permute(1, 2, 0)


def advance(state, position, x, step, source, decay):
    delta = step[:, position, ..., None]
    return torch.exp(delta * decay) * state + delta * x[:, position, ..., None] * source[:, position, :, None]


class SelectiveScan(with_torch.SelectiveScan):
    scan = scan


class MambaLowlight(with_torch.MambaLowlight):
    """The same weights, the same network, any batch."""

    def __init__(self, weights):
        super().__init__(weights)
        for group in self.layers:
            for block in group.residual_group.blocks:
                block.self_attention.__class__ = SelectiveScan

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        return torch.cat([super(MambaLowlight, self).forward(image) for image in low.split(1)])
