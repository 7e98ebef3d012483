"""Which programs may be started, and what an entry may say of one."""

import os
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adce_assets.errors import ConfigurationError
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.programs import Command, located


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of programs, with one in it."""
    put(tmp_path / "programs" / "box" / "collect")
    return tmp_path / "programs"


def put(file: Path, mode: int = 0o755) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\necho well\n")
    file.chmod(mode)
    return file


def test_a_program_of_the_first_folder_that_has_it_is_found(folder: Path, tmp_path: Path):
    put(tmp_path / "more" / "box" / "collect")
    folders = [tmp_path / "nothing", folder, tmp_path / "more"]
    assert located("box/collect", folders) == folder.resolve() / "box" / "collect"


def test_the_folder_itself_may_be_a_link_that_a_person_has_made(folder: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(folder)
    assert located("box/collect", [tmp_path / "link"]) == folder.resolve() / "box" / "collect"


def test_a_program_that_no_folder_has_is_refused_with_the_folders(folder: Path):
    with pytest.raises(
        ConfigurationError, match=r"(?s)no program is named `box/other`.*valid: a file below .*programs"
    ):
        located("box/other", [folder])
    with pytest.raises(ConfigurationError, match="none is configured"):
        located("box/collect", [])


def test_a_link_is_no_program_wherever_it_leads(folder: Path, tmp_path: Path):
    outside = put(tmp_path / "outside" / "tool")
    (folder / "tool").symlink_to(outside)
    (folder / "inside").symlink_to(folder / "box" / "collect")
    (folder / "elsewhere").symlink_to(tmp_path / "outside")
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("tool", "inside", "elsewhere/tool", "dangling"):
        with pytest.raises(ConfigurationError, match="is a link"):
            located(name, [folder])


@pytest.mark.parametrize(
    ("mode", "said"),
    [(0o644, "is not executable"), (0o757, "may be rewritten by anybody"), (0o777, "may be rewritten by anybody")],
)
def test_a_file_that_is_no_program_or_anybodys_is_refused(folder: Path, mode: int, said: str):
    put(folder / "tool", mode)
    with pytest.raises(ConfigurationError, match=said):
        located("tool", [folder])


@pytest.mark.parametrize("place", ["", "box"])
def test_a_program_in_a_folder_that_anybody_may_write_is_refused(folder: Path, place: str):
    (folder / place).chmod(0o777)
    with pytest.raises(ConfigurationError, match="may be rewritten by anybody"):
        located("box/collect", [folder])


def test_a_folder_and_a_pipe_are_no_programs(folder: Path):
    os.mkfifo(folder / "pipe", 0o755)
    for name in ("box", "pipe"):
        with pytest.raises(ConfigurationError, match="is no file"):
            located(name, [folder])


OUTWARD = [
    *("..", "../tool", "box/../../tool", "/bin/sh", "//bin/sh", "./tool", "box/./tool", "box//tool", "", "box/", "."),
    *("-c", "--help", ".hidden", "box/-rf", "~/tool", "$HOME/tool", "`id`", "tool;id", "tool id", "tool\n", "tool\0"),
    *("..\\tool", "box\\tool", "%2e%2e/tool", "a" * 201, "töol", "tool|id", "tool&", "*", "box/*", "tool>x"),
]


@pytest.mark.parametrize("name", OUTWARD)
def test_a_name_that_could_lead_out_is_no_name_of_a_program(name: str):
    with pytest.raises(ValidationError):
        Command.model_validate({"program": name})


@given(st.text(max_size=30))
def test_whatever_the_name_nothing_outside_the_folder_is_found(tmp_path_factory: pytest.TempPathFactory, name: str):
    folder = tmp_path_factory.getbasetemp() / "programs"
    folder.mkdir(exist_ok=True)
    put(folder / "tool")
    put(folder.parent / "outside")
    try:
        found = located(Command.model_validate({"program": name}).program, [folder])
    except (ValidationError, ConfigurationError):
        return
    assert found == folder.resolve() / "tool"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"arguments": ["{"]}, "is not a template"),
        ({"arguments": ["{0}"]}, "is no field"),
        ({"arguments": ["{season!r}"]}, "is no field"),
        ({"arguments": ["{season.start}"]}, "is no field"),
        ({"arguments": ["{season[0]}"]}, "is no field"),
        ({"arguments": ["{season:>99}"]}, "is no field"),
        ({"arguments": [""]}, "at least 1"),
        ({"arguments": ["a\0b"]}, "NUL"),
        ({"environment": ["LD_PRELOAD"]}, "not passed on"),
        ({"secrets": ["ADCE_LAKE"]}, "not passed on"),
        ({"environment": ["DAGSTER_PIPES_CONTEXT"]}, "not passed on"),
        ({"environment": ["A B"]}, "match pattern"),
        ({"environment": ["KEY"], "secrets": ["KEY"]}, "either a secret or not"),
        ({"keys_per_call": 0}, "greater than or equal"),
        ({"seconds_per_key": 0}, "greater than 0"),
        ({"shell": True}, "not permitted"),
    ],
)
def test_what_an_entry_cannot_say_of_its_program_is_refused(said: dict[str, Any], why: str):
    with pytest.raises(ValidationError, match=why):
        Command.model_validate({"program": "tool", **said})


def test_a_call_has_time_in_proportion_to_its_keys():
    command = Command(program="tool", seconds_per_key=2, seconds_at_least=30)
    assert [command.seconds(keys) for keys in (1, 15, 16, 100)] == [30, 30, 32, 200]


GUIDE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_guide_tells_of_every_setting_and_its_example_is_an_entry():
    text = GUIDE.read_text()
    table = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    told = set(re.findall(r"`(\w+)`", "".join(table)))
    assert told == set(Command.model_fields)
    examples = [yaml.safe_load(dedent(block)) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    (scrapers,) = [example["scrapers"] for example in examples if "scrapers" in example]
    for entry in scrapers.values():
        assert ScraperEntry.model_validate(entry).command is not None
