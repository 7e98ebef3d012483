"""What was looked at in, causes for concern out: what is wrong, since when, and the next step that mends it.

Health, alerts and metrics speak of the same causes. What they are found by stands in `watching`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How bad a cause is: a `critical` one means that the loop does not do its work."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong. As long as it lasts, its ``code`` and ``subject`` stay the same.

    Attributes:
        code: Of the rule that found it, such as `cycle_late`; machines compare it.
        subject: Which of several it is about, such as a host; empty where there is only one.
        severity: How bad it is.
        what: That, in a line for a person.
        hint: The next step, as a rule a command.
        since: From when on it has been so (UTC), where that is known.
        page: The page of Dagster's UI that shows it, such as `/assets/lake_inventory`; empty where none does.
        is_blind: Whether the rule came to no end, so that nobody knows what else it would have found.
    """

    code: str
    subject: str
    severity: Severity
    what: str
    hint: str
    since: datetime | None = None
    page: str = ""
    is_blind: bool = False
