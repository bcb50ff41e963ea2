"""Times Tapetum beside ONNX Runtime, OpenVINO, PyTorch and numba: the same work, weights and threads, in
turns, so that all of them meet the same machine.

    python tools/peers/compare.py --tapetum target/release/tapetum [--only scl-lle] [--rounds 7]

README.md beside it says how to install the peers and how to read the table.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
# Between two contestants: threads that wait by spinning have gone to sleep by then.
PAUSE_SECONDS = 0.2
# A middle half of the runs that spans more of the median than this says nothing.
SPREAD_MAX = 0.25
START, END = "<!-- table -->", "<!-- /table -->"
PEERS = ("onnxruntime", "openvino", "torch", "numba")


@dataclass
class Row:
    """One work, those it is compared with, and how many times faster than the best of them it is to be."""

    work: str
    size: tuple[int, int]
    precision: str
    peers: tuple[str, ...]
    target: float = 1.0
    # Runs of each contestant in a round.
    n_runs: int = 5
    # Largest difference from a peer's output, as a share of the largest value.
    tolerance: float = 1e-4
    # The row of peak memory that is made of the same runs.
    with_memory: bool = False

    @property
    def weights(self) -> str:
        """The file of the network that the work is about, if it is about one."""
        return f"{self.work.removesuffix('-train')}.safetensors"

    @property
    def title(self) -> str:
        return f"{self.work} {self.size[0]}x{self.size[1]} {self.precision}"


F32, BF16 = "f32", "bf16"
SMALL = (256, 256)
ALL, BFLOAT, BOTH = ("onnxruntime", "openvino", "torch"), ("openvino", "torch"), ("onnxruntime", "torch")
# Every number is rounded to 8 bits before it is multiplied; what eight layers make of that.
ROUNDED = 0.05
ROWS = [
    Row("scl-lle", (600, 400), F32, ALL, target=1.15),
    Row("scl-lle", (600, 400), BF16, BFLOAT, target=2.5, tolerance=ROUNDED),
    Row("scl-lle", (1920, 1080), F32, ALL, target=1.15, n_runs=2, with_memory=True),
    Row(
        "scl-lle",
        (1920, 1080),
        BF16,
        BFLOAT,
        target=2.5,
        n_runs=2,
        tolerance=ROUNDED,
        with_memory=True,
    ),
    Row("conv3x3", SMALL, F32, ("onnxruntime",)),
    Row("conv3x3", SMALL, BF16, ("openvino",), target=1.3, tolerance=ROUNDED),
    Row("conv1x1", SMALL, F32, BOTH, n_runs=15),
    Row("depthwise3x3", SMALL, F32, BOTH, n_runs=25),
    Row("bilinear", SMALL, F32, BOTH, n_runs=25),
    Row("layer-norm", SMALL, F32, BOTH, n_runs=25),
    Row("selective-scan", SMALL, F32, ("numba", "torch"), target=5.0, n_runs=3),
    Row("semi-llie", (600, 400), F32, ("torch",), target=3.0, n_runs=1, tolerance=1e-3),
    Row("lacr-vae", (600, 400), F32, ("onnxruntime", "openvino"), n_runs=2, tolerance=1e-3),
    Row("collaba-s-x2", (600, 400), F32, ("onnxruntime", "openvino"), n_runs=1, tolerance=1e-3),
    # The loss drifts by a little each step, and not all have made as many.
    Row("scl-lle-train", SMALL, F32, ("torch",), target=1.3, n_runs=2, tolerance=0.02),
    Row("scl-lle-train", SMALL, BF16, ("torch",), n_runs=2, tolerance=0.02),
]


@dataclass
class Contestant:
    """Who is timed, and what was found."""

    name: str
    milliseconds: list[float] = field(default_factory=list)
    memory_peak_bytes: int = 0
    # Why there is no figure.
    problem: str | None = None

    def add(self, found: dict) -> None:
        self.milliseconds += found["milliseconds"]
        self.memory_peak_bytes = max(self.memory_peak_bytes, found["memory_peak_bytes"] or 0)

    @property
    def is_steady(self) -> bool:
        if len(self.milliseconds) < 4:
            return True
        low, _, high = quantiles(self.milliseconds, n=4, method="inclusive")
        return high - low <= SPREAD_MAX * median(self.milliseconds)


class Tapetum(Contestant):
    """The program, started anew for each round."""

    def __init__(self, row: Row, options: argparse.Namespace):
        super().__init__("tapetum")
        size = f"{row.size[0]}x{row.size[1]}"
        self.command = [str(options.tapetum), "--quiet", "bench", row.work, "--json", "--size", size]
        self.command += ["--precision", row.precision, "--threads", str(options.threads)]
        self.n_runs = row.n_runs

    def start(self, output: Path) -> None:
        """Runs once for the output."""
        self.call(["--runs", "1", "--dump", str(output)])

    def time(self) -> None:
        self.add(json.loads(self.call(["--runs", str(self.n_runs)])))

    def call(self, arguments: list[str]) -> str:
        found = subprocess.run(self.command + arguments, capture_output=True, text=True)
        # Unsteady times come with a failure and are judged here, over all rounds.
        if not found.stdout.startswith("{"):
            raise Failed(last_line(found.stderr))
        return found.stdout

    def stop(self) -> None:
        pass


class Peer(Contestant):
    """A peer in a process that lasts over all rounds."""

    def __init__(self, name: str, row: Row, options: argparse.Namespace):
        super().__init__(name)
        self.settings = {"peer": name, "work": row.work, "precision": row.precision}
        self.settings |= {"width": row.size[0], "height": row.size[1]}
        self.settings |= {"n_threads": options.threads, "weights": str(options.models / row.weights)}
        self.n_runs = row.n_runs
        self.errors = tempfile.TemporaryFile("w+")
        self.process = None

    def start(self, output: Path) -> None:
        settings = json.dumps(self.settings | {"output": str(output)})
        # -B: no compiled files beside the sources.
        command = [sys.executable, "-B", str(Path(__file__).with_name("worker.py")), settings]
        threads = str(self.settings["n_threads"])
        environment = os.environ | {"OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)
        self.answer()

    def time(self) -> None:
        self.process.stdin.write(f"{self.n_runs}\n")
        self.process.stdin.flush()
        self.add(self.answer())

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise Failed(last_line(self.errors.read()))
        return json.loads(line)

    def stop(self) -> None:
        if self.process:
            self.process.stdin.close()
            self.process.wait()
        self.errors.close()


class Failed(Exception):
    """A contestant cannot take part."""


def main() -> None:
    options = parse()
    rows = [row for row in ROWS if not options.only or row.work in options.only]
    load_before = os.getloadavg()[0]
    lines, n_missed, n_wrong = [], 0, 0
    for row in rows:
        tell(row.title)
        contestants = measure(row, options)
        n_wrong += sum(map(is_different, contestants))
        found = [time_line(row, contestants)] + [memory_line(row, contestants)] * row.with_memory
        n_missed += sum(not line.endswith("met |") for line in found)
        lines += found
    heading = ["work", "Tapetum", *PEERS, "best peer / Tapetum", "target", ""]
    table = [cells(heading), cells(["---"] + ["---:"] * (len(heading) - 2) + ["---"]), *lines]
    page = "\n".join([machine_line(options, load_before), "", *table])
    print(page)
    if options.markdown:
        write_between_marks(options.markdown, page)
    tell(f"{len(lines)} rows, {n_missed} without the target met, {n_wrong} outputs that differ")
    sys.exit(1 if n_wrong else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--tapetum", type=Path, required=True, help="the program, built with --release")
    models = ROOT / "models"
    parser.add_argument("--models", type=Path, default=models, help="the weights inside the program")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    works = sorted({row.work for row in ROWS})
    parser.add_argument("--only", action="append", choices=works, metavar="WORK", help=", ".join(works))
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the table between the marks of this page"
    )
    options = parser.parse_args()
    options.tapetum = options.tapetum.resolve()
    if not 1 <= options.rounds <= 100:
        parser.error(f"expected 1 to 100 rounds, got {options.rounds}")
    if not options.tapetum.is_file():
        parser.error(f"{options.tapetum}: no such program; build it with cargo build --release")
    if options.markdown and options.only:
        parser.error("--markdown writes the whole table; leave --only out")
    if options.markdown and START not in options.markdown.read_text():
        parser.error(f"{options.markdown}: no mark {START}")
    return options


def measure(row: Row, options: argparse.Namespace) -> list[Contestant]:
    """Starts all contestants, compares their outputs and times them in turns."""
    contestants = [Tapetum(row, options)]
    contestants += [Peer(name, row, options) for name in row.peers]
    with tempfile.TemporaryDirectory() as folder:
        outputs = {one.name: Path(folder) / f"{one.name}.npy" for one in contestants}
        attempt(contestants, lambda one: one.start(outputs[one.name]))
        if not contestants[0].problem:
            ours = np.fromfile(outputs["tapetum"], dtype="<f4")
            for peer in contestants[1:]:
                if not peer.problem:
                    peer.problem = difference(row, ours, np.load(outputs[peer.name]).ravel())
    try:
        for _ in range(options.rounds):
            attempt(contestants, lambda one: one.time())
    finally:
        for one in contestants:
            one.stop()
    for one in contestants:
        if one.problem:
            tell(f"  {one.name}: {one.problem}")
    return contestants


def attempt(contestants: list[Contestant], action) -> None:
    for one in contestants:
        if one.problem:
            continue
        try:
            action(one)
        except Failed as failed:
            one.problem = f"skipped: {failed}"
        time.sleep(PAUSE_SECONDS)


def difference(row: Row, ours: np.ndarray, theirs: np.ndarray) -> str | None:
    if ours.shape != theirs.shape:
        return f"the output differs: {theirs.size} values, not {ours.size}"
    largest = float(np.abs(ours - theirs).max())
    allowed = row.tolerance * float(np.abs(theirs).max())
    tell(f"  largest difference {largest:.1e}, allowed {allowed:.1e}")
    # NaN is not below anything.
    return None if largest < allowed else f"the output differs by {largest:.1e}"


def time_line(row: Row, contestants: list[Contestant]) -> str:
    figures = {one.name: median(one.milliseconds) for one in contestants if one.milliseconds}
    texts = {one.name: time_text(one) for one in contestants}
    # Whoever is unsteady or computes something else may be the fastest: without him, nobody is.
    is_comparable = all(one.is_steady and not is_different(one) for one in contestants)
    return line(row, row.title + ", ms", figures if is_comparable else {}, texts)


def memory_line(row: Row, contestants: list[Contestant]) -> str:
    figures = {one.name: one.memory_peak_bytes / 2**20 for one in contestants if not one.problem}
    texts = {name: f"{figure:.0f}" for name, figure in figures.items()}
    return line(row, row.title + ", peak MiB", figures, texts)


def is_different(one: Contestant) -> bool:
    return "differs" in (one.problem or "")


def time_text(one: Contestant) -> str:
    if one.problem:
        return "differs" if is_different(one) else "–"
    figure = median(one.milliseconds)
    digits = f"{figure:#.3g}".rstrip(".") if figure < 1000 else f"{figure:.0f}"
    return digits if one.is_steady else f"{digits} unsteady"


def line(row: Row, title: str, figures: dict[str, float], texts: dict[str, str]) -> str:
    ratio, verdict = "–", "not measured"
    peers = [figures[name] for name in row.peers if name in figures]
    if "tapetum" in figures and peers:
        share = min(peers) / figures["tapetum"]
        ratio, verdict = f"{share:.2f}", "met" if share >= row.target else "missed"
    names = ["tapetum", *PEERS]
    found = [texts.get(name, "–") if name in ("tapetum", *row.peers) else "" for name in names]
    return cells([title, *found, ratio, f"{row.target:.2f}", verdict])


def cells(texts: list[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def machine_line(options: argparse.Namespace, load_before: float) -> str:
    from importlib.metadata import version

    versions = ", ".join(f"{name} {version(name)}" for name in PEERS)
    program = subprocess.run([options.tapetum, "--version"], capture_output=True, text=True)
    return (
        f"{cpu_name()}, {os.cpu_count()} cores, {options.threads} threads each; load average "
        f"{load_before:.2f} before and {os.getloadavg()[0]:.2f} after; {program.stdout.strip()}, "
        f"{versions}; {datetime.date.today()}; medians of {options.rounds} rounds."
    )


def cpu_name() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown CPU"
    names = [line.partition(":")[2].strip() for line in facts if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write_between_marks(path: Path, page: str) -> None:
    before, _, rest = path.read_text().partition(START)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{START}\n{page}\n{END}{after}")


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it ended without a word"])[-1].removeprefix("error: ")


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
