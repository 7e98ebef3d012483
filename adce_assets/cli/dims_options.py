"""What the commands of `adce dims` share: how the metrics are opened and chosen, and how a value is written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from adce_assets.dims.metrics import Value
    from adce_assets.dims.place import Place
    from adce_assets.settings import Settings

    MissedTicks = Callable[[str, str, datetime], int]

DAYS = 30
LONGEST = 36_500

category = click.option("--category", multiple=True, metavar="NAME", help="Only this category; may be repeated.")
metric = click.option("--metric", multiple=True, metavar="ID", help="Only this metric; may be repeated.")
metric_arguments = click.argument("metrics", nargs=-1, metavar="[METRIC]...")
by = click.option("--by", metavar="NAME", default="adce dims", show_default=True, help="Who asks, for the history.")
days = click.option(
    "--days", type=click.IntRange(1, LONGEST), default=DAYS, show_default=True, help="Look back so many days."
)


@contextmanager
def opened() -> "Iterator[Place]":
    """Open the metrics of the installation, their values and their history, for the length of the block.

    Raises:
        ConfigurationError: it has none, or what is configured of them is faulty.
    """
    from adce_assets.dims.place import open_place
    from adce_assets.errors import ConfigurationError
    from adce_assets.loop.project import open_project
    from adce_assets.settings import load_settings

    settings = load_settings()
    if not settings.metrics_config_path.is_file():
        hint = "docs/dims.md shows what it says; the project's own may be copied"
        raise ConfigurationError("no metrics are configured", where=str(settings.metrics_config_path), hint=hint)
    with open_place(open_project(settings), missed_ticks=_missed_ticks(settings)) as place:
        yield place


def plain(value: "Value | None") -> str | None:
    """Write a value in full, so that it cannot steer a terminal: a table would cut the decimals of a float."""
    from adce_assets.errors import printable

    if value is None or isinstance(value, str):
        return value and printable(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def since(place: "Place", back: int) -> datetime:
    """Say when so many days ago was."""
    return place.project.clock() - timedelta(days=back)


def _missed_ticks(settings: "Settings") -> "MissedTicks | None":
    """Lend what knows Dagster's ticks, imported when a metric asks; None where nobody has named Dagster's home."""
    from adce_assets.settings import dagster_home

    home = dagster_home()
    if home is None or not home.is_dir():
        return None

    def missed(kind: str, name: str, begin: datetime) -> int:
        from adce_assets.defs.ticks import missed_here

        return missed_here(kind, name, begin, settings.clock, clock_stands=settings.clock_stands)

    return missed
