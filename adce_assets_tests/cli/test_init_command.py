"""`adce init` on lakes that have nothing to do with games, and a shell that completes `adce`."""

import json
import subprocess
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from adce_assets.cli.completion import SHELLS, VARIABLE
from adce_assets.cli.main import COMMANDS, main
from adce_assets.contract.loading import load_contract
from adce_assets.errors import ConfigurationError
from adce_assets.lake import sampling
from adce_assets.lake.sampling import Estimate
from adce_assets.lake.store import EVERYTHING, OBJECT_SCHEMA, KeyRange, Level, Part, open_store
from adce_assets.operate import beginning
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets.settings import load_settings
from adce_assets_tests.cli.conftest import Installation

NOW = "2024-12-05T12:00:00+00:00"
NOON = datetime(2024, 12, 5, 12, tzinfo=UTC)
LOST = {f"hourly/ENFB/2024-10-{day:02d}.csv" for day in range(1, 15)} | {"invoices/2023/02/acme.pdf"}


def weather() -> dict[str, bytes]:
    """Stations by day, invoices by month and customer, two files of their own, and one that no template can write."""
    days = [date(2024, 8, 1) + timedelta(days) for days in range(126)]
    keys = {f"hourly/{station}/{day}.csv": b"at,degrees\n" * 20 for station in ("ENGM", "ENFB") for day in days}
    months = [(year, month) for year in (2022, 2023) for month in range(1, 13)]
    names = ("acme", "globex", "initech", "stark-and-sons", "umbrella", "wayne", "hooli")
    pdf = b"%PDF-1.7 " * 20 + b"%%EOF"
    keys |= {f"invoices/{year}/{month:02d}/{name}.pdf": pdf for year, month in months for name in names}
    keys |= {"stations.csv": b"code,name\n" * 20, "about.md": b"# weather\n" * 20, "to do.txt": b"sleep"}
    return {key: body for key, body in keys.items() if key not in LOST}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("weather")
    for key, body in weather().items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(body)
    return root.as_uri()


@pytest.fixture
def init(lake: str) -> Callable[..., Result]:
    """Run `adce init` on the lake, in an environment that knows of nothing."""
    here = Installation(Path(), {"ADCE_AS_OF": NOW})
    return lambda *arguments: here.adce("init", "--lake", lake, *arguments)


def test_a_home_is_drafted_that_finds_what_the_lake_has_lost(init: Callable[..., Result], tmp_path: Path) -> None:
    home = tmp_path / "home"
    drafted = json.loads(init("--home", str(home), "--write", "--json").stdout)
    templates = {one["template"] for one in drafted["data_sets"]}
    assert templates == {
        "about.md",
        "stations.csv",
        "hourly/{code}/{date}.csv",
        "invoices/{season_start}/{month}/{name}.pdf",
    }
    assert drafted["left"] == {"not_plain": {"objects": 1, "keys": ["to do.txt"]}}
    assert (drafted["complete"], drafted["looked_at"], drafted["home"]) == (True, len(weather()), str(home))
    totals = drafted["coverage"]["totals"]
    assert (totals["missing"], totals["present"]) == (len(LOST), len(weather()) - 1)
    assert load_contract(home / "inventory" / "data_inventory.yaml").data_sets.keys() == {
        one["name"] for one in drafted["data_sets"]
    }
    assert load_catalogue(home / "config" / "scraper_config.yaml").scrapers == {}
    assert load_settings({"ADCE_HOME": str(home)}).autonomous.scheduled_scrapes == ()


def test_nothing_is_written_unasked_and_never_over_what_is_there(init: Callable[..., Result], tmp_path: Path) -> None:
    shown = init("--home", str(tmp_path / "home"))
    assert (shown.exit_code, list(tmp_path.iterdir())) == (0, [])
    assert "hourly/{code}/{date}.csv" in shown.stdout
    assert "to do.txt" in shown.stderr
    (tmp_path / "kept.txt").write_text("mine")
    refused = init("--home", str(tmp_path), "--write")
    assert (refused.exit_code, "not empty" in refused.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
    nowhere = init("--write")
    assert (nowhere.exit_code, "--home" in nowhere.stderr) == (1, True)


def test_the_home_that_the_environment_names_need_not_be_there_yet(lake: str, tmp_path: Path) -> None:
    home = tmp_path / "my home"
    here = Installation(tmp_path, {"ADCE_AS_OF": NOW, "ADCE_HOME": str(home)})
    told = here.adce("init", "--lake", lake, "--write")
    assert (told.exit_code, (home / "dagster.yaml").is_file()) == (0, True), told.stderr
    assert f"ADCE_HOME='{home}'" in told.stderr


def test_an_empty_folder_stays_the_one_that_it_was(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "link").symlink_to("volume")
    before = (tmp_path / "volume").stat().st_ino
    beginning.write(tmp_path / "link", {"one.txt": "1", "two/three.txt": "3"})
    assert {path.name for path in (tmp_path / "volume").iterdir()} == {"one.txt", "two"}
    assert ((tmp_path / "volume").stat().st_ino, (tmp_path / "link").is_symlink()) == (before, True)


def test_a_folder_that_no_disk_can_have_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be"):
        beginning.refuse_to_write_over(tmp_path / ("a" * 300))


def test_an_empty_lake_proposes_nothing(tmp_path: Path) -> None:
    empty = Installation(tmp_path).adce("init", "--lake", tmp_path.as_uri(), "--json")
    assert (empty.exit_code, "nothing to propose" in empty.stderr) == (1, True)
    told = json.loads(empty.stdout)
    assert (told["schema"], told["objects"], told["data_sets"], told["coverage"]) == (1, 0, [], None)


def test_of_a_large_lake_each_folder_is_looked_at_and_the_rest_is_estimated(lake: str) -> None:
    looked = beginning.look(open_store(lake), 100)
    folders = {key.partition("/")[0] for key in looked.sizes}
    assert {"hourly", "invoices", "stations.csv"} <= folders
    assert {key[:12] for key in looked.sizes if key.startswith("hourly/")} == {"hourly/ENFB/", "hourly/ENGM/"}
    assert (looked.complete, len(looked.sizes) <= 100) == (False, True)
    assert looked.low <= len(weather()) <= (looked.high or len(weather()))


class Wide:
    """A lake of as many folders as one likes, each with a few objects, that counts how often it is asked."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys, self.asked = sorted(keys), 0

    def parts(self, within: KeyRange = EVERYTHING) -> Iterator[Part]:
        first = bisect_right(self.keys, within.after)
        last = bisect_right(self.keys, within.until) if within.until else len(self.keys)
        for begin in range(first, max(last, first + 1), 1_000):
            self.asked += 1
            yield Part(self._rows(self.keys[begin : min(begin + 1_000, last)]), 1, begin + 1_000 >= last)

    def level(self, folder: str = "") -> Level:
        self.asked += 1
        below = [key[len(folder) :] for key in self.keys if key.startswith(folder)]
        folders = sorted({folder + key[: key.index("/") + 1] for key in below if "/" in key})
        return Level(self._rows([folder + key for key in below if "/" not in key]), folders, 1, complete=True)

    def _rows(self, keys: list[str]) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist(
            [{"key": key, "size": 9, "last_modified": NOON, "etag": ""} for key in keys], OBJECT_SCHEMA
        )


def looked_at(keys: list[str], most: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Wide, beginning.Looked]:
    """Look at a lake without estimating how large it is."""
    guess = SimpleNamespace(total=SimpleNamespace(objects=Estimate(len(keys), 0, None)), by_prefix={})
    monkeypatch.setattr(sampling, "estimate", lambda *_, **__: guess)
    lake: Any = Wide(keys)
    return lake, beginning.look(lake, most)


def test_of_more_folders_than_can_be_looked_at_some_are_and_the_others_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = [f"{customer:04d}/{number}.json" for customer in range(3_000) for number in range(5)]
    lake, looked = looked_at(keys, 1_000, monkeypatch)
    folders = {int(key[:4]) for key in looked.sizes}
    assert (len(looked.sizes), len(folders), looked.folders_left) == (1_000, 200, 2_800)
    assert (min(folders) < 100, max(folders) > 2_900) == (True, True)
    assert lake.asked < 250


def test_below_the_only_folder_at_the_top_each_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [f"data/alpha/{number:04d}.json" for number in range(1_500)]
    keys += [f"data/beta/2024/{number:04d}.json" for number in range(300)] + ["data/one.txt"]
    _, looked = looked_at(keys, 1_000, monkeypatch)
    by_folder = Counter(key.rpartition("/")[0] for key in looked.sizes)
    assert (by_folder["data/beta/2024"], by_folder["data"], looked.folders_left) == (300, 1, 0)
    assert len(looked.sizes) <= 1_000 <= len(looked.sizes) + 300


def test_an_empty_folder_is_empty_again_where_it_cannot_be_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def full(path: Path, target: Path) -> Path:
        if path.name == "two.txt":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        beginning.write(tmp_path, {"one.txt": "1", "two.txt": "2"})
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_whole_is_not_written_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        beginning.write(tmp_path / "home", {"one.txt": "1", "one.txt/two.txt": "2"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_its_lines(shell: str) -> None:
    told = CliRunner().invoke(main, ["completion", shell, "--json"])
    lines: dict[str, Any] = json.loads(told.stdout)
    assert (lines["shell"], VARIABLE in lines["lines"]) == (shell, True)


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        (("adce", "re"), {name for name in COMMANDS if name.startswith("re")}),
        (("adce", "reconcile", "--mo"), {"--mode"}),
    ],
)
def test_bash_completes_commands_and_options(typed: tuple[str, ...], wanted: set[str]) -> None:
    lines = CliRunner().invoke(main, ["completion", "bash"]).stdout
    words = " ".join(f"'{word}'" for word in typed)
    ask = f"COMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}; _adce_completion adce; printf '%s\\n' ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["/bin/bash", "-c", f"{lines}\n{ask}"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )
    assert set(done.stdout.split()) == wanted
