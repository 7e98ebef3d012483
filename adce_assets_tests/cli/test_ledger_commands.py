"""`adce prove` and `adce ledger verify` say whether what happened to keys is what was written, and exit accordingly."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adce_assets.lake.store import open_store
from adce_assets.ledger.book import open_ledger
from adce_assets.loop.heads import keep
from adce_assets.loop.state import State
from adce_assets_tests.ledger.conftest import NOW, happened

KEY = "pbp/401524000.json"


@pytest.fixture
def kept(installation: Any) -> Path:
    """The file of a ledger in which a key was planned and another detected."""
    file = installation.home / ".adce" / "ledger.sqlite"
    ledger = open_ledger(f"sqlite:///{file}")
    ledger.append([happened("detected", KEY), happened("detected", "pbp/other.json"), happened("planned", KEY)])
    ledger.dispose()
    return file


def change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


@pytest.mark.usefixtures("kept")
def test_a_key_is_proved_in_a_table(installation: Any):
    shown = installation.adce("prove", KEY)
    assert (shown.exit_code, shown.stdout.count("fits")) == (0, 2)
    assert f"`{KEY}` is planned: 2 entries, which fit together, told at the head 3:" in shown.stderr


def test_a_proof_is_checked_where_there_is_no_ledger(installation: Any, kept: Path, tmp_path: Path):
    file = tmp_path / "proof.json"
    file.write_text(installation.adce("prove", KEY, "--json").stdout)
    kept.unlink()
    checked = installation.adce("prove", "--check", str(file))
    assert (checked.exit_code, "2 entries, which fit together" in checked.stderr) == (0, True)
    document = json.loads(file.read_text())
    document["entries"][1]["run"] = "another"
    file.write_text(json.dumps(document))
    checked = installation.adce("prove", "--check", str(file), "--json")
    told = json.loads(checked.stdout)
    assert (checked.exit_code, [fault["seq"] for fault in told["faults"]]) == (1, [3])
    assert not kept.exists()


def test_a_changed_entry_is_shown_and_exits_with_1(installation: Any, kept: Path):
    change(kept, "UPDATE ledger_entries SET run = 'another' WHERE seq = 3")
    shown = installation.adce("prove", KEY)
    assert (shown.exit_code, shown.stdout.count("changed"), shown.stdout.count("fits")) == (1, 1, 1)
    assert "entry 3: it is not what was written, or not in its place" in shown.stderr
    verified = installation.adce("ledger", "verify")
    assert (verified.exit_code, "3 of 3 entries hashed anew, 1 fault" in verified.stdout) == (1, True)
    assert f"entry 3 of `{KEY}`: it is not what was written" in verified.stderr


@pytest.mark.usefixtures("kept")
def test_a_whole_ledger_exits_with_0(installation: Any):
    told = installation.json("ledger", "verify")
    assert told.pop("head").startswith("3:")
    assert told == {"schema": 1, "entries": 3, "checked": 3, "sample": None, "faults": [], "kept_head": None}
    told = installation.json("ledger", "verify", "--sample", "2.5%", "--seed", "7")
    assert (told["sample"], told["faults"]) == ({"share": 0.025, "seed": 7}, [])
    assert 1 <= told["checked"] < 3


def test_a_ledger_is_held_against_a_head_that_was_kept_elsewhere(installation: Any, kept: Path):
    told = installation.json("ledger", "verify")["head"]
    assert installation.adce("ledger", "verify", "--head", told).exit_code == 0
    change(kept, "UPDATE ledger_keys SET source = source")
    other = installation.adce("ledger", "verify", "--head", f"3:{'0' * 64}")
    assert (other.exit_code, "it is not the entry that was the last one" in other.stderr) == (1, True)
    assert installation.adce("ledger", "verify", "--head", f"4{told[1:]}").exit_code == 1


def test_a_ledger_is_held_against_the_head_that_the_loop_kept_without_being_told(installation: Any, kept: Path):
    ledger = open_ledger(f"sqlite:///{kept}")
    state = State(open_store((installation.home / "inventory").as_uri(), make=True))
    head = str(keep(state, ledger, NOW).head)
    ledger.dispose()
    assert installation.json("ledger", "verify")["kept_head"] == head
    for file in kept.parent.glob("ledger.sqlite*"):
        file.unlink()
    ledger = open_ledger(f"sqlite:///{kept}")
    ledger.append([happened("detected", "another")])
    ledger.dispose()
    found = installation.adce("ledger", "verify")
    assert (found.exit_code, "it is not the entry that was the last one" in found.stderr) == (1, True)
    assert f"the head that was kept last is {head}" in found.stderr


def test_how_keys_stand_is_made_from_the_entries_again(installation: Any, kept: Path):
    change(kept, "UPDATE ledger_keys SET state = 'closed' WHERE key LIKE '%other%'")
    assert installation.adce("ledger", "verify").exit_code == 1
    assert installation.json("ledger", "rebuild") == {"schema": 1, "keys": 2, "mended": 1, "removed": 0}
    assert installation.adce("ledger", "verify").exit_code == 0
    assert "2 keys: 0 made anew, 0 without an entry removed" in installation.adce("ledger", "rebuild").stdout
    change(kept, "UPDATE ledger_entries SET run = 'another' WHERE seq = 3")
    refused = installation.adce("ledger", "rebuild")
    assert (refused.exit_code, "entries that were changed: entry 3: it is not" in refused.stderr) == (1, True)


def test_a_proof_is_held_against_an_entry_that_was_kept_elsewhere(installation: Any, kept: Path, tmp_path: Path):
    assert kept.is_file()
    file, head = tmp_path / "proof.json", installation.json("ledger", "verify")["head"]
    file.write_text(installation.adce("prove", KEY, "--json").stdout)
    assert installation.adce("prove", "--check", str(file), "--head", head).exit_code == 0
    other = installation.adce("prove", "--check", str(file), "--head", f"3:{'0' * 64}")
    assert (other.exit_code, "entry 3: it is not the one that was kept" in other.stderr) == (1, True)


@pytest.mark.parametrize("head", ["", "3", "3:abc", "x:" + "0" * 64, "-1:" + "0" * 64, "3:" + "A" * 64])
def test_what_is_no_head_is_refused(installation: Any, head: str):
    refused = installation.adce("ledger", "verify", f"--head={head}")
    assert (refused.exit_code != 0, "is no head; valid: SEQ:HASH" in refused.stderr) == (True, True)


def test_a_head_belongs_to_a_proof_in_a_file(installation: Any):
    assert "is for `--check FILE`" in installation.adce("prove", KEY, "--head", f"3:{'0' * 64}").stderr


@pytest.mark.usefixtures("kept")
def test_a_sample_says_how_to_look_at_the_same_entries_again(installation: Any):
    assert "`--seed 7`" in installation.adce("ledger", "verify", "--sample", "50", "--seed", "7").stdout


def test_an_installation_that_has_done_nothing_has_a_whole_ledger(installation: Any):
    assert installation.json("ledger", "verify")["entries"] == 0


@pytest.mark.parametrize("how", ["no head", "no state"])
def test_what_was_kept_and_cannot_be_read_is_a_fault_and_the_entries_are_looked_at_all_the_same(
    installation: Any, kept: Path, how: str
):
    change(kept, "UPDATE ledger_entries SET run = 'another' WHERE seq = 3")
    if how == "no head":
        file = installation.home / "inventory" / "cache" / "ledger_head.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text("junk")
    else:
        installation.variables["ADCE_STATE"] = (installation.home / "nowhere").as_uri()
    verified = installation.adce("ledger", "verify")
    assert (verified.exit_code, "3 of 3 entries hashed anew, 2 faults" in verified.stdout) == (1, True)
    assert "the head that was kept of it cannot be read" in verified.stderr
    assert f"entry 3 of `{KEY}`: it is not what was written" in verified.stderr


@pytest.mark.parametrize("sample", ["0%", "101", "-1%", "some", "nan%"])
def test_a_sample_of_no_sensible_size_is_refused(installation: Any, sample: str):
    refused = installation.adce("ledger", "verify", f"--sample={sample}")
    assert refused.exit_code != 0
    assert "is no percentage" in refused.stderr


@pytest.mark.usefixtures("kept")
def test_a_key_that_nothing_is_known_of_is_an_error(installation: Any):
    refused = installation.adce("prove", "pbp/none.json")
    assert (refused.exit_code, "nothing is known of `pbp/none.json`" in refused.stderr) == (1, True)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"schema": 2}'])
def test_what_is_no_proof_is_an_error(installation: Any, tmp_path: Path, text: str):
    (tmp_path / "proof.json").write_text(text)
    refused = installation.adce("prove", "--check", str(tmp_path / "proof.json"))
    assert (refused.exit_code, "this is no proof of a key" in refused.stderr) == (1, True)


@pytest.mark.parametrize("arguments", [(), (KEY, "--check", __file__)])
def test_either_a_key_or_a_proof_is_asked_for(installation: Any, arguments: tuple[str, ...]):
    assert "either a key or `--check FILE`" in installation.adce("prove", *arguments).stderr
