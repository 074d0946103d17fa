"""Slack, for incoming webhooks: blocks, and a text for notifications.

Limits: https://docs.slack.dev/reference/block-kit/blocks (50 blocks; header 150, section 3000
characters; 10 fields of 2000). Escaping: https://docs.slack.dev/messaging/formatting-message-text
"""

from typing import Any

import msgspec

from alerts.payloads import Payload

from .content import Content, Line, Section, content, plain, unlinked

MOST_BLOCKS = 50
LONGEST_HEADER = 150
LONGEST_TEXT = 3000
MOST_FIELDS = 10


def shape(payload: Payload) -> bytes:
    """Write a payload as a Slack message."""
    told = content(payload)
    fallback = escaped(plain(told.text, LONGEST_TEXT // 5))
    blocks = _blocks(told)
    if len(blocks) > MOST_BLOCKS:
        blocks = _blocks(unlinked(told))
    return msgspec.json.encode({"text": fallback, "blocks": blocks[:MOST_BLOCKS]})


def escaped(text: str) -> str:
    """Take the meaning from the three characters that Slack reads as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _blocks(told: Content) -> list[dict[str, Any]]:
    # A header is plain text: nothing in it is markup, and nothing is escaped.
    title = {"type": "plain_text", "text": plain(told.title, LONGEST_HEADER), "emoji": False}
    blocks = [{"type": "header", "text": title}, _section(escaped(told.text))]
    fields = [_field(name, value) for name, value in told.facts]
    blocks += [
        {"type": "section", "fields": fields[start : start + MOST_FIELDS]}
        for start in range(0, len(fields), MOST_FIELDS)
    ]
    for section in told.sections:
        blocks += [_section(text) for text in _texts(section)]
    return blocks


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _markup(text)}


def _markup(text: str) -> dict[str, Any]:
    # Verbatim: bare URLs and channel names in a headline stay text.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _field(name: str, value: str) -> dict[str, Any]:
    # 300 characters escape to 1500 at most; 2000 are the limit.
    return _markup(f"*{escaped(name)}*\n{escaped(plain(value))}")


def _texts(section: Section) -> list[str]:
    """Write a section as one text, or more where it is too long; no line is cut."""
    texts = [f"*{escaped(section.heading)}*"]
    for line in map(_line, section.lines):
        if len(texts[-1]) + 1 + len(line) > LONGEST_TEXT:
            texts.append(line)
        else:
            texts[-1] += "\n" + line
    return texts


def _line(line: Line) -> str:
    shown = f"<{escaped(line.link)}|{escaped(line.text)}>" if line.link else escaped(line.text)
    text = f"• {shown}" + (f" ({escaped(line.note)})" if line.note else "")
    if len(text) <= LONGEST_TEXT:
        return text
    return f"• {escaped(line.text)}"  # the link of 2000 characters, escaped, was too long
