"""CSV files of labelled texts as tables: for training and for evaluation."""

from pathlib import Path

import pandas as pd

from .errors import ClassifierError


def read_table(path: Path, refuse: type[ClassifierError]) -> pd.DataFrame:
    """Read a CSV with at least one row, every cell as text ("NA" is a headline too).

    Raises `refuse`, with the place and a hint, at what is no such file.
    """
    try:
        table = pd.read_csv(path, keep_default_na=False, dtype=str, encoding="utf-8")
    except UnicodeDecodeError as error:
        raise refuse(f"{path}: not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise refuse(f"{path}: not a CSV: {error}", "one header line, then rows") from error
    if table.empty:
        raise refuse(f"{path}: no rows", "give at least one labelled text")
    return table
