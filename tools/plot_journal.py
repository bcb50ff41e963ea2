"""Draws the journals of trainings: one small plot a term, and one for the scores of validations.

usage: python3 tools/plot_journal.py OUT.svg NAME=RUN/journal.jsonl [NAME=RUN/journal.jsonl ...]

Needs matplotlib. Terms are means over ten lines of the journal.
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "tapetum", "svg.fonttype": "none", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
import matplotlib.pyplot as plt  # noqa: E402

N_SMOOTHED = 10
LEFT_OUT = ("learning_rate",)


def read(path):
    terms, scores = {}, {}
    with open(path) as file:
        for line in map(json.loads, file):
            for name, value in line.get("terms", {}).items():
                terms.setdefault(name, []).append((line["step"], value))
            for name, values in line.get("scores", {}).items():
                if "psnr_db" in values or "mean_iou" in values:
                    value = values.get("psnr_db", values.get("mean_iou"))
                    scores.setdefault(name, []).append((line["step"], value))
    return terms, scores


def smoothed(points):
    values = [value for _, value in points]
    windows = [values[max(0, idx - N_SMOOTHED + 1) : idx + 1] for idx in range(len(values))]
    return [step for step, _ in points], [sum(window) / len(window) for window in windows]


def main(target, *named):
    runs = [(name, *read(path)) for name, path in (part.split("=", 1) for part in named)]
    terms = [name for name in runs[0][1] if name not in LEFT_OUT]
    sets = list(runs[0][2])
    panels = terms + sets
    n_columns = 3
    n_rows = -(-len(panels) // n_columns)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=(9, 1.9 * n_rows), squeeze=False)
    for axis, panel in zip(axes.flat, panels):
        for idx, (name, run_terms, run_scores) in enumerate(runs):
            color = f"C{idx}"
            if panel in sets:
                axis.plot(*zip(*run_scores.get(panel, [])), "o-", color=color, markersize=3, label=name)
            elif panel in run_terms:
                axis.plot(*smoothed(run_terms[panel]), color=color, linewidth=1.2, label=name)
        axis.set_title(panel + (", PSNR in dB" if panel in sets else ""), fontsize=8)
        axis.set_xlabel("step")
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    if len(runs) > 1:
        axes.flat[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
