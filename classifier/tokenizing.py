"""Any string to token ids, in bounded time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from .errors import ArtifactError
from .manifest import RESTORE
from .texts import without_links

# A token of English financial news has 4.5 characters; spaces and unknown words may need more.
CHARACTERS_PER_TOKEN = 32


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as the model reads it; `truncated` where the model does not see its end."""

    ids: tuple[int, ...]
    truncated: bool


class Tokenizing:
    """A tokenizer that takes any string and returns at most `most` tokens for it."""

    def __init__(self, path: Path, most: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise ArtifactError(f"{path} cannot be read: {error}", RESTORE) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(most)
        self._characters = most * CHARACTERS_PER_TOKEN

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of each text, in order; refuses nothing.

        A long text is cut by characters first, so that ten megabytes cost what a page costs.
        """
        cut = [without_links(text[: self._characters]) for text in texts]
        encodings = self._tokenizer.encode_batch([_encodable(text) for text in cut])
        return [
            Tokens(tuple(found.ids), bool(found.overflowing) or self._drops(text))
            for text, found in zip(texts, encodings, strict=True)
        ]

    def _drops(self, text: str) -> bool:
        return len(text) > self._characters and not text[self._characters :].isspace()


def _encodable(text: str) -> str:
    """Return the text with surrogates paired where they are a pair, else replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
