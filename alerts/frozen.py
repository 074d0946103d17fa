"""The base of every setting of alerts."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A setting: read once, never changed, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
