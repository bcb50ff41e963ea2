"""One peer with one work, in a process of its own, so that threads of one peer never wait for those of
another and each has its own peak of memory. Started by compare.py.

Its argument is the task as JSON. It answers with a line of JSON when it is ready, and then one for each
line on standard input, which holds a number of runs.
"""

import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from works import Task

PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "torch": "torch", "numba": "numba"}


def main() -> None:
    # What libraries print must not come between the lines.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    settings = json.loads(sys.argv[1])
    peer, output_path = settings.pop("peer"), settings.pop("output")
    task = Task(**settings | {"weights": Path(settings["weights"])})
    run, read = prepare(peer, task)
    np.save(output_path, read(run()))
    answer(answers, version=importlib.metadata.version(PACKAGES[peer]))
    for line in sys.stdin:
        run()
        milliseconds = [timed(run) for _ in range(int(line))]
        answer(answers, milliseconds=milliseconds, memory_peak_bytes=memory_peak_bytes())


def prepare(peer: str, task: Task):
    if peer == "torch":
        import with_torch

        return with_torch.prepare(task)
    if peer == "numba":
        import with_numba

        return with_numba.prepare(task)
    import with_onnx

    return getattr(with_onnx, f"prepare_{peer}")(task)


def timed(run) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def memory_peak_bytes() -> int | None:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0][1]) << 10 if lines else None


def answer(answers, **fields) -> None:
    print(json.dumps(fields), file=answers, flush=True)


if __name__ == "__main__":
    main()
