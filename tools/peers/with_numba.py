"""Numba as a peer: the selective scan as the straightforward loop, channels in parallel."""

import math

import numba
import numpy as np
from numba import njit, prange

from works import Task


def prepare(task: Task):
    if task.work != "selective-scan":
        raise ValueError(f"{task.work} is not written in numba")
    numba.set_num_threads(task.n_threads)
    inputs = task.scan()
    y = np.empty_like(inputs["x"])

    def run() -> np.ndarray:
        scan(*inputs.values(), y)
        return y

    return run, lambda y: y


@njit(parallel=True, fastmath=True)
def scan(x, step, step_bias, decay, source, sink, skip, y):
    length, n_channels = x.shape
    n_states = decay.shape[1]
    for channel in prange(n_channels):
        state = np.zeros(n_states, np.float32)
        for position in range(length):
            raw = step[position, channel] + step_bias[channel]
            width = raw if raw > np.float32(20) else np.float32(math.log1p(math.exp(raw)))
            value = x[position, channel]
            total = skip[channel] * value
            for idx in range(n_states):
                kept = np.float32(math.exp(width * decay[channel, idx])) * state[idx]
                state[idx] = kept + width * value * source[position, idx]
                total += sink[position, idx] * state[idx]
            y[position, channel] = total
