"""Prints the numbers that crates/tapetum-metrics/tests/it/learned.rs compares: what the packages of LPIPS,
ST-LPIPS, DISTS and FID say about the pictures of scene.py, in float64, with weights that are a formula.

Also writes the shapes of Inception's convolutions to crates/tapetum-metrics/tests/data/inception_v3.txt.

    pip install torch torchvision lpips stlpips_pytorch DISTS_pytorch pytorch-fid clean-fid scipy
    python tools/golden/learned.py
"""

import importlib.metadata
import sys
import types
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import scipy.linalg
import torch
import torchvision
from PIL import Image

import scene

warnings.filterwarnings("ignore")
# Imported by stlpips_pytorch at the top, used by its printing only.
for name, attribute in [("IPython", "embed"), ("torchsummary", "summary")]:
    sys.modules.setdefault(name, types.SimpleNamespace(**{attribute: None}))


def filled(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Values that look random in a range that keeps signals alive through deep networks."""
    count = int(np.prod(shape))
    noise = scene.hash32(np.arange(count), sum(name.encode()), 91) % 65536 / 32768.0 - 1.0
    if name.endswith(("bn.weight", "running_var")):
        values = 1.0 + 0.1 * noise
    elif name.startswith(("lin", "alpha", "beta")):
        values = 0.5 + 0.5 * noise
    elif len(shape) == 1:
        values = 0.05 * noise
    else:
        values = noise * np.sqrt(6.0 / np.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def fill(module: torch.nn.Module, renamed=lambda name: name) -> torch.nn.Module:
    """Every weight by its name in the file that the Rust test makes; fixed filters and scales stay."""
    fixed = ("filt", "filter", "shift", "scale", "mean", "std", "num_batches_tracked")
    state = module.state_dict()
    for name, value in state.items():
        if name.rsplit(".", 1)[-1] not in fixed:
            state[name] = filled(renamed(name), tuple(value.shape))
    module.load_state_dict(state)
    return module.eval().double()


def as_in_torchvision(name: str) -> str:
    """Trunks come from torchvision's file; all three packages keep its numbers."""
    parts = name.split(".")
    if parts[0] == "net":
        return ".".join(["features", *parts[2:]])
    if parts[0].startswith("stage"):
        return ".".join(["features", *parts[1:]])
    return name.replace("lins.", "lin", 1)


def image(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float64) / 255)


PAIRS = {
    "enhanced": lambda w, h: (scene.enhanced(w, h, 3), scene.reference(w, h, 3)),
    "low": lambda w, h: (scene.low(w, h, 3), scene.reference(w, h, 3)),
    "black": lambda w, h: (np.zeros((h, w, 3), np.uint8), scene.reference(w, h, 3)),
    "constant": lambda w, h: (np.full((h, w, 3), 90, np.uint8), scene.reference(w, h, 3)),
}


def without_weights(make):
    return lambda *_, **__: make(weights=None)


def full_reference() -> None:
    import DISTS_pytorch
    import lpips
    from stlpips_pytorch import stlpips

    models = torchvision.models
    with (
        mock.patch.object(models, "alexnet", without_weights(models.alexnet)),
        mock.patch.object(models, "vgg16", without_weights(models.vgg16)),
    ):
        metrics = {
            "lpips alex": (lpips.LPIPS(net="alex", pretrained=False, verbose=False), as_in_torchvision),
            "lpips vgg": (lpips.LPIPS(net="vgg", pretrained=False, verbose=False), as_in_torchvision),
            "dists": (DISTS_pytorch.DISTS(load_weights=False), as_in_torchvision),
        }
    for net in ["alex", "vgg"]:
        options = {"variant": "shift_tolerant", "pretrained": False, "verbose": False}
        metrics[f"st-lpips {net}"] = (stlpips.LPIPS(net=net, **options), lambda name: name.replace("lins.", "lin", 1))
    for name, (module, renamed) in metrics.items():
        module = fill(module, renamed)
        for pair, make in PAIRS.items():
            for width, height in [(96, 64), (75, 53)]:
                first, second = map(image, make(width, height))
                options = {} if name == "dists" else {"normalize": True}
                with torch.no_grad():
                    print(f'("{pair}", [{width}, {height}], {float(module(first, second, **options)):.12e}),  // {name}')


def inception() -> None:
    from cleanfid import resize
    from pytorch_fid import inception as fid

    pixels = scene.enhanced(120, 90, 3)
    clean = resize.build_resizer("clean")(pixels)
    clean = torch.from_numpy(clean.transpose(2, 0, 1)[None].astype(np.float64))
    for size in [(40, 30), (700, 500)]:
        resized = resize.build_resizer("clean")(scene.enhanced(*size, 3)).astype(np.float64)
        print("clean resize of", size, [float(resized[y, x, c]) for y, x, c in [(0, 0, 0), (0, 298, 1), (150, 77, 2), (298, 298, 0)]])
    plain = torch.nn.functional.interpolate(image(pixels), (299, 299), mode="bilinear", align_corners=False)
    make = torchvision.models.inception_v3
    with mock.patch.object(fid, "load_state_dict_from_url", lambda *_, **__: fill(blank()).float().state_dict()):

        def blank():
            with mock.patch.object(fid, "load_state_dict_from_url", lambda *_, **__: None):
                with mock.patch.object(torch.nn.Module, "load_state_dict", lambda *_: None):
                    return fid.fid_inception_v3()

        ours = fid.InceptionV3(resize_input=False, normalize_input=False).eval().double()
    theirs = fill(make(weights=None, init_weights=False, transform_input=False))
    write_shapes(theirs)
    theirs.fc = torch.nn.Identity()
    with torch.no_grad():
        for name, value in [("clean-fid", (clean - 128) / 128), ("pytorch-fid", 2 * plain - 1)]:
            for network, run in [("tensorflow", lambda x: ours(x)[0][0, :, 0, 0]), ("torchvision", lambda x: theirs(x)[0])]:
                features = run(value)
                picked = [float(features[idx]) for idx in [0, 319, 320, 1000, 1500, 1856, 2047]]
                print(name, network, [float(f"{v:.9e}") for v in picked], f"norm {float(features.norm()):.9e}")


def bicubic() -> None:
    """What PIL makes of a plane of floats, for the unit test of learned/resize.rs."""
    y, x = np.mgrid[:17, :23]
    plane = Image.fromarray(((x * 7 + y * 13) % 11 * 20).astype(np.float32))
    for size in [(5, 4), (40, 31)]:
        values = np.asarray(plane.resize(size, Image.BICUBIC)).astype(np.float64)
        places = [(0, 0), (size[0] - 1, 0), (2, 3), (size[0] - 1, size[1] - 1)]
        print("bicubic", size, [(place, round(float(values[place[1], place[0]]), 4)) for place in places])


def write_shapes(network: torch.nn.Module) -> None:
    """The names and shapes that the Rust test fills, for it does not know the network."""
    path = Path(__file__).parents[2] / "crates/tapetum-metrics/tests/data/inception_v3.txt"
    state = network.state_dict()
    lines = [f"{name[: -len('.conv.weight')]} {' '.join(map(str, value.shape))}"
             for name, value in state.items()
             if name.endswith(".conv.weight") and not name.startswith("AuxLogits")]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def samples(count: int, n_features: int, seed: int) -> np.ndarray:
    noise = scene.hash32(np.arange(count * n_features), seed, 92) % 65536 / 32768.0 - 1.0
    noise = noise.reshape(count, n_features)
    return noise * (1 + np.arange(n_features) % 7) + 0.1 * seed + 0.5 * np.roll(noise, 1, axis=1)


def frechet() -> None:
    from pytorch_fid.fid_score import calculate_frechet_distance

    for counts, n_features in [((40, 30), 8), ((7, 9), 8), ((5, 4), 32), ((2, 2), 3)]:
        first, second = (samples(count, n_features, seed) for count, seed in zip(counts, [1, 2]))
        mean_first, mean_second = first.mean(0), second.mean(0)
        first_covariance, second_covariance = (np.cov(set_, rowvar=False) for set_ in (first, second))
        # The eigenvalues themselves, exact for singular matrices too; the package's root beside it.
        values = scipy.linalg.eigvals(first_covariance @ second_covariance)
        trace = np.sqrt(np.maximum(values.real, 0)).sum()
        exact = np.sum((mean_first - mean_second) ** 2) + np.trace(first_covariance + second_covariance) - 2 * trace
        package = calculate_frechet_distance(mean_first, first_covariance, mean_second, second_covariance)
        print(f"([{counts[0]}, {counts[1]}], {n_features}, {exact:.12e}),  // pytorch-fid: {float(package):.12e}")


if __name__ == "__main__":
    packages = ["torch", "torchvision", "lpips", "stlpips_pytorch", "DISTS_pytorch", "pytorch-fid", "clean-fid", "scipy"]
    print({package: importlib.metadata.version(package) for package in packages})
    full_reference()
    inception()
    frechet()
    bicubic()
