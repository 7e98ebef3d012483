"""Every error ADCE raises on purpose, each with what happened, where, what is valid and what to do.

An error takes values and builds its own text, so that callers never format messages. The command line prints
`str(error)` and exits with `error.exit_code`; nothing else in the project decides an exit code.
"""

from dataclasses import dataclass
from datetime import datetime


def printable(text: str) -> str:
    """Put a space for each character that a line of a log or a record cannot show: text from outside passes here."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


class AdceError(Exception):
    """Something ADCE can explain: ``what`` happened, ``where``, what is ``valid``, and a ``hint`` what to do."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", valid: str = "", hint: str = "") -> None:
        """Build the text from its parts; empty parts are left out."""
        self.what, self.where, self.valid, self.hint = what, where, valid, hint
        parts = [f"{where}: {what}" if where else what]
        if valid:
            parts.append(f"  valid: {valid}")
        if hint:
            parts.append(f"hint: {hint}")
        super().__init__("\n".join(parts))


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a configuration file: the file, the line (from 1), the field, and what to write instead."""

    file: str
    line: int
    field: str
    message: str
    valid: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        """Say it in one line for a person."""
        text = f"{self.file}:{self.line}: `{self.field}`: {self.message}"
        if self.valid:
            text += f"; valid: {self.valid}"
        if self.nearest:
            text += f"; did you mean `{self.nearest}`?"
        return text


class ConfigurationError(AdceError):
    """A setting or configuration file cannot be used. ``faults`` names every place at once."""

    def __init__(
        self, what: str, *, where: str = "", valid: str = "", hint: str = "", faults: tuple[Fault, ...] = ()
    ) -> None:
        """Take all faults of a file together, so that a person mends them in one go."""
        self.faults = faults
        listing = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(what + listing, where=where, valid=valid, hint=hint)


class ContractError(ConfigurationError):
    """The contract (what the lake should hold) is faulty: nothing is computed from a contract half understood."""


class LakeError(AdceError):
    """The lake could not be read or written. A lake that cannot be read is never an empty lake."""


class ObjectNotFoundError(LakeError):
    """The lake holds no object under this key."""


class ConditionFailedError(LakeError):
    """A conditional write lost: the object exists already, or has changed. Read again, then decide."""


class MixedRunsError(LakeError):
    """Files of the loop are of two reconciliations: the later one is still writing, or was ended while it wrote."""


class AccessDeniedError(LakeError):
    """S3 refuses a call to whoever makes it: rights were taken away, or never given."""


class LedgerError(AdceError):
    """The ledger cannot be used, or what it holds is not what was written."""


class HistoryError(AdceError):
    """The history of the metrics cannot be used, or does not hold what was asked of it."""


class AccessError(AdceError):
    """Who may do what, and who has done what, cannot be read or written; or somebody may not do this."""


class NotLetInError(AccessError):
    """Whoever asks may not: ``status`` is 401 where a token is wanted, 403 where this one is not enough."""

    def __init__(self, what: str, *, status: int, challenge: str, hint: str = "") -> None:
        """Take the status, and the challenge that goes with it, beside the parts of the text."""
        self.status, self.challenge = status, challenge
        super().__init__(what, hint=hint)


class HaltedError(AdceError):
    """The loop was halted after a violation: nothing is collected before a person lets it go on."""

    exit_code = 4


class ServiceError(AdceError):
    """The service of an installation cannot be started, stopped or asked."""


class AlertError(AdceError):
    """An alert cannot be delivered, or what is known of alerts cannot be kept or read."""


class RefusedAlertError(AlertError):
    """Who is to get an alert will not have it, however often it comes."""


class AlreadyRunningError(ServiceError):
    """Somebody else has started it: one installation is served once."""

    exit_code = 3


class ReportError(LakeError):
    """An AWS Inventory report is unfinished, damaged or of an unknown form; it is refused whole."""


class FetchError(AdceError):
    """A source did not give what was asked for. ``status`` is the HTTP status it answered with, if it answered.

    Hosts have a say in its parts: whatever they say, each is one line of printable text.
    """

    def __init__(
        self, what: str, *, where: str = "", valid: str = "", hint: str = "", status: int | None = None
    ) -> None:
        """Take the status beside the parts of the text."""
        self.status = status
        super().__init__(printable(what), where=printable(where), valid=printable(valid), hint=printable(hint))


class TransientFetchError(FetchError):
    """The source may give it later: the task stays open and a later run tries again."""


class PermanentFetchError(FetchError):
    """The source will not give it however often it is asked: no run should try the same again soon."""


class BusyError(TransientFetchError):
    """The source answered that it cannot just now (429, 5xx and their like)."""


class DamagedError(TransientFetchError):
    """The answer broke off, or what arrived cannot be unfolded."""


class HostClosedError(TransientFetchError):
    """Nobody asks this host before ``until``: it said so, has jailed us, or fails too often. None: nobody knows."""

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        valid: str = "",
        hint: str = "",
        status: int | None = None,
        until: datetime | None = None,
    ) -> None:
        """Take the end of the closure (aware, UTC) beside the parts of the text."""
        self.until = until
        super().__init__(what, where=where, valid=valid, hint=hint, status=status)


class RunEndsError(TransientFetchError):
    """The run ends before the host was asked, or has answered: that is no failure of the key, which is given back."""


class EgressBlockedError(HostClosedError):
    """The host accepts connections and never answers: something on the way blocks us. It is no slow host."""


class RefusedError(PermanentFetchError):
    """The source answered with a ``status`` that the same request will meet again (401, 403, 404, 410, ...)."""


class TooLargeError(PermanentFetchError):
    """The body is larger than the host's entry allows, or unfolds like a bomb."""


class UnsafeError(PermanentFetchError):
    """The way leads where no document can be: a private address, another host, out of its folder."""


class InwardError(UnsafeError):
    """A source leads to an address that is not of the internet: somebody may want to see what lies behind it."""


class ForbiddenByRobotsError(PermanentFetchError):
    """The host's robots.txt asks not to fetch this."""


class GoneError(PermanentFetchError):
    """The source does not have it (any more), as its scraper's entry says: nothing is asked."""


class LostError(PermanentFetchError):
    """Only the present could be had, and it is over: nothing is asked."""


class ProgramError(TransientFetchError):
    """A program that ADCE started failed, took too long, or ended without writing what it was asked for."""


class WarehouseError(AdceError):
    """The warehouse could not be used, or a load of it could not be brought to its end; run it again."""


class NotPublishedError(WarehouseError):
    """A season stays as it was in the final table: what was staged does not hold what it should."""


class MetricError(AdceError):
    """A metric cannot be measured, for this reason: it has no value then, and never one that stands for a failure."""


class VerifyError(AdceError):
    """A document is not what was asked for; it is kept aside and never becomes data."""


class EmptyAnswerError(VerifyError):
    """A well-formed answer without a record; ``confirmed`` says that this is the source's way to say: there is none."""

    def __init__(self, what: str, *, where: str = "", valid: str = "", hint: str = "", confirmed: bool = False) -> None:
        """Take beside the usual values whether the entry trusts an empty answer."""
        self.confirmed = confirmed
        super().__init__(what, where=where, valid=valid, hint=hint)


class NotDataError(VerifyError):
    """Something else stands where data were due: a notice, a login page, HTML for JSON, another kind of file."""


class BlockedPageError(NotDataError):
    """A page that says that the source does not want to be asked: access denied, a captcha, too many requests."""


class DamagedDocumentError(VerifyError):
    """A document that is cut off, does not parse, or fails its own checksum."""


class OversizedDocumentError(VerifyError):
    """A document that unfolds into more than anybody would send: a bomb, or a limit that is too low."""


class WrongEntityError(VerifyError):
    """A good document about another game, day or season, or of yesterday."""


class DriftError(VerifyError):
    """The structure is no longer the declared one: a required member, table or column is gone, or a cap is silent."""
