"""Prints where AdamP takes four small parameters in five steps, in float64 with NumPy: the numbers in
crates/tapetum-nn/tests/it/training/adam_p.rs.

    pip install numpy && python tools/golden/adam_p.py

With `pip install adamp torch`, the authors' optimiser is run beside it and must agree.
"""

import numpy as np

LEARNING_RATE, BETA_1, BETA_2, EPSILON = 0.05, 0.9, 0.999, 1e-8
WEIGHT_DECAY, DELTA, DECAY_RATIO, N_STEPS = 0.2, 0.1, 0.1, 5

# Name: shape, phase of the first values, and the axes over which the loss normalises the weight.
PARAMETERS = {
    "vector": ((3,), 0.1, None),
    "plain": ((2, 1, 2, 2), 0.4, None),
    "by_channel": ((2, 3, 1, 2), 0.7, (1, 2, 3)),
    "whole": ((2, 3), 2.7, (0, 1)),
}


def waves(shape, phase, speed):
    return np.sin(speed * (np.arange(np.prod(shape)) + 1) + phase).reshape(shape)


def gradient(weight, towards, axes):
    """Of `sum(towards * weight)`, the weight scaled to length 1 over `axes` first."""
    if axes is None:
        return towards
    length = np.sqrt((weight**2).sum(axes, keepdims=True))
    unit = weight / length
    return (towards - unit * (unit * towards).sum(axes, keepdims=True)) / length


def projected(weight, grad, step):
    """The step to take, the ratio for the weight decay, and the view that was projected."""
    if weight.ndim > 1:
        for view, n_rows in (("channel", weight.shape[0]), ("whole", 1)):
            w, g = weight.reshape(n_rows, -1), grad.reshape(n_rows, -1)
            lengths = np.linalg.norm(w, axis=1), np.linalg.norm(g, axis=1)
            cosines = np.abs((w * g).sum(1)) / (lengths[0] * lengths[1])
            if cosines.max() < DELTA / np.sqrt(w.shape[1]):
                unit = w / lengths[0][:, None]
                p = step.reshape(n_rows, -1)
                p = p - unit * (unit * p).sum(1, keepdims=True)
                return p.reshape(weight.shape), DECAY_RATIO, view
    return step, 1.0, "none"


def train(shape, phase, axes):
    weight = waves(shape, phase, 1.3)
    mean, mean_square, views = np.zeros(shape), np.zeros(shape), []
    for t in range(1, N_STEPS + 1):
        grad = gradient(weight, waves(shape, phase, 0.9 + 0.3 * t), axes)
        mean = BETA_1 * mean + (1 - BETA_1) * grad
        mean_square = BETA_2 * mean_square + (1 - BETA_2) * grad**2
        step = mean / (np.sqrt(mean_square) / np.sqrt(1 - BETA_2**t) + EPSILON)
        step, ratio, view = projected(weight, grad, step)
        weight = weight * (1 - LEARNING_RATE * WEIGHT_DECAY * ratio)
        weight = weight - LEARNING_RATE / (1 - BETA_1**t) * step
        views.append(view)
    return weight, views


def train_with_authors(shape, phase, axes):
    import torch
    from adamp import AdamP

    weight = torch.nn.Parameter(torch.tensor(waves(shape, phase, 1.3)))
    optimizer = AdamP(
        [weight], LEARNING_RATE, (BETA_1, BETA_2), EPSILON, WEIGHT_DECAY, DELTA, DECAY_RATIO
    )
    for t in range(1, N_STEPS + 1):
        towards = waves(shape, phase, 0.9 + 0.3 * t)
        weight.grad = torch.tensor(gradient(weight.detach().numpy(), towards, axes))
        optimizer.step()
    return weight.detach().numpy()


for name, (shape, phase, axes) in PARAMETERS.items():
    weight, views = train(shape, phase, axes)
    print(name, views, ", ".join(f"{value:.7f}" for value in weight.flatten()))
    try:
        difference = np.abs(weight - train_with_authors(shape, phase, axes)).max()
    except ImportError:
        continue
    print(f"    from the authors' optimiser: {difference:.1e}")
    assert difference < 1e-7, name
