"""The JSON Schemas for consumers in other languages."""

import json

from tests.wire.messages_of_every_kind import MESSAGES
from wire.messages import encode
from wire.schemas import FOLDER, file_name, rendered, write


def test_the_committed_schemas_are_current() -> None:
    """`python -m wire.schemas` writes what is in deploy/schemas."""
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}

    assert rendered() == committed


def test_writing_removes_what_is_gone(tmp_path) -> None:
    """A message that no longer exists leaves no schema behind."""
    (tmp_path / "gone.json").write_text("{}")
    write(tmp_path)

    assert set(rendered()) == {path.name for path in tmp_path.iterdir()}


def test_a_schema_names_what_its_message_has() -> None:
    """Every field that we write is described, and those that are required are written."""
    for message in MESSAGES:
        schema = json.loads(rendered()[file_name(type(message))])
        written = json.loads(encode(message))
        assert set(written) == set(schema["properties"])
        assert set(schema["required"]) <= set(written)
        assert "additionalProperties" not in schema
