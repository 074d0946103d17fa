"""How fast the model scores, and what it costs that a text's company changes nothing.

    python tests/bench/bench_classifier.py [--model DIR] [--texts N] [--threads N]

`plain` is what one would write first: one onnxruntime session with its own threads, batches of
32 as they come, padded to their longest; `by length` sorts them first, and is what ours would
be without its promise. Texts are `classifier/data/headlines_written.csv`. On a shared machine,
believe texts per core second.
"""

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from classifier.manifest import SHIPPED
from classifier.model import Model, article_text, load
from classifier.tokenizing import Tokens

DATA = Path(__file__).parents[2] / "classifier" / "data" / "headlines_written.csv"
Work = Callable[[Sequence[str]], object]


def plain(model: Model, threads: int, *, by_length: bool) -> Work:
    """Batches of 32, padded to the longest, on a session with threads of its own."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    path = model.artifact.folder / "model.onnx"
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(rows: Sequence[Tokens]) -> None:
        width = max(len(row.ids) for row in rows)
        ids = np.zeros((len(rows), width), np.int64)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row.ids)], mask[index, : len(row.ids)] = row.ids, 1
        session.run(None, {"input_ids": ids, "attention_mask": mask})

    def work(texts: Sequence[str]) -> None:
        prepared = model.prepare(texts)
        if by_length:
            prepared.sort(key=lambda row: len(row.ids))
        for start in range(0, len(prepared), 32):
            run(prepared[start : start + 32])

    return work


def in_chunks(model: Model, size: int) -> Work:
    """Our way, so many texts at a time (the stage takes 64, `classify` 256)."""

    def work(texts: Sequence[str]) -> None:
        for start in range(0, len(texts), size):
            model.score(texts[start : start + size])

    return work


def measure(name: str, work: Work, texts: Sequence[str]) -> None:
    """Print texts per second and per core second: the best of three."""
    work(texts[:32])
    rates = []
    for _ in range(3):
        wall, core = time.perf_counter(), time.process_time()
        work(texts)
        rates.append((time.perf_counter() - wall, time.process_time() - core))
    wall, core = (min(column) for column in zip(*rates, strict=True))
    print(f"  {name:34} {len(texts) / wall:7.1f} /s {len(texts) / core:7.1f} /core-s", flush=True)


def main() -> None:
    """Measure headlines, then titles with summaries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with DATA.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[: given.texts]
    headlines = [row["text"] for row in rows]
    whole = [article_text(row["text"], row["summary"]) for row in rows]
    with load(given.model, "onnx", given.threads) as ours, load(given.model, "onnx", 1) as alone:
        alone.alone()
        for name, texts in (("headlines", headlines), ("titles with summaries", whole)):
            tokens = [len(row.ids) for row in ours.prepare(texts)]
            print(f"{name}: {len(texts)} texts, {np.mean(tokens):.1f} tokens on average")
            for label, sort in (("plain, as they come", False), ("plain, by length", True)):
                measure(label, plain(ours, given.threads, by_length=sort), texts)
            measure("plain, by length, 1 thread", plain(ours, 1, by_length=True), texts)
            measure("ours, 256 at a time", in_chunks(ours, 256), texts)
            measure("ours, 64 at a time", in_chunks(ours, 64), texts)
            measure("ours, one text a batch, 1 thread", in_chunks(alone, 256), texts)


if __name__ == "__main__":
    main()
