"""The documentation knows every command and option, and says nothing of this machine."""

import re
from pathlib import Path

import click
import pytest

from adce_assets.cli.main import COMMANDS, main
from adce_assets.demo import holes
from adce_assets_tests.shipped import CONTRACT

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "cli.md").read_text("utf-8")
COMMON = {"--debug", "--help", "--version"}
MOST_LINES = 150


def runnable() -> dict[str, click.Command]:
    """Every command that does something, by what one types."""
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        found |= inner(name, command)
    return found


def inner(name: str, command: click.Command) -> dict[str, click.Command]:
    """A command, or those that a group of commands holds."""
    if not isinstance(command, click.Group):
        return {name: command}
    members = (inner(f"{name} {member}", one) for member, one in command.commands.items())
    return {typed: one for member in members for typed, one in member.items()}


def section(name: str) -> str:
    """What the page says below the heading of a command."""
    parts = re.split(r"^## `adce (.+)`$", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(name, "")


def options(command: click.Command) -> set[str]:
    return {flag for option in command.params for flag in option.opts if flag.startswith("--")} - COMMON


@pytest.mark.parametrize("name", sorted(runnable()))
def test_every_option_of_a_command_stands_in_its_section(name: str):
    assert options(runnable()[name]) <= set(re.findall(r"--[a-z][a-z-]+", section(name)))


@pytest.mark.parametrize("name", sorted(runnable()))
def test_the_page_names_no_option_that_is_not_there(name: str):
    assert set(re.findall(r"--[a-z][a-z-]+", section(name))) <= options(runnable()[name])


@pytest.mark.parametrize("name", sorted(runnable()))
def test_every_command_is_shown_with_an_example(name: str):
    assert f"\n    adce {name}" in section(name)


def test_options_that_all_commands_have_are_told_once():
    assert all(option in TEXT.partition("## `adce")[0] for option in COMMON)


def test_the_readme_can_be_read_in_a_few_minutes():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < MOST_LINES


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/cli.md"])
def test_every_file_that_a_page_links_to_is_there(file: str):
    page = ROOT / file
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_decision_has_a_page_with_the_reason():
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    assert all("**Consequences.**" in page.read_text("utf-8") for page in pages)


@pytest.mark.parametrize("file", ["README.md", "CHANGELOG.md"])
def test_what_is_shipped_is_counted_right(file: str):
    assert f"{len(CONTRACT.sources)} sources" in (ROOT / file).read_text("utf-8")
    assert f"{len(CONTRACT.data_sets)} data types" in (ROOT / file).read_text("utf-8")


def test_the_readme_counts_the_holes_of_the_demo():
    planted = len(holes.spots(holes.calendar())) + len(holes.NO_SCHEDULE) + 1
    assert f"with {planted} known holes" in (ROOT / "README.md").read_text("utf-8")
