"""How an existing program is called, and what counts as collected when it has ended."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.errors import AdceError, ConfigurationError, ProgramError
from adce_assets.fetch.audit import audit
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.ledger.receipts import completion_key, write_completion
from adce_assets.scrapers import command
from adce_assets.scrapers.command import LONGEST, Call, Launched, Programs
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Collected, Failed, Wanted
from adce_assets.scrapers.processes import Ended
from adce_assets_tests.scrapers.called_programs import NOW, WELL, Called, entry, games, installed, wanted


@pytest.fixture
def lake(tmp_path: Path) -> LakeStore:
    (tmp_path / "lake").mkdir()
    return open_store((tmp_path / "lake").as_uri())


@pytest.fixture
def programs(tmp_path: Path, lake: LakeStore) -> Programs:
    return installed(tmp_path, lake)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def called(entry: ScraperEntry, asked: list[Wanted], programs: Programs, folder: Path) -> list[Collected | Failed]:
    found: list[Collected | Failed] = []
    for call in command.plan(entry, asked, NOW):
        found += [call] if isinstance(call, Failed) else command.answer(entry, call, programs, folder)
    return found


def became(outcomes: list[Collected | Failed]) -> dict[str, str]:
    """Tell what became of each game, after the audit."""
    found = {}
    for outcome in outcomes:
        game = outcome.wanted.entity["game_id"][-2:]
        if isinstance(outcome, Failed):
            found[game] = type(outcome.error).__name__
            continue
        try:
            audit(outcome.body, outcome.requirements, outcome.wanted.entity)
            found[game] = "collected"
        except AdceError as error:
            found[game] = type(error).__name__
    return found


def test_a_program_that_knows_nothing_of_us_collects_what_it_is_asked_for(
    programs: Programs, folder: Path, lake: LakeStore
):
    outcomes = called(entry(), games(3), programs, folder)
    assert became(outcomes) == {"01": "collected", "02": "collected", "03": "collected"}
    for outcome in outcomes:
        assert isinstance(outcome, Collected)
        assert outcome.body == lake.get(outcome.wanted.key)
        assert (outcome.wanted.etag, outcome.fetched_at) == (None, NOW)
        assert outcome.url == f"{lake.url}/{outcome.wanted.key}"
    assert programs.requests == 1
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("trouble", "became_of", "said"),
    [
        ("dies", {"01": "collected", "02": "ProgramError", "03": "ProgramError"}, "was killed by signal 9"),
        ("hangs", {"01": "collected", "02": "ProgramError", "03": "ProgramError"}, "was stopped after"),
        ("forgets", {"01": "collected", "02": "ProgramError", "03": "collected"}, "ended well and has not written"),
        ("refuses", {"01": "collected", "02": "collected", "03": "collected"}, None),
        ("notice", dict.fromkeys(("01", "02", "03"), "BlockedPageError"), None),
        ("other", dict.fromkeys(("01", "02", "03"), "WrongEntityError"), None),
        ("nonsense option", dict.fromkeys(("01", "02", "03"), "ProgramError"), "with code 2 (usage|boxes: error"),
    ],
)
def test_what_is_in_the_lake_decides_and_not_how_the_program_ended(
    programs: Programs,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
    became_of: dict[str, str],
    said: str | None,
):
    monkeypatch.setattr("adce_assets.scrapers.processes.GRACE", 0.3)
    option = ["--trouble", trouble] if " " not in trouble else ["--nonsense"]
    seconds = 2.5 if trouble == "hangs" else 60
    outcomes = called(entry(*option, seconds_per_key=0.1, seconds_at_least=seconds), games(3), programs, folder)
    assert became(outcomes) == became_of
    words = [str(outcome.error) for outcome in outcomes if isinstance(outcome, Failed)]
    assert all(any(part in word for part in (said or "").split("|")) for word in words)


def test_a_program_that_cannot_be_started_says_why(programs: Programs, folder: Path):
    (programs.folders[0] / "boxes").write_text("#!/nowhere/python\n")
    (outcome,) = called(entry(), [wanted()], programs, folder)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, ProgramError)
    assert "could not be started (No such file or directory)" in str(outcome.error)


def test_a_program_from_outside_is_never_started(programs: Programs, folder: Path):
    programs.launch = Called()
    shutil.move(programs.folders[0] / "boxes", programs.folders[0].parent / "boxes")
    (programs.folders[0] / "boxes").symlink_to(programs.folders[0].parent / "boxes")
    with pytest.raises(ConfigurationError, match="is a link"):
        called(entry(), [wanted()], programs, folder)
    assert programs.launch.calls == []


def test_keys_that_are_there_meanwhile_are_looked_at_and_not_asked_for(
    programs: Programs, folder: Path, lake: LakeStore
):
    programs.launch = Called()
    there, absent = games(2)
    body = json.dumps({"game_id": there.entity["game_id"], "players": [{"points": 3}] * 9}).encode()
    lake.put(there.key, body)
    assert became(called(entry(), [there, absent], programs, folder)) == {"01": "collected", "02": "ProgramError"}
    (launched,) = programs.launch.calls
    assert launched.told["game_ids"] == ["0022300002"]
    assert [type(found) for found in called(entry(), [there], programs, folder)] == [Collected]
    assert len(programs.launch.calls) == 1


def test_a_key_to_be_replaced_must_be_written_anew(programs: Programs, folder: Path, lake: LakeStore):
    one = wanted()
    old = replace(one, etag=lake.put(one.key, b"old"))
    programs.launch = Called()
    (outcome,) = called(entry(), [old], programs, folder)
    assert isinstance(outcome, Failed)
    assert "has not written the key anew" in str(outcome.error)

    def writes(_: Launched) -> Ended:
        lake.put(one.key, b'{"new": 1}')
        return WELL

    programs.launch = Called(writes)
    (outcome,) = called(entry(), [old], programs, folder)
    assert isinstance(outcome, Collected)
    assert (outcome.body, outcome.wanted.etag) == (b'{"new": 1}', None)


def test_an_environment_is_what_the_entry_names_and_the_secrets_reach_no_log(
    programs: Programs, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    named = entry("--trouble", "talks", environment=["CLUB_REGION", "CLUB_UNSET"], secrets=["CLUB_TOKEN"])
    with caplog.at_level("INFO", "adce_assets.scrapers.command"):
        called(named, [wanted()], programs, folder)
    told = dict(line.split("=", 1) for line in caplog.messages if "=" in line)
    assert told.keys() - {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"} == {
        *("PATH", "HOME", "TMPDIR", "LANG", "ADCE_LAKE", "ADCE_RUN"),
        *("CLUB_REGION", "CLUB_TOKEN"),
    }
    assert (told["CLUB_TOKEN"], told["CLUB_REGION"], told["PATH"]) == ("***", "north", command.PATH)
    assert told["ADCE_RUN"] == "run-1"
    assert told["HOME"] == told["TMPDIR"]
    assert any(line.endswith("with 0 files") for line in caplog.messages)
    assert "planted" not in caplog.text


def test_a_secret_that_is_kept_nowhere_is_said_before_anything_is_started(programs: Programs, folder: Path):
    programs.launch = Called()
    with pytest.raises(ConfigurationError, match="no secret is kept under `NO_SUCH`"):
        called(entry(secrets=["NO_SUCH"]), [wanted()], programs, folder)
    assert programs.launch.calls == []


@pytest.mark.parametrize("secret", ["", "abc", "two\nlines", "n\xe4mlich"])
def test_a_secret_that_could_not_be_kept_out_of_a_log_is_not_passed_on(programs: Programs, folder: Path, secret: str):
    programs.launch = Called()
    programs.kept = {"CLUB_TOKEN": secret}.get
    with pytest.raises(ConfigurationError, match=r"(?s)the secret `CLUB_TOKEN` cannot be passed on.*4 letters"):
        called(entry(secrets=["CLUB_TOKEN"]), [wanted()], programs, folder)
    assert programs.launch.calls == []


def test_the_path_is_passed_on_when_the_entry_says_so(programs: Programs, folder: Path):
    programs.launch = Called()
    called(entry(environment=["PATH"]), [wanted()], programs, folder)
    assert programs.launch.calls[0].process.environment["PATH"] == "/opt/bin"


def test_a_call_is_for_one_value_of_what_stands_alone_and_for_all_of_what_is_listed(programs: Programs, folder: Path):
    programs.launch = Called()
    asked = [*games(2), *games(1, season="2022-23"), *games(2, data_type="plays")]
    called(entry(), [replace(one, key=f"{one.data_type}/{one.key}") for one in asked], programs, folder)
    lines = [list(launched.process.arguments[1:5]) for launched in programs.launch.calls]
    assert lines == [
        ["--season", "2023-24", "--game-ids", "0022300001,0022300002"],
        ["--season", "2022-23", "--game-ids", "0022300001"],
    ]
    assert [len(launched.told["keys"]) for launched in programs.launch.calls] == [4, 1]
    assert [launched.process.seconds for launched in programs.launch.calls] == [120, 60]


def test_a_key_that_would_say_something_else_in_a_command_line_fails_alone(programs: Programs, folder: Path):
    programs.launch = Called()
    odd = ["--help", "a,b", "../x", "a b", "", "$(id)", "x\n", "é", "a/b", "a..b", "-1"]
    asked = [wanted(game) for game in odd]
    outcomes = called(entry(), [*asked, wanted()], programs, folder)
    assert {outcome.wanted.entity["game_id"] for outcome in outcomes[: len(odd)]} == set(odd)
    assert [launched.told["game_ids"] for launched in programs.launch.calls] == [["0022300001"]]


def test_arguments_that_no_key_can_fill_are_a_fault_of_the_configuration(programs: Programs, folder: Path):
    for text in ("{team}", "{teams}", "{runs}"):
        with pytest.raises(ConfigurationError, match=r"(?s)nothing fills.*valid: \{lake\}.*\{game_id\}"):
            called(entry(arguments=[text]), [wanted()], programs, folder)


def test_a_data_set_that_is_not_yielded_is_a_fault_of_the_configuration(programs: Programs, folder: Path):
    with pytest.raises(ConfigurationError, match="does not yield `club/shots`"):
        called(entry(), [wanted(data_type="shots")], programs, folder)


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=400),
    most=st.integers(1, 300),
    longest=st.integers(5_000, 9_000),
)
def test_calls_hold_every_key_once_and_no_command_line_is_too_long(sizes: list[int], most: int, longest: int):
    asked = [wanted(f"{number:04d}" + "x" * size) for number, size in enumerate(sizes)]
    said = entry("--keys={keys}", keys_per_call=most)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("adce_assets.scrapers.command.LONGEST", longest)
        calls = list(command.plan(said, asked, NOW))
    assert [one for call in calls if isinstance(call, Call) for one in call.wanted] == asked
    for call in calls:
        assert isinstance(call, Call)
        assert len(call.wanted) <= most
        line = command.arguments(command.command_of(said), call.wanted, {"lake": "s3://x", "folder": "/f", "run": "r"})
        assert sum(len(part) + 1 for part in line) <= longest or len(call.wanted) == 1


def test_ten_thousand_keys_fit_into_command_lines_that_the_kernel_takes():
    asked = games(10_000)
    calls = [call for call in command.plan(entry(keys_per_call=10_000), asked, NOW) if isinstance(call, Call)]
    assert sum(len(call.wanted) for call in calls) == 10_000
    assert len(calls) == 2
    for call in calls:
        assert len(",".join(one.entity["game_id"] for one in call.wanted)) < LONGEST


def marked(lake: LakeStore, marker_id: str, **changes: Any) -> Ended:
    given: dict[str, Any] = {"status": "ok", "keys": [wanted().key], "records": None, "producer": "club scripts"}
    given |= {"source": "club", "data_type": "boxes", "season": "2023-24", "started_at": NOW, "finished_at": NOW}
    write_completion(lake, marker_id, **(given | changes))
    return WELL


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "has not written the key although its completion marker names it"),
        ({"status": "failed", "keys": []}, "its completion marker reports a failure: club scripts"),
        ({"keys": ["boxes/other.json"]}, "ended well and has not written the key but `boxes/other.json`"),
        ({"season": "2022-23"}, "ended well and has not written the key"),
    ],
)
def test_a_marker_is_heard_and_proves_nothing(
    programs: Programs, folder: Path, lake: LakeStore, changes: dict[str, Any], said: str
):
    marked(lake, "old", status="failed", producer="long ago")
    programs.launch = Called(lambda _: marked(lake, "new", **changes))
    (outcome,) = called(entry(), [wanted()], programs, folder)
    assert isinstance(outcome, Failed)
    assert str(outcome.error).rstrip(")").endswith(said)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xfe", b"[]", b'{"schema": 2}', b"x" * (17 * 1024 * 1024)])
def test_a_marker_that_cannot_be_believed_is_a_warning(
    programs: Programs, folder: Path, lake: LakeStore, body: bytes, caplog: pytest.LogCaptureFixture
):
    def writes(_: Launched) -> Ended:
        lake.put(completion_key("club", "boxes", "2023-24", "bad"), body)
        lake.put(wanted().key, b'{"players": []}')
        return WELL

    programs.launch = Called(writes)
    (outcome,) = called(entry(), [wanted()], programs, folder)
    assert isinstance(outcome, Collected)
    (warning,) = outcome.warnings
    assert "a completion marker that cannot be believed" in warning
    assert warning in caplog.text


def test_a_large_document_is_looked_at_in_a_file(
    programs: Programs, folder: Path, lake: LakeStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adce_assets.scrapers.command.PIECE", 100)
    (outcome,) = called(entry(), [wanted()], programs, folder)
    assert isinstance(outcome, Collected)
    assert isinstance(outcome.body, Path)
    assert outcome.body.parent == folder
    assert outcome.body.read_bytes() == lake.get(wanted().key)
