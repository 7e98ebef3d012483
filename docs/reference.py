"""Print the reference: commands, settings, environment, kinds and errors, made of the code and of the shipped files.

python docs/reference.py > docs/reference.md
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import click
import yaml
from pydantic import BaseModel

from adce_assets import errors, settings
from adce_assets.autonomous import AutonomousConfig
from adce_assets.cli.main import COMMANDS, main
from adce_assets.configuration import ReconciliationConfig
from adce_assets.contract.schedule import format_names
from adce_assets.documents import read
from adce_assets.fetch.requirements import Kind
from adce_assets.scrapers.catalogue import kinds

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# Reference

Made by `python docs/reference.py > docs/reference.md`, of the code and of the shipped files. What each command does in
full, with its options, is in [cli.md](cli.md), and in `adce COMMAND --help`.
"""
FILES = (
    ("config/reconciliation_config.yaml", ReconciliationConfig),
    ("config/autonomous_config.yaml", AutonomousConfig),
)
COMMON = {"debug", "help"}


def page() -> Iterator[str]:
    """Yield the parts of the page."""
    yield HEAD
    yield from table("Commands", ("command", "what it does", "options"), commands())
    for name, model in FILES:
        yield from table(f"`{name}`", ("setting", "as shipped", "what it is"), configured(ROOT / name, model))
    yield from table("Environment", ("variable", "what"), environment())
    yield from table("Kinds of scrapers", ("`kind`", "what it does"), modules("scrapers", kinds()))
    yield from table("Formats of schedules", ("`format`", "what it reads"), modules("contract.formats", format_names()))
    yield "## Kinds of documents\n"
    yield f"What an answer can be asked to be, by `parses`: {', '.join(f'`{name}`' for name in get_args(Kind))}.\n"
    yield "Kinds of metrics are in [metric_kinds.md](metric_kinds.md), scrapers in [scrapers.md](scrapers.md).\n"
    yield from table("Errors", ("error", "exit code", "when"), failures())


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Write a section that is a table."""
    yield f"## {title}\n"
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def commands() -> Iterator[tuple[str, str, str]]:
    """Name every command that does something, with the first sentence of its help."""
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        if command is not None:
            yield from _within(name, command)


def _within(typed: str, command: click.Command) -> Iterator[tuple[str, str, str]]:
    if isinstance(command, click.Group):
        for name, member in command.commands.items():
            yield from _within(f"{typed} {name}", member)
    if isinstance(command, click.Group) and not command.invoke_without_command:
        return
    options = (max(one.opts, key=len) for one in command.params if one.name not in COMMON)
    told = (f"`{name}`" if name.startswith("-") else f"`{name.upper()}`" for name in options if name != "--debug")
    yield f"`adce {typed}`", first_sentence(command.help), ", ".join(told) or "-"


def configured(path: Path, model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    """Name every setting that a shipped file has, with its value and the words behind it in the file."""
    document, lines = read(path), path.read_text("utf-8").splitlines()
    for place, (_, line) in document.places.items():
        if not place or not all(isinstance(part, str) for part in place):
            continue
        name, value = ".".join(map(str, place)), _value(document.data, place)
        comment = lines[line - 1].partition(" #")[2].strip(" ,")
        if not isinstance(value, dict) or not value:
            yield f"`{name}`", _shown(value), comment
        elif len(place) == 1:
            yield f"**`{name}`**", "", comment or _of_section(model, name)


def _value(data: object, place: Sequence[object]) -> object:
    for part in place:
        data = data[part]  # type: ignore[index]  # what the document itself names
    return data


def _shown(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1_000).removesuffix("\n...\n").strip()
    return f"`{text}`" if len(text) < len("0" * 80) else "(see the file)"


def _of_section(model: type[BaseModel], name: str) -> str:
    """Return what the model says of a section."""
    annotation = model.model_fields[name].annotation
    return first_sentence(inspect.getdoc(annotation)) if inspect.isclass(annotation) else ""


def environment() -> Iterator[tuple[str, str]]:
    """Name the variables of the table in `settings`, and those of others that matter."""
    for name, what in re.findall(r"^\| ``(\S+)`` \| (.*) \|$", settings.__doc__ or "", flags=re.MULTILINE):
        yield f"`{name}`", what.replace("``", "`")
    yield "`DAGSTER_HOME`", "where Dagster keeps its records; without it they are forgotten at the end of a command"
    yield "`AWS_...`", "credentials, region and `AWS_ENDPOINT_URL`, as everywhere"


def modules(room: str, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name modules that a file may name, with the first sentence of each."""
    for name in names:
        yield f"`{name}`", first_sentence(importlib.import_module(f"adce_assets.{room}.{name}").__doc__)


def failures() -> Iterator[tuple[str, str, str]]:
    """Name every error with its exit code, in the order of the file."""
    tree = ast.parse(inspect.getsource(errors))
    for node in tree.body:
        found = getattr(errors, node.name, None) if isinstance(node, ast.ClassDef) else None
        if inspect.isclass(found) and issubclass(found, errors.AdceError):
            yield f"`{found.__name__}`", str(found.exit_code), first_sentence(found.__doc__)


def first_sentence(text: str | None) -> str:
    """Return the first sentence of a docstring, in one line."""
    words = " ".join((text or "").replace("\b", " ").split()).replace("``", "`")
    return re.split(r"(?<=[.:;])\s", words, maxsplit=1)[0].rstrip(".:;")


if __name__ == "__main__":
    print("\n".join(page()).rstrip())
