"""An installation and what Dagster knows in, causes for concern out: the one judgement of health, alerts and metrics.

A rule is a function in `rules` and one line of `RULES`. One that fails is a cause itself, and never the end of the
others; one that needs what was just found wrong is not looked at, so that one fault is one cause.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from adce_assets.errors import AdceError, printable
from adce_assets.operate import rules
from adce_assets.operate.causes import Cause, Severity
from adce_assets.operate.doctor import Installation
from adce_assets.operate.outside import Outside, Seen

CRASHED = "rule_failed"
"""The code of a cause that says that a rule itself broke; its subject is the rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A thing that may be wrong.

    Attributes:
        look: Yields its causes.
        codes: The codes that these may have; an error of ADCE's has the first one.
        needs: The codes of rules without which this one can say nothing.
        severity: How bad an error of ADCE's is.
    """

    look: Callable[[Seen], Iterable[Cause]]
    codes: tuple[str, ...]
    needs: tuple[str, ...] = ()
    severity: Severity = Severity.CRITICAL


_OPEN = ("settings", "contract", "installation")
_FILES, _LEDGER = (*_OPEN, "state"), (*_OPEN, "database")
_WRITTEN = (*_FILES, "files")
_DAGSTER = ("settings", "dagster")

RULES = (
    Rule(rules.settings, ("settings",)),
    Rule(rules.contract, ("contract",), ("settings",)),
    Rule(rules.installation, ("installation",), ("settings", "contract")),
    Rule(rules.disk, ("disk",), ("settings",)),
    Rule(rules.short_of_resources, ("short_of_resources",), ("settings",)),
    Rule(rules.database, ("database",), _OPEN),
    Rule(rules.lake, ("lake",), _OPEN),
    Rule(rules.state, ("state",), _OPEN),
    Rule(rules.files, ("files",), _FILES),
    Rule(rules.dagster, ("dagster",)),
    Rule(rules.halted, ("halted",), _FILES),
    Rule(rules.loop_stopped, ("loop_stopped",), _DAGSTER),
    Rule(rules.component_down, ("component_down",)),
    Rule(rules.switched_off, ("switched_off",), _DAGSTER),
    Rule(rules.cycle_late, ("cycle_late",), _DAGSTER),
    Rule(rules.inventory_old, ("inventory_old",), _WRITTEN),
    Rule(rules.vanished, ("vanished",), _WRITTEN),
    Rule(rules.ledger_broken, ("ledger_broken",), (*_LEDGER, "state")),
    Rule(rules.canary, ("canary_failed", "canary_late"), (*_FILES, "dagster")),
    Rule(rules.pools, ("pools",), _DAGSTER),
    Rule(rules.critical_gap_late, ("critical_gap_late",), _WRITTEN),
    Rule(rules.sources, ("source_failing", "source_blocked"), ("settings",), Severity.WARNING),
    Rule(rules.error_rate, ("error_rate",), (*_LEDGER, "dagster"), Severity.WARNING),
    Rule(rules.approval_waiting, ("approval_waiting",), _WRITTEN, Severity.WARNING),
    Rule(rules.metric_waiting, ("metric_waiting",), ("settings",), Severity.WARNING),
    Rule(rules.missed_ticks, ("missed_ticks",), _DAGSTER, Severity.WARNING),
    Rule(
        rules.alerts,
        ("alerts", "alert_undelivered", "run_failed", "check_failed"),
        ("settings",),
        Severity.WARNING,
    ),
)
"""Every rule, in the order in which one thing needs the other."""
CODES = (*(code for rule in RULES for code in rule.codes), CRASHED)
"""The codes of all causes that are found here."""


def causes(installation: Installation, outside: Outside, now: datetime) -> list[Cause]:
    """Find all that is wrong, the worst first.

    Args:
        installation: What is looked at.
        outside: What Dagster's records say.
        now: The moment (UTC), by the installation's clock.
    """
    return found_by(Seen(installation, outside, now))


def found_by(seen: Seen) -> list[Cause]:
    """Find what one look shows to be wrong, the worst first."""
    found, lost = list[Cause](), set[str]()
    for rule in RULES:
        told = [] if lost & set(rule.needs) else _looked(rule, seen)
        found += told
        lost.update(cause.code for cause in told)
    return sorted(found, key=lambda cause: cause.severity is not Severity.CRITICAL)


def is_well(found: Iterable[Cause]) -> bool:
    """Tell whether the loop does its work: warnings are no reason to say that it does not."""
    return not any(cause.severity is Severity.CRITICAL for cause in found)


def _looked(rule: Rule, seen: Seen) -> list[Cause]:
    try:
        return list(rule.look(seen))
    except AdceError as error:
        what = f"{error.where}: {error.what}" if error.where else error.what
        hint = error.hint or error.valid or "`adce doctor` says more"
        return [Cause(rule.codes[0], "", rule.severity, printable(what), printable(hint), is_blind=True)]
    except Exception as error:  # noqa: BLE001 - whoever is to notice what is wrong must not fall silent over it
        what = f"the rule `{rule.look.__name__}` cannot be applied: {type(error).__name__}"
        return [Cause(CRASHED, rule.look.__name__, Severity.CRITICAL, what, "this is a fault of ADCE; `adce doctor`")]
