"""The settings: one TOML file and the environment, read once at the edge, then frozen.

Any setting has an environment variable: `NEWSQUAKE_` and its name, with `__` between a
section and its field (`NEWSQUAKE_INGEST__HEARTBEAT_S`). The environment wins over the file.
Defaults stand beside the code that they configure, in each stage's own `settings`.
"""

import tomllib
import uuid
from pathlib import Path
from typing import Any, Self

import msgspec
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from alerts.rules import Mention, Rule
from alerts.settings import AlertsSettings, Receiver, Watch
from classifier.manifest import SHIPPED
from classifier.own_topics import OwnTopic
from classifier.own_topics import read as read_topics
from classifier.settings import ClassifierSettings
from ingest.settings import IngestSettings, Source
from wire.log import RETAIN_S

from .errors import ConfigurationError


class KafkaOptions(BaseModel, frozen=True, extra="forbid"):
    """SASL and TLS options, passed to kafka-python as they are named there."""

    security_protocol: str | None = None
    sasl_mechanism: str | None = None
    sasl_plain_username: str | None = None
    sasl_plain_password: SecretStr | None = None
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: SecretStr | None = None
    ssl_check_hostname: bool | None = None

    def revealed(self) -> dict[str, Any]:
        """The options that are set, with their secrets in clear, for the client alone."""
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in self
            if value is not None
        }


class WebSettings(BaseModel, frozen=True, extra="forbid"):
    """Where the metrics, health and JSON endpoints listen; port 0 takes a free one.

    Who sends `token` as a bearer token may note actions on incidents; without it nobody may.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8321, ge=0, le=65535)
    token: SecretStr | None = Field(default=None, min_length=16)


class Settings(BaseSettings):
    """Everything that an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix="NEWSQUAKE_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    home: Path = Path("newsquake-home")
    log: str = Field(default="embedded", pattern=r"^(embedded|kafka://[^\s/]+)$")
    store: str | None = None
    stream_prefix: str | None = None
    kafka_options: KafkaOptions = KafkaOptions()
    ingest: IngestSettings = IngestSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    alerts: AlertsSettings = AlertsSettings()
    web: WebSettings = WebSettings()
    sources: tuple[Source, ...] = ()
    watches: tuple[Watch, ...] = Field(default=(), max_length=200)
    rules: tuple[Rule | Mention, ...] = ()
    receivers: tuple[Receiver, ...] = ()

    @field_validator("rules")
    @classmethod
    def _one_surge(cls, rules: tuple[Rule | Mention, ...]) -> tuple[Rule | Mention, ...]:
        if sum(rule.kind == "surge" for rule in rules) > 1:
            raise ValueError("at most one rule of kind surge")
        return rules

    @model_validator(mode="after")
    def _ids_outlive_the_log(self) -> Self:
        ids, held_s = self.alerts.retention.ids, self.ingest.retain_s or RETAIN_S
        if ids is not None and ids * 86_400 <= held_s:
            raise ValueError(
                f"alerts.retention.ids: {ids} days are not more than the {held_s / 86_400:g} that the log"
                " keeps a record (ingest.retain_s), and an article that came again would count twice"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order: command line, environment, file; nothing else is read."""
        file = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, file

    @property
    def desk(self) -> AlertsSettings:
        """What the alerts stage is told: its section, the watches, and the model's taxonomy.

        Topics that have no news yet are judged from the first day, and share the budget of
        false alarms. Raises ConfigurationError where a rule names a watch that there is not.
        """
        watches = self.watches or self.alerts.watches
        own = tuple(each.name for each in self.own_topics)
        topics = self.alerts.topics or (*self.taxonomy, *own)
        surge = [rule for rule in self.rules if isinstance(rule, Rule)]
        mentions = tuple(rule for rule in self.rules if isinstance(rule, Mention))
        named = {name for rule in mentions for name in rule.watches}
        if unknown := named - {watch.name for watch in watches}:
            raise ConfigurationError(
                f"a rule names watches that there are not: {', '.join(sorted(unknown))}",
                "add [[watches]] of these names, or correct the rule",
            )
        return self.alerts.model_copy(update={
            "watches": watches, "topics": topics, "rule": surge[0] if surge else self.alerts.rule,
            "mentions": mentions or self.alerts.mentions,
        })

    def ruled_by(self, other: "Settings") -> "Settings":
        """Return these settings with the rules of another file: what it says of alerts, watches, rules."""
        said = {name: getattr(other.alerts, name) for name in other.alerts.model_fields_set}
        named = [name for name in ("watches", "rules") if name in other.model_fields_set]
        values: dict[str, Any] = {name: getattr(other, name) for name in named}
        return self.model_copy(update={"alerts": self.alerts.model_copy(update=said), **values})

    @property
    def taxonomy(self) -> tuple[str, ...]:
        """The topics of the model's artifact; none where it cannot be read (loading it will say why)."""
        file = (self.classifier.model or SHIPPED) / "labels.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=Labels).topics
        except (OSError, msgspec.DecodeError):
            return ()

    @property
    def topics_file(self) -> Path:
        """Where the desk's own topics are kept."""
        return self.home / "topics.json"

    @property
    def own_topics(self) -> tuple[OwnTopic, ...]:
        """The desk's own topics, as they are kept now; raises InputError."""
        return read_topics(self.topics_file)

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL of the store; by default SQLite in the home."""
        return self.store or f"sqlite:///{self.home.absolute() / 'store.db'}"


def load(config: Path | None, **given: Any) -> Settings:
    """Read the settings; `given` are command-line values that win where not None.

    Raises ConfigurationError, which names each wrong setting; secrets are not shown.
    """

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    if config is not None and not config.is_file():
        raise ConfigurationError(f"no such file: {config}", "give --config a TOML file that exists")
    try:
        return FromFile(**{name: value for name, value in given.items() if value is not None})
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{config} is not TOML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(describe(error), "see the README, Settings") from error


def describe(error: ValidationError) -> str:
    """Say which settings are wrong and why, without their values (one may be a secret)."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False)
    )


class Labels(msgspec.Struct):
    """The part of an artifact's labels that we need."""

    topics: tuple[str, ...]


def home_id(home: Path) -> str:
    """The lasting short name of a home, made at its first use."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / "id"
    if not file.exists():
        fresh = file.with_suffix(".new")
        fresh.write_text(uuid.uuid4().hex[:12])
        fresh.rename(file)
    return file.read_text().strip()
