"""JSON Schemas of the messages, for consumers in other languages.

`python -m wire.schemas` writes them into deploy/schemas/; a test says when they are stale.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from .messages import MESSAGES, Message

FOLDER = Path(__file__).parent.parent / "deploy" / "schemas"


def schema(message: type[Message]) -> dict[str, Any]:
    """Return one message's schema (JSON Schema 2020-12), whole in itself.

    It allows unknown fields, as our own reader does: a newer writer may add some.
    """
    (top,), definitions = msgspec.json.schema_components(
        [message], ref_template="#/$defs/{name}"
    )
    name = str(top["$ref"]).rpartition("/")[2]
    own = definitions.pop(name)
    for each in (own, *definitions.values()):
        each["description"] = inspect.cleandoc(each["description"])
    found: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **own}
    return found | {"$defs": definitions} if definitions else found


def file_name(message: type[Message]) -> str:
    """Return the name of a message's schema file: its tag on the wire."""
    return f"{message.__struct_config__.tag}.json"


def rendered() -> dict[str, str]:
    """Return the text of every schema file by its name."""
    return {file_name(each): json.dumps(schema(each), indent=2) + "\n" for each in MESSAGES}


def write(folder: Path) -> None:
    """Write every schema file, and remove those of messages that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = rendered()
    for stale in {path.name for path in folder.glob("*.json")} - wanted.keys():
        (folder / stale).unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
