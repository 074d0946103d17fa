"""Microsoft Teams: an adaptive card in the envelope that incoming webhooks and workflows take.

Text that strangers wrote stands in text runs, which know no Markdown.
https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
https://adaptivecards.io/explorer/TextRun.html
"""

from typing import Any

import msgspec

from alerts.payloads import Payload

from .content import Content, Line, Section, content, unlinked

LARGEST_BYTES = 28 * 1024  # of the whole message
VERSION = "1.4"
_SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
_CARD = "application/vnd.microsoft.card.adaptive"


def shape(payload: Payload) -> bytes:
    """Write a payload as a Teams message that is not too large.

    Where there is no room the links go first, then lines from the end, which are counted.
    """
    told = content(payload)
    lines = sum(len(section.lines) for section in told.sections)
    whole = _message(told, lines, lines)
    if len(whole) <= LARGEST_BYTES:
        return whole
    bodies = (_message(unlinked(told), kept, lines) for kept in _fewer(lines))
    return next(body for body in bodies if len(body) <= LARGEST_BYTES)


def _fewer(lines: int) -> list[int]:
    """How many lines to try to keep: all, then fewer, at last none (which always fits)."""
    steps = [lines * part // 8 for part in range(8, 0, -1)]
    return [*steps, 0]


def _message(told: Content, kept: int, lines: int) -> bytes:
    card = {
        "$schema": _SCHEMA, "type": "AdaptiveCard", "version": VERSION,
        "msteams": {"width": "Full"}, "body": _body(told, kept, lines),
    }  # fmt: skip
    attachment = {"contentType": _CARD, "contentUrl": None, "content": card}
    return msgspec.json.encode({"type": "message", "attachments": [attachment]})


def _body(told: Content, kept: int, lines: int) -> list[dict[str, Any]]:
    body = [
        _runs([{**_run(told.title), "size": "Large", "weight": "Bolder"}]),
        _runs([_run(told.text)]),
        *(_runs([{**_run(f"{name}: "), "weight": "Bolder"}, _run(value)]) for name, value in told.facts),
    ]
    left = kept
    for section in told.sections:
        body += _section(section, left)
        left = max(0, left - len(section.lines))
    if lines > kept:
        body.append(_runs([_run(f"and {lines - kept} more")]))
    return body


def _section(section: Section, most: int) -> list[dict[str, Any]]:
    if not most:
        return []
    heading = {**_runs([{**_run(section.heading), "weight": "Bolder"}]), "separator": True}
    return [heading, *map(_line, section.lines[:most])]


def _line(line: Line) -> dict[str, Any]:
    text = _run(line.text)
    if line.link:
        text["selectAction"] = {"type": "Action.OpenUrl", "url": line.link}
    note = [{**_run(f" ({line.note})"), "isSubtle": True}] if line.note else []
    return _runs([text, *note])


def _runs(inlines: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": inlines}


def _run(text: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": text}
