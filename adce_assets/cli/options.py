"""Options that several commands share, declared once so that they read and behave alike."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from adce_assets.errors import AdceError

if TYPE_CHECKING:
    from adce_assets.loop.state import State

CommandT = TypeVar("CommandT", bound=Callable[..., None])

PRIORITIES = ("critical", "high", "medium", "low")
"""As in the settings, which are not imported here: `adce --help` must not wait for them."""

MOST_LISTED = 20
"""Names that an error lists; of more it gives the first and the last few."""

only_computed = click.option("--dry-run", is_flag=True, help="Compute everything, and start no collecting by itself.")
on_trial = click.option("--test-mode", is_flag=True, help="On trial: come round quickly, and collect little.")
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


def refuse_unknown(files: "State", **wanted: str | None) -> None:
    """Raise AdceError for a source, season or data type that no cell of the last reconciliation has.

    A name with a typo would otherwise look like a lake without gaps. A data type is looked for in the source asked for.
    """
    from adce_assets.loop.state import COVERAGE

    asked = {name: value for name, value in wanted.items() if value is not None}
    cells = files.read_json(COVERAGE)["cells"] if asked else []
    for name, value in asked.items():
        among = chosen(cells, source=asked.get("source")) if name == "data_type" else cells
        known = sorted({cell[name] for cell in among})
        if value not in known:
            raise _unknown(name, value, known)


def seasons(files: "State", asked: str | None, source: str | None) -> Callable[[str], bool]:
    """Tell which seasons are within a range; AdceError for one that is not written so, or of which no cell is known."""
    from adce_assets.contract.seasons import WHOLE_HISTORY, Season, SeasonRange

    if asked is None or ".." not in asked:
        refuse_unknown(files, source=source, season=asked)
        return lambda label: asked in {None, label}
    refuse_unknown(files, source=source)
    try:
        within = SeasonRange.parse(asked)
    except ValueError as error:
        valid = "such as 1996-97..2003-04, 2020-21.. or ..1999-00"
        raise AdceError(str(error), where="--season", valid=valid) from error
    return lambda label: label != WHOLE_HISTORY and Season.parse(label) in within


def _unknown(name: str, value: str, known: Sequence[str]) -> AdceError:
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    listed = known if len(known) <= MOST_LISTED else [*known[:3], "...", *known[-3:]]
    what = f"the last reconciliation knows no {name.replace('_', ' ')} `{value}`"
    return AdceError(
        (_no_season(value) if name == "season" else None) or what,
        where=f"--{name.replace('_', '-')}",
        valid=", ".join(listed),
        hint=f"did you mean `{near[0]}`?" if near else "",
    )


def _no_season(label: str) -> str | None:
    """Say what is wrong with a label that is none of a season, None when it is one."""
    from adce_assets.contract.seasons import WHOLE_HISTORY, Season

    if label == WHOLE_HISTORY:
        return None
    try:
        Season.parse(label)
    except ValueError as error:
        return str(error)
    return None
