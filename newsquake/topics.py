"""Topics of the desk's own, kept in the home: added, listed, removed."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from classifier import own_topics
from classifier.lines import read_csv
from classifier.own_topics import OwnTopic

from .errors import ConfigurationError
from .settings import Settings


def added(
    settings: Settings, name: str, description: str, examples: Path | None, ordinary: Path | None,
    column: str, share: float,
) -> OwnTopic:  # fmt: skip
    """Add a topic, or put another in the place of the one of that name; raises ConfigurationError.

    What runs reads the topics when it starts.
    """
    try:
        topic = msgspec.convert(
            {
                "name": name.strip(), "description": description.strip(), "share": share,
                "examples": _texts(examples, column), "ordinary": _texts(ordinary, column),
            },
            OwnTopic,
        )  # fmt: skip
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"topic {name!r}: {error}",
            f"at most {own_topics.MOST_EXAMPLES} examples, {own_topics.MOST_ORDINARY} ordinary texts,"
            " a share below 0.5",
        ) from error
    if topic.name in settings.taxonomy:
        raise ConfigurationError(f"{topic.name!r} is a topic of the model", "give it another name")
    others = [each for each in settings.own_topics if each.name != topic.name]
    own_topics.write(settings.topics_file, [*others, topic])
    return topic


def _texts(path: Path | None, column: str) -> tuple[str, ...]:
    return () if path is None else tuple(text for text in read_csv(path, column) if text.strip())


def removed(settings: Settings, name: str) -> None:
    """Remove a topic; raises ConfigurationError where there is none of that name."""
    left = [each for each in settings.own_topics if each.name != name]
    if len(left) == len(settings.own_topics):
        known = ", ".join(each.name for each in settings.own_topics) or "none"
        raise ConfigurationError(f"no topic {name!r} of your own", f"yours: {known}")
    own_topics.write(settings.topics_file, left)


def listed(settings: Settings) -> Sequence[str]:
    """Return a line for each topic, the model's first."""
    return [
        *settings.taxonomy,
        *(f"{each.name} (yours, {len(each.examples)} examples): {each.description}"
          for each in settings.own_topics),
    ]
