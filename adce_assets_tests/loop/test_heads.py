"""The head of the ledger is kept outside of it, and stays there when the ledger does not hold it any more."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adce_assets.errors import LakeError, VerifyError
from adce_assets.lake.store import open_store
from adce_assets.ledger.book import Ledger, open_ledger
from adce_assets.loop import heads
from adce_assets.loop.state import LEDGER_HEAD, State
from adce_assets_tests.ledger.conftest import happened

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
FILE = "ledger.sqlite"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(open_store((tmp_path / "state").as_uri(), make=True))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/{FILE}")
    yield opened
    opened.dispose()


def another(ledger: Ledger, folder: Path, *keys: str) -> None:
    """Put another ledger in the place of one."""
    ledger.dispose()
    for file in folder.glob(f"{FILE}*"):
        file.unlink()
    written = open_ledger(f"sqlite:///{folder}/{FILE}")
    written.append([happened("detected", key) for key in keys])
    written.dispose()


def test_the_head_is_kept_and_kept_anew_when_there_is_more(state: State, ledger: Ledger):
    assert heads.last(state, ledger.url) is None
    for key in "abc":
        ledger.append([happened("detected", key)])
        kept = heads.keep(state, ledger, NOW)
        assert (kept, str(heads.last(state, ledger.url))) == (heads.Kept(ledger.head()), str(ledger.head()))


def test_a_head_that_is_the_same_is_not_written_again(state: State, ledger: Ledger):
    ledger.append([happened("detected", "a")])
    heads.keep(state, ledger, NOW)
    before = state.store.head(f"{LEDGER_HEAD}.json")
    heads.keep(state, ledger, NOW.replace(hour=13))
    assert state.store.head(f"{LEDGER_HEAD}.json") == before


@pytest.mark.parametrize("keys", ["", "x", "xyz"], ids=["emptied", "cut off", "written anew"])
def test_a_head_that_the_ledger_does_not_hold_any_more_is_told_and_stays(
    state: State, ledger: Ledger, tmp_path: Path, keys: str, caplog: pytest.LogCaptureFixture
):
    ledger.append([happened("detected", "a"), happened("detected", "b")])
    first = heads.keep(state, ledger, NOW).head
    another(ledger, tmp_path, *keys)
    for _ in range(2):
        said = f"the ledger does not hold entry {first} any more, which was its last one"
        assert heads.keep(state, ledger, NOW).lost == said
        assert str(heads.last(state, ledger.url)) == str(first)
    assert f"does not hold entry {first} any more" in caplog.text


def test_of_another_database_another_head_is_kept(state: State, ledger: Ledger, tmp_path: Path):
    ledger.append([happened("detected", "a"), happened("detected", "b")])
    heads.keep(state, ledger, NOW)
    other = open_ledger(f"sqlite:///{tmp_path}/other.sqlite")
    other.append([happened("detected", "c")])
    assert heads.last(state, other.url) is None
    assert heads.keep(state, other, NOW) == heads.Kept(other.head())
    for one in (ledger, other):
        assert str(heads.last(state, one.url)) == str(one.head())
    other.dispose()


def test_ledgers_in_files_of_one_path_on_two_machines_are_two(
    state: State, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ledger.append([happened("detected", "a"), happened("detected", "b")])
    first = heads.keep(state, ledger, NOW).head
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    another(ledger, tmp_path, "c")
    other = open_ledger(f"sqlite:///{tmp_path}/{FILE}")
    assert heads.keep(state, other, NOW) == heads.Kept(other.head())
    assert str(heads.last(state, other.url)) == str(other.head())
    other.dispose()
    monkeypatch.undo()
    assert str(heads.last(state, ledger.url)) == str(first)


def test_a_ledger_in_postgresql_is_one_for_all_machines(monkeypatch: pytest.MonkeyPatch):
    url = "postgresql://adce@db:5432/adce"
    here = heads.name_of(url)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert heads.name_of(url) == here == url


@pytest.mark.parametrize("text", ['{"schema": 1, "heads": {"URL": "7:abc"}}', '{"schema": 1}', "{", "[]"])
def test_what_is_no_head_is_an_error_that_names_the_file_and_stays(
    state: State, ledger: Ledger, text: str, caplog: pytest.LogCaptureFixture
):
    body = text.replace("URL", heads.name_of(ledger.url)).encode()
    state.store.put(f"{LEDGER_HEAD}.json", body)
    with pytest.raises((VerifyError, LakeError), match=r"ledger_head\.json") as raised:
        heads.last(state, ledger.url)
    assert "remove the file" in str(raised.value)
    kept = heads.keep(state, ledger, NOW)
    assert (kept.head, "cannot be read, and stays as it is" in kept.lost) == (ledger.head(), True)
    assert "cannot be read, and stays as it is" in caplog.text
    assert state.store.get(f"{LEDGER_HEAD}.json") == body
