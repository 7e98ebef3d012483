"""Every error ADCE raises on purpose, each with what happened, where, what is valid and what to do.

An error takes values and builds its own text, so that callers never format messages. The command line prints
`str(error)` and exits with `error.exit_code`; nothing else in the project decides an exit code.
"""

from dataclasses import dataclass


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


class ReportError(LakeError):
    """An AWS Inventory report is unfinished, damaged or of an unknown form; it is refused whole."""


class FetchError(AdceError):
    """A source did not give what was asked for."""


class TransientFetchError(FetchError):
    """The source may give it later: the task stays open and a later run tries again."""


class PermanentFetchError(FetchError):
    """The source will not give it however often it is asked: no run should try the same again soon."""


class VerifyError(AdceError):
    """A document is not what was asked for; it is kept aside and never becomes data."""
