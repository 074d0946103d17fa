"""E-mail: one message of text and HTML, which a mail program threads by incident.

Message ids come from the outbox's ids, so a copy is known as one (RFC 5322, 3.6.4).
"""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from alerts.payloads import Payload

from .content import Content, Line, Section, content, plain

LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom, to whom, when; `first` is the incident's first message ("" for none before it)."""

    sender: str
    to: tuple[str, ...]
    date: datetime
    id: str
    first: str = ""


def shape(payload: Payload, envelope: Envelope) -> EmailMessage:
    """Write a payload as a mail; a line break in a title cannot become a header."""
    told = content(payload)
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = plain(f"[Newsquake] {told.title}: {told.text}", LONGEST_SUBJECT)
    mail["From"] = envelope.sender
    mail["To"] = ", ".join(envelope.to)
    mail["Date"] = format_datetime(envelope.date)
    mail["Message-ID"] = name(envelope.id, envelope.sender)
    if envelope.first and envelope.first != envelope.id:
        mail["In-Reply-To"] = mail["References"] = name(envelope.first, envelope.sender)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    mail.set_content(text(told), cte="base64")
    mail.add_alternative(html(told), subtype="html", cte="base64")
    return mail


def name(message_id: str, sender: str) -> str:
    """Name a message as mail does: our id at the sender's host."""
    return f"<{message_id}@{sender.rpartition('@')[2]}>"


def text(told: Content) -> str:
    """Lay it out for a terminal."""
    facts = [f"{name}: {value}" for name, value in told.facts]
    parts = [
        told.title, told.text, "\n".join(facts),
        *("\n".join([section.heading, *map(_text_line, section.lines)]) for section in told.sections),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _text_line(line: Line) -> str:
    note = f" ({line.note})" if line.note else ""
    return f"- {line.text}{note}" + (f"\n  {line.link}" if line.link else "")


def html(told: Content) -> str:
    """Lay it out for a mail program: no image, no script, no style from elsewhere."""
    facts = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in told.facts
    )
    return (
        '<!doctype html>\n<html><head><meta charset="utf-8"></head><body>\n'
        f"<h2>{escape(told.title)}</h2>\n<p>{escape(told.text)}</p>\n"
        + (f"<table>{facts}</table>\n" if facts else "")
        + "".join(map(_html_section, told.sections))
        + "</body></html>\n"
    )


def _html_section(section: Section) -> str:
    lines = "".join(f"<li>{_html_line(line)}</li>\n" for line in section.lines)
    return f"<h3>{escape(section.heading)}</h3>\n<ul>\n{lines}</ul>\n"


def _html_line(line: Line) -> str:
    shown = escape(line.text)
    if line.link:
        shown = f'<a href="{escape(line.link)}">{shown}</a>'
    return shown + (f" ({escape(line.note)})" if line.note else "")
