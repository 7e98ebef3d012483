"""The shipped contract and configuration in, the demo's own home out: the same files, cut to three seasons.

Everything the demo does happens below one folder: its lake, its configuration, its state, Dagster's records. What is
cut or changed stands in this file; everything else is what is shipped.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml

from adce_assets.demo.holes import NOW
from adce_assets.demo.season import FRAMES
from adce_assets.documents import read
from adce_assets.errors import ConfigurationError
from adce_assets.settings import load_settings

SOURCES: Mapping[str, tuple[str, ...]] = {
    "espn": ("play_by_play", "box_scores", "team_stats", "schedule"),
    "hoopr": ("draft",),
}
"""What the demo keeps of the contract: a source with a scraper, and a data type for which there is none."""
AUDITED_AT_ONCE = 200
"""Objects looked into in each reconciliation; enough for the newest, which are the spoiled ones."""
MARK = ".adce-demo"
"""The file that shows that a folder was made by the demo, and may be made anew; it says the kind of the lake."""
LakeKind = Literal["file", "s3"]
"""Where the demo keeps its lake: in a folder, or in a local S3 server."""

SEASONS = f"{FRAMES[0].season.label}..{FRAMES[-1].season.label}"
FIRST_DAY = date(FRAMES[0].season.start, 10, 1)


@dataclass(frozen=True, slots=True)
class Home:
    """The demo's folder, what lies where in it, and which kind of lake it has."""

    folder: Path
    kind: LakeKind

    @property
    def lake(self) -> Path:
        """The lake of the demo on the file system; the one on S3 is kept here between runs."""
        return self.folder / "lake"

    @property
    def dagster(self) -> Path:
        """Dagster's home."""
        return self.folder / "dagster"

    def environment(self, *, lake_url: str, source_url: str) -> dict[str, str]:
        """Say what a process needs in its environment to work on this home."""
        return {
            "ADCE_HOME": str(self.folder),
            "ADCE_LAKE": lake_url,
            "ADCE_AS_OF": NOW.isoformat(),
            "ADCE_HOST_ESPN_SITE": source_url,
            "DAGSTER_HOME": str(self.dagster),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }


def open_home(folder: Path) -> Home:
    """Return the home that an earlier demo left in ``folder``; ConfigurationError when there is none."""
    if not (folder / MARK).exists():
        raise ConfigurationError("there is no demo", where=str(folder), hint="run `make demo` first")
    kind: LakeKind = "s3" if (folder / MARK).read_text("utf-8") == "s3" else "file"
    return Home(folder.resolve(), kind)


def make_home(folder: Path, kind: LakeKind) -> Home:
    """Make a demo's home, in the place of an earlier one.

    Raises:
        ConfigurationError: the folder holds something that no demo made.
    """
    if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise ConfigurationError(
            "the folder is not empty, and no demo made it", where=str(folder), hint="name another with `--folder`"
        )
    shutil.rmtree(folder, ignore_errors=True)
    home, shipped = Home(folder.resolve(), kind), load_settings({}).home
    home.lake.mkdir(parents=True)
    (folder / MARK).write_text(kind, "utf-8")
    shutil.copytree(shipped / "config", folder / "config")
    _change(folder / "config" / "reconciliation_config.yaml", "s3", audit_objects_per_run=AUDITED_AT_ONCE)
    home.dagster.mkdir()
    shutil.copy(shipped / "dagster.yaml", home.dagster)
    _write_contract(shipped / "inventory", folder / "inventory")
    _write_metrics(shipped / "inventory" / "config.yaml", folder / "inventory" / "config.yaml")
    return home


def _change(file: Path, section: str, **values: object) -> None:
    data = yaml.safe_load(file.read_text("utf-8"))
    data[section].update(values)
    file.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")


def _write_metrics(shipped: Path, file: Path) -> None:
    """Copy the definitions of the metrics, those switched on which only a lake has that somebody collects for."""
    file.write_text(shipped.read_text("utf-8").replace("\n  collecting: off", "\n  collecting: on", 1), "utf-8")


def _write_contract(shipped: Path, folder: Path) -> None:
    shutil.copytree(shipped / "tables", folder / "tables")
    contract = read(shipped / "data_inventory.yaml").data
    contract["sources"] = {name: _cut(contract["sources"][name], kept) for name, kept in SOURCES.items()}
    parts = [part for source in contract["sources"].values() for part in (source, *source["data_types"].values())]
    used = {part.get("schedule") for part in parts}
    contract["schedules"] = {name: found for name, found in contract["schedules"].items() if name in used}
    ranges = {name for part in parts for name in part.get("for_each", ())}
    dimensions = contract.get("dimensions", {})
    contract["dimensions"] = {name: found for name, found in dimensions.items() if name in ranges}
    text = yaml.safe_dump(contract, sort_keys=False, allow_unicode=True, width=120)
    (folder / "data_inventory.yaml").write_text(f"# The shipped contract, cut to the demo's seasons.\n{text}", "utf-8")


def _cut(source: dict[str, Any], kept: tuple[str, ...]) -> dict[str, Any]:
    data_types: dict[str, dict[str, Any]] = {name: source["data_types"][name] | {"seasons": SEASONS} for name in kept}
    for declared in data_types.values():
        if "from_date" in declared:
            declared["from_date"] = FIRST_DAY
    if not any("game" in declared.get("for_each", ()) for declared in data_types.values()):
        source = {name: value for name, value in source.items() if name != "schedule"}
    return {**source, "data_types": data_types}
