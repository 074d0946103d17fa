"""The generic shape: the outbox's JSON, byte for byte. It alone is signed (Standard Webhooks)."""


def shape(payload: bytes) -> bytes:
    """Return the payload as it is; whatever it holds, it is the receiver's to read."""
    return payload
