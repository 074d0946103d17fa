"""What a call of the command line opens under its global options."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from .installation import Installation
    from .settings import Settings


def settings_of(context: typer.Context, **given: Any) -> "Settings":
    """Read the settings under the global options of this call."""
    from . import logs, settings

    logs.configure(context.obj["log_level"])
    return settings.load(context.obj["config"], home=context.obj["home"], **given)


@contextmanager
def installation_of(
    context: typer.Context, *, own_prefix: bool = False, **given: Any
) -> Iterator["Installation"]:
    """Open the installation of this call, and close what it opened."""
    from .installation import Installation

    with ExitStack() as stack:
        yield Installation(settings_of(context, **given), stack, own_prefix)
