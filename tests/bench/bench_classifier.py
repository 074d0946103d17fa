"""How fast the model scores, beside what one would use otherwise: ratios, on the same texts in one run.

    python tests/bench/bench_classifier.py [--model DIR] [--texts N] [--threads N] [--infinity PYTHON]

The others compute the encoder that ours was trained from, as it is published, with one head (ours has
two) in torch: `transformers.pipeline` one text at a time, as its documentation shows it; batches of 32
by length, in fp32 and in bfloat16, which is what serving engines do inside; and such an engine,
infinity, where `--infinity` names a Python that has it (it wants an older numpy than ours). All begin
with strings. Ours are asked in chunks of 512, as `classify` does, and of 256, as the stage does.
Rounds are taken in turn, so that a busy neighbour slows all alike; the best of three counts. Texts
are `classifier/data/headlines_papers.csv`, with their summaries.
"""

import argparse
import csv
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    pipeline,
)

from classifier.manifest import SHIPPED
from classifier.model import Model, article_text, load
from classifier.training.encoder import path_of

DATA = Path(__file__).parents[2] / "classifier" / "data" / "headlines_papers.csv"
ROUNDS, BATCH, LATENCIES = 3, 32, 300
Work = Callable[[Sequence[str]], object]


def usual(path: str) -> tuple[Any, PreTrainedTokenizerBase]:
    """The encoder as it is published, as a classifier of transformers, and its tokenizer."""
    network = AutoModelForSequenceClassification.from_pretrained(path, num_labels=20)
    return network.eval(), AutoTokenizer.from_pretrained(path, model_max_length=128)


def by_length(network: Any, tokenizer: Any, kind: torch.dtype) -> Work:
    """Batches of 32 texts of like length in torch."""
    def work(texts: Sequence[str]) -> None:
        order = sorted(texts, key=len)
        with torch.inference_mode(), torch.autocast("cpu", kind, enabled=kind != torch.float32):
            for start in range(0, len(order), BATCH):
                batch = tokenizer(order[start:start + BATCH], padding=True, truncation=True,
                                  return_tensors="pt", return_token_type_ids=False)
                network(**batch).logits.float().numpy()
    return work


def one_by_one(network: Any, tokenizer: Any) -> Work:
    """The pipeline of transformers, text after text."""
    made = pipeline("text-classification", model=network, tokenizer=tokenizer, device=-1)
    return lambda texts: [made(text, truncation=True) for text in texts]


@contextmanager
def infinity(python: str, path: str, kind: str) -> Iterator[Work]:
    """The engine of infinity in a process of its own: a line of JSON in, an empty line when it is done."""
    command = [python, str(Path(__file__).with_name("infinity_engine.py")), path, kind]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None

        def work(texts: Sequence[str]) -> None:
            engine.stdin.write(f"{json.dumps(list(texts))}\n")
            engine.stdin.flush()
            while (line := engine.stdout.readline()) != "done\n":
                assert line, f"{python} ended: does it have infinity-emb[torch]?"

        work(["warm"])
        yield work
        engine.stdin.close()


def in_chunks(model: Model, size: int) -> Work:
    """Ours, so many texts at a time."""
    return lambda texts: [model.score(texts[k:k + size]) for k in range(0, len(texts), size)]


def measure(works: dict[str, tuple[Work, int]], texts: Sequence[str]) -> dict[str, float]:
    """Texts a second of each, the best of the rounds; a slow one is given only so many of the texts."""
    best = dict.fromkeys(works, 0.0)
    for _ in range(ROUNDS):
        for name, (work, most) in works.items():
            given = texts[:: max(1, len(texts) // most)]
            begun = time.perf_counter()
            work(given)
            best[name] = max(best[name], len(given) / (time.perf_counter() - begun))
    return best


def latencies(model: Model, texts: Sequence[str]) -> tuple[float, float]:
    """Median and 99th percentile of the milliseconds that one headline takes by itself."""
    taken = []
    for text in texts[:LATENCIES]:
        begun = time.perf_counter()
        model.score([text])
        taken.append(1000 * (time.perf_counter() - begun))
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 99))


def main() -> None:
    """Measure, and print rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--texts", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--infinity", metavar="PYTHON", default="")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with DATA.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[: given.texts]
    texts = [article_text(row["text"], row["summary"]) for row in rows]
    path = path_of(json.loads((given.model / "recipe.json").read_text())["encoder"])
    network, tokenizer = usual(path)
    half = usual(path)[0].to(torch.bfloat16)
    with (ExitStack() as engines, load(given.model, "onnx", given.threads) as whole,
          load(given.model, "onnx-int8", given.threads) as int8):
        tokens = [len(row.ids) for row in whole.prepare(texts)]
        print(f"{len(texts)} texts, {np.mean(tokens):.1f} tokens on average, {given.threads} threads")
        rates = measure({
            "transformers pipeline, one by one": (one_by_one(network, tokenizer), 256),
            "torch fp32, 32 by length": (by_length(network, tokenizer, torch.float32), 512),
            "torch bfloat16, 32 by length": (by_length(half, tokenizer, torch.bfloat16), 1024),
            **{f"infinity, {kind}": (engines.enter_context(infinity(given.infinity, path, kind)), 1024)
               for kind in ("float32", "bfloat16") if given.infinity},
            "onnx, 512 at a time": (in_chunks(whole, 512), 1024),
            "onnx-int8, 256 at a time": (in_chunks(int8, 256), 1024),
            "onnx-int8, 512 at a time": (in_chunks(int8, 512), 1024),
        }, texts)
        first = next(iter(rates.values()))
        for name, rate in rates.items():
            print(f"  {name:36} {rate:7.0f} /s {rate / first:6.2f} x")
        for model in (whole, int8):
            median, worst = latencies(model, [row["text"] for row in rows])
            print(f"  {model.backend_name}: one headline alone {median:.1f} ms, p99 {worst:.1f} ms")


if __name__ == "__main__":
    main()
