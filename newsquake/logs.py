"""Logging: structlog events on stderr, JSON lines unless a person watches the terminal."""

import logging
import sys

import structlog


def configure(level: str = "info") -> None:
    """Send every event of ours, and the libraries' warnings, to stderr."""
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    for chatty in ("kafka", "httpx2", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
