"""A YAML or JSON file and a JMESPath expression in, what the one finds in the other out: a number or a short text.

What unfolds, a file with aliases or an expression that puts lists together, is looked at in a process of its own with
little time and memory, which is all that it can harm. The others, which grow no larger than they are, are so at once.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.dims.metrics import Value
from adce_assets.dims.scalars import value_of
from adce_assets.dims.tree import read_one
from adce_assets.errors import DamagedDocumentError, MetricError, NotDataError, ProgramError, VerifyError, printable

if TYPE_CHECKING:
    import yaml

MOST = 4 * 1024**2
"""Bytes of a document."""
DEEPEST = 40
SHOWN = 200
CPU_S, MEMORY = 20, 1024**3
ENDINGS = (".json", ".yaml", ".yml")
UNFOLDING = frozenset({"multi_select_list", "multi_select_dict"})
"""Parts of an expression whose answer may be larger than the document, as that of most functions."""
CALM = frozenset({"abs", "avg", "ceil", "contains", "floor", "keys", "length", "max", "max_by", "min", "min_by", "sum"})
"""Functions whose answer is not."""


def check_file(path: str) -> str:
    """Return the path of a document; raise ValueError for what is called neither YAML nor JSON."""
    if not path.lower().endswith(ENDINGS):
        message = f"`{path}` is neither YAML nor JSON; valid: {', '.join(ENDINGS)}"
        raise ValueError(message)
    return path


def check_expression(text: str) -> str:
    """Return a JMESPath expression; raise ValueError for what is none."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(text)
    except (JMESPathError, RecursionError) as error:
        message = f"`{text}` is no JMESPath: {str(error).partition(chr(10))[0]}"
        raise ValueError(message) from error
    return text


def look_up(root: Path, path: str, expression: str) -> Value:
    """Look an expression up in a document below a folder.

    Raises:
        MetricError: the file is not there, too large or damaged, or nothing that is a value stands there.
    """
    body = read_one(root, path, MOST)
    asked = {"expression": expression, "is_json": path.lower().endswith(".json")}
    try:
        if _is_calm(body, asked):
            return _found(body, asked)
        from adce_assets.fetch import confined

        return confined.read(__name__, body, asked, cpu_s=CPU_S, memory=MEMORY)
    except (VerifyError, ProgramError) as error:
        raise MetricError(error.what, where=path, valid=error.valid, hint=error.hint) from error


def survey(path: Path, asked: Mapping[str, Any]) -> Value:
    """Look up in this process, which is thrown away.

    Raises:
        DamagedDocumentError: the document is not what its name says.
        NotDataError: the expression finds no value.
    """
    return _found(path.read_bytes(), asked)


def _found(body: bytes, asked: Mapping[str, Any]) -> Value:
    import jmespath
    from jmespath.exceptions import JMESPathError

    data = (_json if asked["is_json"] else _yaml)(body)
    try:
        return value_of(jmespath.search(asked["expression"], data), asked["expression"])
    except (JMESPathError, TypeError, ArithmeticError, RecursionError) as error:
        raise NotDataError(f"`{asked['expression']}` cannot be looked up: {_in_one_line(error)}") from error
    except MetricError as error:
        raise NotDataError(f"`{asked['expression']}`: {error.what}") from error


def _is_calm(body: bytes, asked: Mapping[str, Any]) -> bool:
    """Tell whether neither the expression nor the document unfolds into more than it is."""
    import jmespath

    is_calm = _unfolds_nothing(jmespath.compile(asked["expression"]).parsed)
    return (asked["is_json"] or _has_no_alias(body)) and is_calm


def _unfolds_nothing(node: Mapping[str, Any]) -> bool:
    if node["type"] in UNFOLDING or (node["type"] == "function_expression" and node["value"] not in CALM):
        return False
    return all(_unfolds_nothing(child) for child in node["children"] if isinstance(child, dict))


def _has_no_alias(body: bytes) -> bool:
    """Tell whether a YAML file has no alias; DamagedDocumentError for one that is nested too deeply for its reader."""
    import yaml

    depth, has_alias = 0, False
    try:
        for event in yaml.parse(body, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            has_alias |= isinstance(event, yaml.AliasEvent)
            if depth > DEEPEST:
                raise DamagedDocumentError(f"is nested more than {DEEPEST} levels deep")
    except yaml.YAMLError as error:
        raise _no_yaml(error) from error
    return not has_alias


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise DamagedDocumentError(f"is no JSON: {_in_one_line(error)}") from error


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Make a mapping of pairs; DamagedDocumentError for a key that stands twice."""
    _refuse_twice([("str", key) for key, _ in pairs])
    return dict(pairs)


def _yaml(body: bytes) -> Any:
    import yaml

    loader = yaml.CSafeLoader(body)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        for mapping in _mappings(node):
            _refuse_twice([(key.tag, key.value) for key, _ in mapping.value if isinstance(key, yaml.ScalarNode)])
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise _no_yaml(error) from error
    finally:
        loader.dispose()


def _mappings(node: "yaml.Node") -> "Iterator[yaml.MappingNode]":
    """List the mappings of a YAML document, once each however many aliases lead there."""
    import yaml

    left, seen = [node], {id(node)}
    while left:
        found = left.pop()
        if isinstance(found, yaml.MappingNode):
            yield found
        parts = [] if isinstance(found, yaml.ScalarNode) else found.value
        inner = chain.from_iterable(part if isinstance(part, tuple) else (part,) for part in parts)
        new = {id(part): part for part in inner if id(part) not in seen}
        seen.update(new)
        left.extend(new.values())


def _refuse_twice(keys: Sequence[tuple[str, str]]) -> None:
    """Refuse keys of which one, by its type and its text, stands there twice."""
    twice = [key for (_, key), times in Counter(keys).items() if times > 1]
    if twice:
        raise DamagedDocumentError(f"the key `{printable(twice[0])[:SHOWN]}` stands there twice")


def _no_yaml(error: Exception) -> DamagedDocumentError:
    return DamagedDocumentError(f"is no YAML: {_in_one_line(error)}")


def _in_one_line(error: Exception) -> str:
    return " ".join(printable(str(error)).split())[:SHOWN]
