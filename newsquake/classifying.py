"""`newsquake classify`: texts in, one JSON object a line out, in the same order and number."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from classifier import lines
from classifier.model import load

from .settings import Settings


def texts_of(
    texts: list[str] | None, csv: Path | None, column: str | None, stdin: BinaryIO
) -> Iterator[str]:
    """The texts of the arguments, of the CSV's column, or of stdin, one a line."""
    if csv is not None and column is not None:
        return lines.read_csv(csv, column)
    return iter(texts) if texts else lines.read_lines(stdin)


def write(settings: Settings, texts: Iterable[str], out: BinaryIO) -> None:
    """Score the texts in bounded memory and write a line for each as it is ready."""
    chosen = settings.classifier
    model = load(chosen.model, chosen.backend, chosen.threads, settings.own_topics)
    encode = msgspec.json.Encoder().encode
    out.writelines(encode(scored) + b"\n" for scored in lines.classify(texts, model))
    out.flush()
