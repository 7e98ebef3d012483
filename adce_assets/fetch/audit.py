"""A body and the declared requirements in, the number of its records out; or the reason why it must not become data.

A status of 200 proves nothing: notices, login pages, empty results and other games come with it too. What a document
must be and contain is declared beside its scraper (`Requirements`); where documents that fail are kept is the business
of `staging`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adce_assets.errors import VerifyError
from adce_assets.lake.sniff import LOOK, sniff

JsonPath = Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)*$", max_length=200)]
"""Names and indices joined by dots; ``*`` stands for every member of a list or mapping."""

Scalar = bool | int | float | str | None
EMPTY: tuple[object, ...] = (None, "", [], {})


class Requirements(BaseModel):
    """What a document must be and contain, as a scraper's entry declares it.

    Attributes:
        parses: The kind of file it must be.
        min_bytes: The smallest size that can be right.
        forbidden: Texts that only a notice or error page holds (upper and lower case are alike).
        must_have: Paths that must lead somewhere, and never to something empty.
        may_be_empty: Paths that must lead somewhere, if only to something empty.
        must_equal: Paths and the values they may have.
        id_path: Where the document says what it is about.
        id_is: What it must say there, as a template of the entity: ``{game_id}``.
        id_may_lack: Whether a document that says nothing there may be right all the same.
        records: The path whose matches are counted as records.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parses: Literal["json", "html", "csv", "parquet", "gz", "zip", "pdf", "sqlite"] = "json"
    min_bytes: Annotated[int, Field(ge=1)] = 1
    forbidden: tuple[Annotated[str, Field(min_length=3)], ...] = ()
    must_have: tuple[JsonPath, ...] = ()
    may_be_empty: tuple[JsonPath, ...] = ()
    must_equal: dict[JsonPath, tuple[Scalar, ...]] = {}
    id_path: JsonPath | None = None
    id_is: str | None = None
    id_may_lack: bool = False
    records: JsonPath | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Requirements":
        paths = (*self.must_have, *self.may_be_empty, *self.must_equal, self.id_path, self.records)
        if self.parses != "json" and any(paths):
            message = "paths can be required of JSON only"
            raise ValueError(message)
        if (self.id_path is None) != (self.id_is is None):
            message = "`id_path` and `id_is` need each other"
            raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What a document that passed holds: its records, or None where nothing is counted."""

    records: int | None


def audit(body: bytes, requirements: Requirements, entity: Mapping[str, str]) -> AuditResult:
    """Check a body; ``entity`` holds the fields that the templates of the requirements may name.

    Raises:
        VerifyError: saying what is wrong and where in the document.
    """
    if len(body) < requirements.min_bytes:
        size = f"only {len(body)} bytes" if body else "empty"
        raise VerifyError(size, valid=f"at least {requirements.min_bytes} bytes")
    fault = sniff(body[:LOOK], body[-LOOK:], requirements.parses)
    if fault:
        raise VerifyError(fault + _title(body))
    _refuse_markers(body, requirements.forbidden)
    if requirements.parses != "json":
        return AuditResult(None)
    document = parse_json(body)
    for rule in RULES:
        rule(document, requirements, entity)
    return AuditResult(None if requirements.records is None else len(found(document, requirements.records)))


def parse_json(body: bytes) -> object:
    """Parse a JSON document strictly: UTF-8, no NaN or Infinity; VerifyError for anything else."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError as error:
        raise VerifyError("the JSON is nested too deeply") from error
    except ValueError as error:
        raise VerifyError(f"not JSON: {error}") from error


def found(document: object, path: str) -> list[object]:
    """List everything that a path leads to."""
    values: list[object] = [document]
    for part in path.split("."):
        values = [inner for value in values for inner in _step(value, part)]
    return values


def _step(value: object, part: str) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values() if part == "*" else [value[part]] if part in value else []
    if isinstance(value, list):
        return value if part == "*" else [value[int(part)]] if part.isdecimal() and int(part) < len(value) else []
    return []


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is no number"
    raise ValueError(message)


def _refuse_markers(body: bytes, markers: Iterable[str]) -> None:
    lower = body.lower() if markers else b""
    for marker in markers:
        if marker.lower().encode() in lower:
            raise VerifyError(f"a notice, not data: it holds the text `{marker}`")


def _title(body: bytes) -> str:
    match = re.search(rb"<title[^>]*>([^<]{1,80})", body[:4096], re.IGNORECASE)
    text = " ".join(match[1].decode("utf-8", "replace").split()) if match else ""
    return f", titled {text!r}" if text else ""


def _is_about_the_entity(document: object, requirements: Requirements, entity: Mapping[str, str]) -> None:
    if requirements.id_path is None or requirements.id_is is None:
        return
    due = requirements.id_is.format_map(entity)
    told = sorted({str(value) for value in found(document, requirements.id_path)})
    if told != [due] and (told or not requirements.id_may_lack):
        about = ", ".join(f"`{value[:60]}`" for value in told[:3])
        raise VerifyError(
            f"it is about {about}, not `{due}`" if told else f"it does not say that it is about `{due}`",
            where=f"`{requirements.id_path}`",
        )


def _has_what_it_must(document: object, requirements: Requirements, _: Mapping[str, str]) -> None:
    for path in (*requirements.must_have, *requirements.may_be_empty):
        values = found(document, path)
        if not values:
            raise VerifyError("required, but not there", where=f"`{path}`")
        if path in requirements.must_have and any(value in EMPTY for value in values):
            raise VerifyError("required, but empty", where=f"`{path}`")


def _equals_what_it_must(document: object, requirements: Requirements, _: Mapping[str, str]) -> None:
    for path, allowed in requirements.must_equal.items():
        values = found(document, path)
        if not values:
            raise VerifyError("required, but not there", where=f"`{path}`")
        for value in values:
            if not any(type(value) is type(choice) and value == choice for choice in allowed):
                choices = ", ".join(json.dumps(choice) for choice in allowed)
                raise VerifyError(f"is {json.dumps(value)[:60]}", where=f"`{path}`", valid=choices)


RULES: tuple[Callable[[object, Requirements, Mapping[str, str]], None], ...] = (
    _is_about_the_entity,
    _has_what_it_must,
    _equals_what_it_must,
)
"""What is asked of a JSON document, in the order in which a person would want to know."""
