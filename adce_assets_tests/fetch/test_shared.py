"""Records are changed one at a time, wherever they lie, and nothing is left half done."""

import contextlib
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adce_assets.errors import ConfigurationError
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Limits
from adce_assets.fetch.shared import Records, open_records

COUNT = """
import sys
import traceback
from adce_assets.fetch.shared import open_records
records = open_records(sys.argv[1])
for _ in range(int(sys.argv[2])):
    records.change("count", lambda record, now_ms: (str(int(record or 0) + 1), None))
records.dispose()
"""


def counted(record: str | None, _now_ms: int) -> tuple[str, int]:
    return str(int(record or 0) + 1), int(record or 0) + 1


def looked_at(record: str | None, _now_ms: int) -> tuple[None, str | None]:
    return None, record


@pytest.fixture
def opened(place: str) -> Iterator[Callable[[], Records]]:
    with contextlib.ExitStack() as stack:

        def open_one() -> Records:
            records = open_records(place)
            stack.callback(records.dispose)
            return records

        yield open_one


def test_a_record_that_nobody_has_written_is_none(opened: Callable[[], Records]):
    assert opened().change("new", looked_at) is None
    assert opened().change("new", looked_at) is None


def test_keys_have_records_of_their_own(opened: Callable[[], Records]):
    records = opened()
    assert [records.change(key, counted) for key in ("one", "one", "other; DROP TABLE adce_limits")] == [1, 2, 1]


def test_no_change_is_lost_among_threads_and_connections(opened: Callable[[], Records]):
    both = [opened(), opened()]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: both[number % 2].change("count", counted), range(200)))
    assert both[0].change("count", looked_at) == "200"


def test_no_change_is_lost_among_processes(opened: Callable[[], Records], place: str):
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, place, "150"]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert opened().change("count", looked_at) == "450"


def test_a_process_that_is_killed_stops_nobody(opened: Callable[[], Records], place: str):
    records = opened()
    process = subprocess.Popen([sys.executable, "-c", COUNT, place, "1000000"])
    while int(records.change("count", looked_at) or 0) < 20:
        pass
    process.kill()
    process.wait(timeout=10)
    before = int(records.change("count", looked_at) or 0)
    assert records.change("count", counted) == before + 1


def test_a_change_that_fails_leaves_the_record_as_it_was(opened: Callable[[], Records]):
    records = opened()
    records.change("count", counted)

    def fail(record: str | None, now_ms: int) -> tuple[str, None]:
        message = f"{record} at {now_ms}"
        raise LookupError(message)

    with pytest.raises(LookupError):
        records.change("count", fail)
    assert records.change("count", counted) == 2


def test_the_place_tells_the_time(opened: Callable[[], Records]):
    early = opened().change("it", lambda record, now_ms: (record, now_ms))
    late = opened().change("it", lambda record, now_ms: (record, now_ms))
    assert 1_700_000_000_000 < early <= late < early + 60_000


def test_a_record_of_another_kind_is_an_error_with_the_way_out(opened: Callable[[], Records], place: str):
    opened().change("it", lambda _record, _now_ms: ('{"moments": "yesterday"}', None))
    limits = Limits(place)
    with pytest.raises(ConfigurationError, match=r"a record of another kind\nhint: delete it; it is made anew"):
        limits.acquire("it", Host(base_url="http://127.0.0.1", requests_per_second=1))
    limits.dispose()


def test_a_file_where_a_folder_should_be_is_named_with_the_way_out(tmp_path: Path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigurationError, match=r"taken/limits\.sqlite.*\nhint: make its folder"):
        open_records(tmp_path / "taken" / "limits.sqlite").change("it", looked_at)


def test_a_file_that_is_no_database_is_named_with_the_way_out(tmp_path: Path):
    path = tmp_path / "limits.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigurationError, match=r"limits\.sqlite.*\n.*delete the file"):
        open_records(path).change("it", looked_at)


def test_a_database_that_cannot_be_reached_is_named_without_its_password():
    records = open_records("postgresql://me:s3cret@127.0.0.1:1/adce")
    with pytest.raises(ConfigurationError, match=r"postgresql://127\.0\.0\.1:1/adce: the limits") as raised:
        records.change("it", looked_at)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p%zzs3cret@127.0.0.1:1/adce",
        "postgresql://me:s3cret%00@127.0.0.1:1/adce",
        "postgresql://me:pa@s3cret@127.0.0.1:1/adce",
        "postgresql://me:pa/s3cret@127.0.0.1:1/adce",
        "postgresql://me/s3cret@127.0.0.1:1/adce",
        "postgresql://me:pa?s3cret@127.0.0.1:1/adce",
        "postgresql://me:pa#s3cret@127.0.0.1:1/adce",
        "postgresql://me:pa[s3cret@127.0.0.1:1/adce",
        "postgresql://me:pa s3cret@127.0.0.1:1/adce",
        "postgresql://me:s3cret",
        "postgresql://127.0.0.1:s3cret/adce",
        "postgresql://me@127.0.0.1:1/adce?password=s3cret",
        "postgresql://me@127.0.0.1:1/adce?passwrd=s3cret",
        "postgresql://me:s3cret@127.0.0.1:1/adce?connect_timeout=s3cret",
        "postgresql+psycopg2://me:s3cret@127.0.0.1:1,127.0.0.1:2/adce",
        "postgresql://me:s%33cret@127.0.0.1:1/adce?options=s3cret",
    ],
)
def test_no_part_of_a_password_is_told_however_the_url_is_written(url: str):
    with pytest.raises(ConfigurationError) as raised:
        open_records(url).change("it", looked_at)
    assert "s3cret" not in "".join(traceback.format_exception(raised.value))


def test_records_are_kept_nowhere_else():
    with pytest.raises(ConfigurationError, match="postgresql://"):
        open_records("mysql://me@host/adce")
