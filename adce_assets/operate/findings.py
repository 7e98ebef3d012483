"""Examinations in, findings out: each says what it looked at, how that stands, and which command mends it.

An examination is a function of an installation. One that fails in a way nobody thought of is a finding too, and the
others are made all the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from adce_assets.errors import AdceError, printable


class Standing(StrEnum):
    """How something stands, best first."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What an examination found.

    Attributes:
        name: Of the examination.
        standing: How it stands.
        what: That, in a line.
        hint: What to do, as a rule a command; empty where there is nothing to do.
    """

    name: str
    standing: Standing
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What an examination says before it has a name."""

    standing: Standing
    what: str
    hint: str = ""


def ok(what: str) -> Said:
    """Say that something is as it should be."""
    return Said(Standing.OK, what)


def warning(what: str, hint: str) -> Said:
    """Say that something works, and will not for ever."""
    return Said(Standing.WARNING, what, hint)


def wrong(what: str, hint: str) -> Said:
    """Say that something does not work."""
    return Said(Standing.WRONG, what, hint)


def skipped(what: str) -> Said:
    """Say why there is nothing to look at."""
    return Said(Standing.SKIPPED, what)


def findings(
    examinations: Iterable[tuple[str, Callable[[], Said]]], *, needs: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Finding]:
    """Make examinations one after the other, but for those that, by ``needs``, need what was just found wrong."""
    wanted, lost = needs or {}, set[str]()
    for name, examine in examinations:
        lacking = [one for one in wanted.get(name, ()) if one in lost]
        said = skipped(f"not looked at: it needs `{lacking[0]}`") if lacking else _said(examine)
        if lacking or said.standing is Standing.WRONG:
            lost.add(name)
        yield Finding(name, said.standing, said.what, said.hint)


def _said(examine: Callable[[], Said]) -> Said:
    try:
        return examine()
    except AdceError as error:
        return wrong(f"{error.where}: {error.what}" if error.where else error.what, error.hint or error.valid)
    except Exception as error:  # noqa: BLE001 - what breaks an examination is what it is there to find
        return wrong(printable(f"{type(error).__name__}: {error}"), "this is a fault of ADCE, or of what it stands on")
