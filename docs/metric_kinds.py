"""Print the table of all kinds of metrics, made of the models of their parameters.

python docs/metric_kinds.py > docs/metric_kinds.md
"""

import inspect
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adce_assets.dims.kinds.kind import KindParameters
from adce_assets.dims.kinds.registry import KINDS

HEAD = """\
# What can be measured

One line each, made by `python docs/metric_kinds.py > docs/metric_kinds.md`. A metric names its kind and the parameters
below `measure` in `inventory/config.yaml`; those in bold must be given, the others need not. What cannot be measured is
an error with its reason, never a number. Folders and files are relative to the folder that `project` of that file names
(the installation's home), and the git history is that of this folder. [dims.md](dims.md)
tells what becomes of what was measured.
"""
COLUMNS = ("kind", "measures", "parameters")
FILTERS = {name: field for name, field in KINDS["objects"].parameters.model_fields.items() if name != "kind"}
"""What every kind that looks at objects can leave out."""


def main() -> None:
    """Print the page."""
    print(HEAD)
    print(f"The filters of objects are {', '.join(map(_named, FILTERS.items()))}.\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"|{'---|' * len(COLUMNS)}")
    for name, kind in KINDS.items():
        told = " ".join((inspect.getdoc(kind.parameters) or "").split()).replace("``", "`").replace("|", "\\|")
        print(f"| `{name}` | {told} | {', '.join(_parameters(kind.parameters)) or '-'} |")


def _parameters(model: type[KindParameters]) -> Iterator[str]:
    filtered = model.model_fields.keys() >= FILTERS.keys()
    if filtered:
        yield "the filters"
    for name, field in model.model_fields.items():
        if name != "kind" and not (filtered and name in FILTERS):
            yield _named((name, field))


def _named(parameter: tuple[str, FieldInfo]) -> str:
    """Name a parameter, with its default and what else it may be where that is a few words."""
    name, field = parameter
    options = [value for kind in _parts(field.annotation) for value in _words(kind)]
    others = f" of {', '.join(f'`{value}`' for value in options)}" if options else ""
    if field.is_required():
        return f"**`{name}`**{others}"
    value: Any = field.get_default(call_default_factory=False)
    given = "" if value in (None, PydanticUndefined, (), "") else f"`{json.dumps(value, default=list)}`"
    told = f"{given}{others}".strip()
    return f"`{name}` ({told})" if told else f"`{name}`"


def _parts(annotation: object) -> tuple[object, ...]:
    return typing.get_args(annotation) if typing.get_origin(annotation) is types.UnionType else (annotation,)


def _words(annotation: object) -> tuple[object, ...]:
    return typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()


if __name__ == "__main__":
    main()
