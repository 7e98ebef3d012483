"""YAML text in, checked models out, with file, line and nearest valid name for every fault.

The contract and all configuration are read here, so that one set of limits and one wording serve them all. A file is
hostile until checked: its size, its depth and what its aliases expand to are bounded, duplicate keys and tags beyond
plain data are refused. What the fields mean belongs to the models, not here.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from adce_assets.errors import ConfigurationError, Fault

MAX_BYTES = 4 * 1024 * 1024
MAX_NODES = 200_000
MAX_DEPTH = 40
MAX_FILES = 200

PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)

INCLUDED = re.compile(r"[A-Za-z0-9_.*?-]+(?:/[A-Za-z0-9_.*?-]+)*")
"""What an `include:` may look like: a relative path, with ``*`` and ``?``."""

Place = tuple[str, int]
Path_ = tuple[str | int, ...]
ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(slots=True)
class Document:
    """The data of a file and of all that it includes, with the file and line of every value."""

    file: str
    data: dict[str, Any]
    places: dict[Path_, Place] = field(default_factory=dict)

    def fault(self, path: Path_, message: str, *, given: str = "", valid: Iterable[str] = ()) -> Fault:
        """Build the fault of the value at ``path``; the nearest of ``valid`` to ``given`` is suggested."""
        names = sorted(valid)
        near = difflib.get_close_matches(given, names, n=1, cutoff=0.5) if given else []
        file, line = self._place(path)
        return Fault(file, line, ".".join(map(str, path)), message, ", ".join(names), near[0] if near else "")

    def _place(self, path: Path_) -> Place:
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.file, 1


def load(model: type[ModelT], path: Path, *, error: type[ConfigurationError] = ConfigurationError) -> ModelT:
    """Read a YAML file and what it includes into ``model``; raise ``error`` with every fault at once."""
    return validate(model, read(path, error=error), error=error)


def validate(
    model: type[ModelT], document: Document, *, error: type[ConfigurationError] = ConfigurationError
) -> ModelT:
    """Check a document against a model; pydantic's complaints become faults with file and line."""
    try:
        return model.model_validate(document.data)
    except ValidationError as invalid:
        faults = tuple(_faults(model, document, invalid))
        raise error(f"{len(faults)} fault(s) in {document.file}", faults=faults) from invalid


def read(path: Path, *, error: type[ConfigurationError] = ConfigurationError) -> Document:
    """Read a YAML mapping and merge the files its ``include:`` names (globs, relative to it) section by section."""
    document = _read_one(path, error)
    patterns = document.data.pop("include", [])
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        fault = document.fault(("include",), "must be a list of file names", valid=["sources/*.yaml"])
        raise error(f"1 fault(s) in {path}", faults=(fault,))
    files = [name for pattern in patterns for name in _included(document, path, pattern, error)]
    if len(files) > MAX_FILES:
        raise error(f"{len(files)} files are included", where=str(path), valid=f"at most {MAX_FILES}")
    for file in files:
        _merge(document, _read_one(file, error), error)
    return document


def _included(document: Document, path: Path, pattern: str, error: type[ConfigurationError]) -> list[Path]:
    inside = INCLUDED.fullmatch(pattern) is not None and ".." not in Path(pattern).parts
    files = sorted(path.parent.glob(pattern)) if inside else []
    if not files:
        message = "names no file" if inside else "is not a name in or below the folder of this file"
        raise error(f"1 fault(s) in {path}", faults=(document.fault(("include",), f"`{pattern}` {message}"),))
    return files


def _read_one(path: Path, error: type[ConfigurationError]) -> Document:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise error("the file is too large", where=str(path), valid=f"at most {MAX_BYTES} bytes")
        text = path.read_text("utf-8")
    except OSError as cause:
        raise error(f"cannot read the file: {cause.strerror}", where=str(path)) from cause
    except UnicodeDecodeError as cause:
        raise error(f"byte {cause.start} is not UTF-8", where=str(path)) from cause
    loader = yaml.CSafeLoader(text)
    try:
        _check_depth(text, path, error)
        node = loader.get_single_node()
        document = Document(str(path), {})
        data = _Reader(loader, document, error).value(node, (), 0) if node else None
    except yaml.YAMLError as cause:
        mark = getattr(cause, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise error(f"not YAML: {getattr(cause, 'problem', cause)}", where=f"{path}:{line}") from cause
    finally:
        loader.dispose()
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise error("the file must hold a mapping of names to values", where=f"{path}:1")
    document.data = data
    return document


def _check_depth(text: str, path: Path, error: type[ConfigurationError]) -> None:
    """Refuse deep nesting before anything recurses over it: libyaml's composer would overflow the process's stack."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1
            raise error("the file is nested too deeply", where=f"{path}:{line}", valid=f"{MAX_DEPTH} levels")


@dataclass(slots=True)
class _Reader:
    """Nodes in, plain data out, noting the place of each value and refusing what plain data does not need."""

    loader: Any
    document: Document
    error: type[ConfigurationError]
    nodes: int = 0

    def value(self, node: yaml.Node, path: Path_, depth: int) -> Any:
        self.document.places.setdefault(path, (self.document.file, node.start_mark.line + 1))
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            self._refuse(node, "the file expands to too much", f"{MAX_NODES} values, {MAX_DEPTH} levels")
        if node.tag not in PLAIN_TAGS:
            self._refuse(
                node, f"the tag `{node.tag}` is not plain data", "text, numbers, true, false, dates, lists, mappings"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index), depth + 1) for index, child in enumerate(node.value)]
        try:
            return self.loader.construct_object(node)
        except ValueError as cause:
            kind = node.tag.rpartition(":")[2]
            raise self.error(
                f"no valid {kind}: {cause}", where=self._where(node), valid="another value, or text in quotes"
            ) from cause

    def _mapping(self, node: yaml.MappingNode, path: Path_, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, child in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                self._refuse(
                    key_node, f"the key `{key}` is not text", "a name, in quotes if it looks like a number or a date"
                )
            if key in data:
                self._refuse(key_node, f"the key `{key}` stands here twice", "each key once")
            self.document.places[(*path, key)] = (self.document.file, key_node.start_mark.line + 1)
            data[key] = self.value(child, (*path, key), depth + 1)
        return data

    def _refuse(self, node: yaml.Node, what: str, valid: str) -> None:
        raise self.error(what, where=self._where(node), valid=valid)

    def _where(self, node: yaml.Node) -> str:
        return f"{self.document.file}:{node.start_mark.line + 1}"


def _merge(document: Document, other: Document, error: type[ConfigurationError]) -> None:
    """Add the sections of an included file; a name that stands in two files is a fault, not an override."""
    for section, values in other.data.items():
        if document.data.get(section) is None:
            document.data[section] = {}
        mine = document.data[section]
        if isinstance(mine, dict) and isinstance(values, dict):
            twice = sorted(mine.keys() & values.keys())
            if twice:
                file, line = document.places.get((section, twice[0]), (document.file, 1))
                fault = other.fault((section, twice[0]), f"stands already in {file}:{line}")
                raise error(f"1 fault(s) in {other.file}", faults=(fault,))
            mine.update(values)
        else:
            fault = other.fault((section,), "an included file may only hold mappings of names")
            raise error(f"1 fault(s) in {other.file}", faults=(fault,))
    document.places.update({path: place for path, place in other.places.items() if path})


def _faults(model: type[BaseModel], document: Document, invalid: ValidationError) -> Iterator[Fault]:
    for complaint in invalid.errors(include_url=False):
        told = tuple(part for part in complaint["loc"] if part != "[key]")
        path, context = _in_file(document.data, told), complaint.get("ctx", {})
        message, given = complaint["msg"].removeprefix("Value error, "), ""
        valid: Iterable[str] = ()
        if complaint["type"] == "extra_forbidden":
            message, given = "unknown key", str(path[-1])
            valid = _field_names(model, told[:-1])
        elif complaint["type"] in {"literal_error", "enum"}:
            given = str(complaint["input"])
            valid = [part.strip(" '") for part in context["expected"].replace(" or ", ",").split(",")]
            message = f"`{given}` is not known"
        elif complaint["type"] == "union_tag_invalid":
            path, given = (*path, context["discriminator"].strip("'")), context["tag"]
            valid = [part.strip(" '") for part in context["expected_tags"].split(",")]
            message = f"`{given}` is not known"
        elif complaint["type"] == "missing":
            path, message = (*path, told[-1]), "is required"
        elif complaint["type"] == "union_tag_not_found":
            path, message = (*path, context["discriminator"].strip("'")), "is required"
        elif complaint["type"] == "default_factory_not_called":
            continue  # what it would be made from is a fault itself
        yield document.fault(path, message, given=given, valid=valid)


def _in_file(data: Any, told: Path_) -> Path_:
    """Leave out of the place of a complaint what the file does not hold: the alternative that pydantic chose there."""
    path: list[str | int] = []
    for part in told:
        if (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int)):
            data = data[part]
            path.append(part)
    return tuple(path)


def _field_names(annotation: Any, path: Path_) -> list[str]:
    """List the fields that the model found along ``path`` has, following mappings, lists and optional values."""
    inner = list(_alternatives(annotation))
    for part in path:
        inner = [found for candidate in inner for found in _step(candidate, part)]
    models = [candidate for candidate in inner if isinstance(candidate, type) and issubclass(candidate, BaseModel)]
    return sorted({info.alias or name for found in models for name, info in found.model_fields.items()})


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {info.alias or name: info for name, info in annotation.model_fields.items()}
        if part in fields:
            yield from _alternatives(fields[str(part)].annotation)
        elif any(part in get_args(info.annotation) for info in fields.values()):
            yield annotation  # it is the alternative of this name
    elif origin and isinstance(origin, type) and issubclass(origin, Mapping):
        yield from _alternatives(arguments[1])
    elif origin and arguments:
        yield from _alternatives(arguments[0])


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for argument in get_args(annotation):
            yield from _alternatives(argument)
    else:
        yield annotation
