"""What the desk decides: watches, receivers and how often it may be woken for nothing."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class Frozen(BaseModel):
    """A setting: read once, never changed, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Watch(Frozen):
    """A named entity and the names under which headlines speak of it."""

    name: str = Field(min_length=1, max_length=200)
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases, each once."""
        return tuple(dict.fromkeys(text for text in (self.name, *self.aliases) if text.strip()))


class Rule(Frozen):
    """What raises an alert: `surge` judges volume against its normal band."""

    kind: Literal["surge"] = "surge"
    min_stories: int = Field(default=4, ge=2)


class Receiver(Frozen):
    """Where alerts go. The secret is base64, with or without the prefix `whsec_`."""

    name: str = Field(min_length=1, max_length=200)
    url: str
    secret: SecretStr
    kind: Literal["webhook"] = "webhook"


class AlertsSettings(Frozen):
    """How to count and judge.

    `false_alarms_per_week` is for the whole desk and shared out over its keys. `topics`
    names the taxonomy, so that rare topics have a baseline from the first day; topics that
    appear later join. A hop of more than `blind_after_s` between heartbeats was not watched.
    """

    false_alarms_per_week: float = Field(default=1.0, gt=0)
    topics: tuple[str, ...] = ()
    watches: tuple[Watch, ...] = Field(default=(), max_length=200)
    rule: Rule = Rule()
    allowed_lateness_s: int = Field(default=0, ge=0)
    blind_after_s: int = Field(default=900, ge=300)
    batch_articles: int = Field(default=500, ge=1)
    batch_wait_s: float = Field(default=0.5, ge=0)
    buckets_per_transaction: int = Field(default=288, ge=1)
    lease_s: float = Field(default=10.0, gt=0)
    backoff_s: float = Field(default=0.5, gt=0)

    @field_validator("watches")
    @classmethod
    def _one_name_each(cls, watches: tuple[Watch, ...]) -> tuple[Watch, ...]:
        names = [watch.name for watch in watches]
        if len(names) != len(set(names)):
            raise ValueError("two watches have the same name")
        return watches
