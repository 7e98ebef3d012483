"""Options that several commands share, declared once so that they read and behave alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., None])

PRIORITIES = ("critical", "high", "medium", "low")
"""As in the settings, which are not imported here: `adce --help` must not wait for them."""

as_json = click.option("--json", "as_json", is_flag=True, help="Write one JSON object (with `schema`: 1) to stdout.")
source = click.option("--source", metavar="NAME", help="Only this source.")
season = click.option("--season", metavar="LABEL", help="Only this season, such as 2024-25.")
data_type = click.option("--data-type", metavar="NAME", help="Only this data type.")
priority = click.option(
    "--priority", type=click.Choice(PRIORITIES, case_sensitive=False), help="Only gaps of this priority."
)


def gap_filters(command: CommandT) -> CommandT:
    """Add the options that choose gaps or tasks: priority, source, season."""
    return priority(source(season(command)))


def chosen(rows: Sequence[Mapping[str, Any]], **wanted: str | None) -> list[Mapping[str, Any]]:
    """Keep the rows that have every wanted value; None wants nothing."""
    asked = {name: value for name, value in wanted.items() if value is not None}
    return [row for row in rows if all(row[name] == value for name, value in asked.items())]
