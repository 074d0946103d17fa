"""Alerts as the outbox holds them, and a server's side of TLS."""

import ssl
from datetime import UTC, datetime, timedelta

from alerts.payloads import Brief, Group, Mover, Passed, Sources
from wire.messages import Alert, Counterfactual, Evidence, Incident, Leader, Proof

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def headline(title="Bank fails", link="https://news.example/1", source="wire"):
    return Evidence(title=title, link=link, source=source, observed_at=NOON, negative=0.9)


PROOF = Proof(
    window_s=3600, factor=7.0, baseline_weeks=6.0, negative_share=0.5, negative_share_before=0.1,
    origins=9, sources=(Leader(name="wire", stories=4),), watches=(Leader(name="Example Bank", stories=3),),
    counterfactual=Counterfactual(fires_from=9, without=("a",)),
)


BANK = headline()


def alert(event="opened", evidence=(BANK,), name="inc_1", text="", feedback=None, **about):
    ended = NOON + timedelta(hours=2) if event == "resolved" else None
    about = {"topic": "Legal", "watch": None, "severity": "critical", "proof": PROOF} | about
    incident = Incident(
        id=name, state="resolved" if ended else "open", provisional=False, opened_at=NOON,
        resolved_at=ended, observed=14, expected=2.0, surprise_weeks=40.0, evidence=evidence, **about,
    )
    return Alert(event=event, incident=incident, text=text or f"CRITICAL {name}", feedback=feedback or {})


def group(alerts):
    return Group(text=f"{len(alerts)} alerts at once", alerts=tuple(alerts))


BRIEF = Brief(
    day="2026-11-02", zone="Europe/Zurich", since=NOON - timedelta(days=1), until=NOON,
    text="1 incident", model="newsquake-minilm-4",
    incidents=(Passed(id="inc_1", name="Legal", state="open", severity="warning", opened_at=NOON,
                      resolved_at=None, observed=9, expected=2.0, headline=headline()),),
    movers=(Mover(watch="Example Bank", articles=8, negative=6, usual=1.5, negative_share=0.75),),
    sources=Sources(sources=41, failing=("Wire",), worst_share=0.05, unwatched_minutes=15),
)


def context_of(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context
