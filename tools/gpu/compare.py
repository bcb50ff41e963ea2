"""Times Tapetum beside PyTorch, eager and compiled, on one graphics card: the same work, weights and numbers,
in turns. Prints a Markdown table.

    python3 tools/gpu/compare.py --tapetum ./tapetum --device cuda --models models [--only scl-lle] [--rounds 3]

`run.sh` calls it. What cannot take part is named with the reason. On a machine without a card, `--device cpu`
checks that outputs agree; its times say nothing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peers"))

import graph_collaba  # noqa: E402
import graph_lacr_vae  # noqa: E402
import graphs  # noqa: E402
import synthetic  # noqa: E402
from scan_in_torch import MambaLowlight  # noqa: E402
from torch_graph import TorchGraph  # noqa: E402
from works import BATCH, LEARNING_RATE, TARGET, channels_first, channels_last  # noqa: E402

DTYPES = {"f32": None, "bf16": torch.bfloat16, "f16": torch.float16}
# Largest difference from Tapetum's output, as a share of the largest value.
TOLERANCE = {"f32": 2e-3, "bf16": 0.1, "f16": 0.02}
N_WARM_UP = 3


@dataclass
class Row:
    work: str
    size: tuple[int, int]
    precision: str
    n_runs: int = 10

    @property
    def is_training(self) -> bool:
        return self.work.endswith("-train")

    @property
    def weights(self) -> str:
        return self.work.removesuffix("-train")


SIZES = [(600, 400), (1920, 1080), (4000, 3000)]
ROWS = [
    *[Row("scl-lle", size, precision) for size in SIZES for precision in DTYPES],
    *[Row("semi-llie", size, "f32", 3) for size in SIZES[:2]],
    *[Row(work, SIZES[0], precision) for work in ("lacr-vae", "collaba-s-x2") for precision in DTYPES],
    *[Row("collaba-s-x2", (1920, 1088), precision) for precision in DTYPES],
    *[Row("scl-lle-train", (256, 256), precision) for precision in ("f32", "bf16")],
    *[Row(f"{name}-train", (64, 64), "f32") for name in ("semi-llie", "lacr-vae", "collaba-s-x2")],
]


def network(row: Row, shape: tuple[int, ...], models: Path) -> torch.nn.Module:
    weights = synthetic.weights(models / f"{row.weights}.safetensors")
    if row.weights == "semi-llie":
        return MambaLowlight(weights)
    make = {
        "scl-lle": graphs.scl_lle,
        "lacr-vae": graph_lacr_vae.model,
        "collaba-s-x2": graph_collaba.model,
    }[row.weights]
    return TorchGraph(make(shape, weights))


def picture(row: Row) -> np.ndarray:
    width, height = row.size
    n_pictures = BATCH if row.is_training else 1
    low = synthetic.image(width, n_pictures * height)
    return channels_first(low.reshape(n_pictures, height, width, 3))


class Torch:
    """PyTorch with one work; compiled or not."""

    def __init__(self, row: Row, device: str, models: Path, is_compiled: bool):
        self.row, self.device = row, torch.device(device)
        source = picture(row)
        self.source = torch.from_numpy(source).to(self.device, memory_format=torch.channels_last)
        self.network = network(row, source.shape, models).to(self.device)
        self.run_network = torch.compile(self.network) if is_compiled else self.network
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE, eps=1e-8)

    def precision(self):
        dtype = DTYPES[self.row.precision]
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    def run(self) -> torch.Tensor:
        if self.row.is_training:
            return self.step()
        with torch.inference_mode(), self.precision():
            return self.run_network(self.source)

    def step(self) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        with self.precision():
            loss = (self.run_network(self.source) - TARGET).abs().mean()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def times(self) -> list[float]:
        for _ in range(N_WARM_UP):
            self.run()
        return [self.timed() for _ in range(self.row.n_runs)]

    def timed(self) -> float:
        self.wait()
        start = time.perf_counter()
        self.run()
        self.wait()
        return (time.perf_counter() - start) * 1e3

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def output(self) -> np.ndarray:
        return channels_last(self.run().float().cpu().numpy()).ravel()


def tapetum(row: Row, options: argparse.Namespace) -> tuple[list[float], np.ndarray]:
    """Times, and the output of the last run."""
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "output"
        width, height = row.size
        command = [options.tapetum, "bench", row.work, "--device", options.device, "--json"]
        command += ["--precision", row.precision, "--size", f"{width}x{height}"]
        command += ["--runs", str(row.n_runs), "--dump", str(dump)]
        done = subprocess.run(command, capture_output=True, text=True)
        if not dump.exists():
            raise RuntimeError(done.stderr.strip() or f"exit {done.returncode}")
        found = json.loads(done.stdout.splitlines()[-1])
        return found["milliseconds"], np.fromfile(dump, dtype="<f4")


def compare(row: Row, options: argparse.Namespace) -> str:
    times: dict[str, list[float]] = {"Tapetum": [], "eager": [], "compiled": []}
    notes, peers = [], {}
    for name in ("eager", "compiled")[: 1 + options.compile]:
        try:
            peers[name] = Torch(row, torch_device(options.device), options.models, name == "compiled")
        except Exception as error:  # Whoever cannot take part is named.
            notes.append(f"{name}: {short(error)}")
    for number in range(options.rounds):
        found, output = tapetum(row, options)
        times["Tapetum"] += found
        for name, peer in list(peers.items()):
            try:
                times[name] += peer.times()
                if number == 0 and not row.is_training:
                    notes += difference(name, peer.output(), output, row)
            except Exception as error:
                notes.append(f"{name}: {short(error)}")
                del peers[name]
    cells = [f"{median(found):.3f}" if found else "–" for found in times.values()]
    best = min((median(found) for name, found in times.items() if found and name != "Tapetum"), default=None)
    ratio = f"{best / median(times['Tapetum']):.2f}" if best else "–"
    width, height = row.size
    return f"| {row.work} | {width}x{height} | {row.precision} | {' | '.join(cells)} | {ratio} | {'; '.join(notes)} |"


def difference(name: str, found: np.ndarray, expected: np.ndarray, row: Row) -> list[str]:
    if found.shape != expected.shape:
        return [f"{name}: {found.size} values for {expected.size}"]
    error = float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-6))
    return [f"{name} differs by {error:.1e}"] if not error <= TOLERANCE[row.precision] else []


def torch_device(device: str) -> str:
    return "cuda" if device == "cuda" else "cpu"


def short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:80]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tapetum", required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--only", action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--largest", type=int, default=1 << 62, help="pixels of a picture at most")
    options = parser.parse_args()
    # As Tapetum: full f32 products where f32 is asked for.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    name = torch.cuda.get_device_name() if torch_device(options.device) == "cuda" else "the CPU"
    print(f"PyTorch {torch.__version__} on {name}; medians in ms over {options.rounds} turns\n")
    print("| work | size | numbers | Tapetum | PyTorch eager | PyTorch compiled | ratio | notes |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | --- |")
    for row in ROWS:
        is_wanted = not options.only or row.work in options.only
        if is_wanted and row.size[0] * row.size[1] <= options.largest:
            try:
                print(compare(row, options), flush=True)
            except Exception as error:
                print(f"| {row.work} | {row.size[0]}x{row.size[1]} | {row.precision} | {short(error)} |", flush=True)


if __name__ == "__main__":
    main()
