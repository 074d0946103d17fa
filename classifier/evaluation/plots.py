"""Plots of an evaluation, as PNG bytes."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from . import measures
from .run import Judged

DPI = 110
SHORT = 22  # characters of a label beside a confusion matrix


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI)
    return out.getvalue()


def confusion(judged: Judged) -> bytes:
    """Draw true labels against answers; shades are shares of the true label."""
    used = sorted({*judged.truth.tolist(), *judged.probabilities.argmax(1).tolist()})
    names = [judged.labels[k][:SHORT] for k in used]
    counts = confusion_matrix(judged.truth, judged.probabilities.argmax(1), labels=used)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 2.6 + 0.34 * len(used)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes: Axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        dark = "white" if shares[row, column] > 0.5 else "black"  # noqa: PLR2004  legibility
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=dark)
    axes.set_xticks(range(len(used)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(used)), names, fontsize=7)
    axes.set_xlabel("answer")
    axes.set_ylabel("true label")
    return png(figure)


def reliability(judged: Judged) -> bytes:
    """Draw accuracy by confidence; the nearer the dots to the diagonal, the better calibrated."""
    sure, right, share = zip(*measures.reliability(judged.probabilities, judged.truth), strict=True)
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes: Axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
    axes.plot(sure, right, color="tab:blue", linewidth=1)
    axes.scatter(sure, right, s=[20 + 400 * each for each in share], color="tab:blue", alpha=0.7)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy (area: texts)")
    axes.set_title(f"ECE {measures.calibration_error(judged.probabilities, judged.truth):.3f}", fontsize=10)
    return png(figure)


def lengths(judged: Judged, tokens: Sequence[int]) -> bytes:
    """Draw accuracy by length: fifths of the texts, from the shortest to the longest."""
    order = np.argsort(tokens, kind="stable")
    right = judged.probabilities.argmax(1) == judged.truth
    fifths = [fifth for fifth in np.array_split(order, 5) if len(fifth)]
    names = [f"{tokens[fifth[0]]} to {tokens[fifth[-1]]}" for fifth in fifths]
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes: Axes = figure.subplots()
    axes.bar(range(len(fifths)), [right[fifth].mean() for fifth in fifths], color="tab:blue")
    axes.set_xticks(range(len(fifths)), names, fontsize=8)
    axes.set(ylim=(0, 1), xlabel="tokens", ylabel="accuracy")
    return png(figure)
