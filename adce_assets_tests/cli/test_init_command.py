"""`adce init` on lakes that have nothing to do with games, and a shell that completes `adce`."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adce_assets.cli.completion import SHELLS, VARIABLE
from adce_assets.cli.main import COMMANDS, main
from adce_assets.contract.loading import load_contract
from adce_assets.errors import ConfigurationError
from adce_assets.lake.store import open_store
from adce_assets.operate import beginning
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets.settings import load_settings
from adce_assets_tests.cli.conftest import Installation

NOW = "2024-12-05T12:00:00+00:00"
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
    assert (empty.exit_code, empty.stdout, "nothing to propose" in empty.stderr) == (1, "", True)


def test_of_a_large_lake_each_folder_is_looked_at_and_the_rest_is_estimated(lake: str) -> None:
    looked = beginning.look(open_store(lake), 100)
    folders = {key.partition("/")[0] for key in looked.sizes}
    assert {"hourly", "invoices", "stations.csv"} <= folders
    assert not looked.complete
    assert looked.low <= len(weather()) <= (looked.high or len(weather()))


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
