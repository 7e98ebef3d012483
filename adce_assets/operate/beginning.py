"""A lake that nobody has described in, a home for it out: a draft of its contract, and what goes beside that.

Here stand the look at the lake, which is bounded however large it is, the files of the home, and the coverage that it
would have. What the draft says of the keys belongs to `contract.proposing`.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import yaml

from adce_assets.contract.proposing import Draft
from adce_assets.errors import ConfigurationError
from adce_assets.lake import listing, sampling
from adce_assets.lake.store import EVERYTHING, KeyRange, LakeStore
from adce_assets.loop import coverage, inventory
from adce_assets.loop.project import open_project
from adce_assets.settings import Settings, kept, load_settings

if TYPE_CHECKING:
    import pyarrow as pa

COPIED = ("config/reconciliation_config.yaml", "config/autonomous_config.yaml", "dagster.yaml")
"""What a new home has as it is shipped."""
CONTRACT, SCRAPERS = "inventory/data_inventory.yaml", "config/scraper_config.yaml"
CLOCK = "ADCE_AS_OF"
"""All that is taken from the environment of an installation to look at a lake as another one would."""
MOST_FOLDERS, LEAST_OF_A_FOLDER = 1_000, 20
"""How many folders are looked into, and at how many objects of each, if any."""
SAMPLE_RATE, SEED = 0.001, 1
"""How much is asked to estimate a lake that is too large to be listed: as little as there is a sample of."""

_CONTRACT_SAYS = """\
# The contract: what the lake should hold. Drafted by `adce init` from the keys of {lake}
# as of {now:%Y-%m-%d}: read it, give things their names, and correct what keys alone cannot tell:
# - `seasons`, `from_date`, `values` and tables are what was there, not what should have been;
# - `freshness_days` and `due` are guesses: from when on is a document missing, or too old?
# - a dimension without values is read, and nothing of it is expected;
# - `scraper` says who collects a data set; nothing is collected before one is named.
"""
_SCRAPERS_SAY = """\
# Hosts and scrapers. Nothing is collected as long as there are none: the first goes to config/scrapers/<source>.yaml,
# and the two lines of `include` below are then put in force.
contact: https://example.org/adce  # stands in the user agent; put an address here at which you can be reached
# include:
#   - scrapers/*.yaml
"""
_SCRAPES = re.compile(r"^scheduled_scrapes:.*\n(?: .*\n)*", re.MULTILINE)
"""What is shipped is scheduled of sources that another lake does not have."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The sizes of objects by key, whether these are all of the lake, and else an estimate of how many it has.

    ``low`` and ``high`` (None: nobody knows) are the ends of its 95 % confidence interval. ``folders_left`` were
    seen, and not looked into.
    """

    sizes: Mapping[str, int]
    complete: bool
    objects: int
    low: int
    high: int | None
    folders_left: int = 0


def look(lake: LakeStore, most: int, *, outside: Iterable[str] = ()) -> Looked:
    """Look at a lake: at all of it, or, where it has more than ``most`` objects, at as many of each folder.

    Of very many folders some are looked into, chosen by lot. Behind the first thousand names of a bucket only folders
    are known that the estimate has met.

    Args:
        lake: The lake.
        most: Objects to look at, at the most.
        outside: Prefixes of keys, beside ADCE's own, that are no data.

    Raises:
        LakeError: a request failed in the end.
    """
    left_out = (*listing.NOT_DATA, *outside)
    sizes = _sizes(lake, EVERYTHING, most + 1, left_out)
    if len(sizes) <= most:
        return Looked(sizes, complete=True, objects=len(sizes), low=len(sizes), high=len(sizes))
    sample = sampling.estimate(lake, rate=SAMPLE_RATE, seed=SEED, exclude=left_out)
    sharing = _Sharing(lake, left_out, Random(SEED))  # noqa: S311 - which folders are looked into is no secret
    shared = sharing.shared("", most, known=sample.by_prefix) or dict(islice(sizes.items(), most))
    total, left = sample.total.objects, sharing.folders_left
    return Looked(shared, complete=False, objects=total.value, low=total.low, high=total.high, folders_left=left)


@dataclass(slots=True)
class _Sharing:
    """Looks into folders: at all of a small one, and of a large one at as many objects of each folder that it has."""

    lake: LakeStore
    left_out: tuple[str, ...]
    lot: Random
    looked_into: int = 0
    folders_left: int = 0

    def shared(self, folder: str, most: int, *, known: Iterable[str] = ()) -> dict[str, int]:
        """Look at so many objects of a folder; at none where no folder lies in it, ``known`` ones or others."""
        level = self.lake.level(folder)
        folders = sorted(name for name in {*level.folders, *known} - {""} if not name.startswith(self.left_out))
        if not folders:
            return {}
        self.lot.shuffle(folders)
        share = min(most, max(most // (len(folders) + 1), LEAST_OF_A_FOLDER))
        sizes = dict(islice(_rows(level.objects, self.left_out), share))
        for place, name in enumerate(folders):
            room = most - len(sizes)
            if not room or self.looked_into >= MOST_FOLDERS:
                self.folders_left += len(folders) - place
                break
            sizes |= self._of(name, min(room, max(room // (len(folders) - place), LEAST_OF_A_FOLDER)))
        return sizes

    def _of(self, folder: str, most: int) -> dict[str, int]:
        """Look at so many objects of a folder, or at all that it has."""
        self.looked_into += 1
        sizes = _sizes(self.lake, KeyRange(folder, f"{folder[:-1]}0"), most + 1, self.left_out)
        if len(sizes) <= most:
            return sizes
        shared = self.shared(folder, most) if most > LEAST_OF_A_FOLDER else {}
        return shared or dict(islice(sizes.items(), most))


def settings_of(lake: str | None) -> Settings:
    """Return the settings with which a lake is looked at, of a home that need not be there yet; default: ADCE_LAKE."""
    told = {"ADCE_LAKE": lake or kept("ADCE_LAKE"), CLOCK: kept(CLOCK)}
    return load_settings({name: value for name, value in told.items() if value})


def files(draft: Draft, lake: str, now: datetime) -> dict[str, str]:
    """Write the files of a home for a drafted lake, by their path in it."""
    shipped = load_settings({}).home
    contract = yaml.safe_dump(dict(draft.contract), sort_keys=False, allow_unicode=True, width=120)
    tables = {f"inventory/tables/{name}": text for name, text in draft.tables.items()}
    copied = {name: _SCRAPES.sub("scheduled_scrapes: []\n", (shipped / name).read_text("utf-8")) for name in COPIED}
    return {CONTRACT: _CONTRACT_SAYS.format(lake=lake, now=now) + contract, SCRAPERS: _SCRAPERS_SAY, **tables, **copied}


def write(home: Path, texts: Mapping[str, str]) -> None:
    """Write a home, whole or not at all, where there is none; an empty folder is filled, for it may be a disk's.

    Who is killed while an empty folder is filled may leave a part of it.

    Raises:
        ConfigurationError: the folder holds something, or it cannot be written.
    """
    refuse_to_write_over(home)
    there = home.is_dir()
    name = f".adce-init.{os.getpid()}"
    made, moved = home / name if there else home.with_name(name), list[Path]()
    try:
        _fill(made, texts)
        for path in sorted(made.iterdir()) if there else ():
            moved.append(path.rename(home / path.name))
        if not there:
            made.rename(home)
    except OSError as error:
        for path in moved:
            path.rename(made / path.name)
        raise ConfigurationError(f"the home cannot be written: {error.strerror}", where=str(home)) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _fill(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def refuse_to_write_over(home: Path) -> None:
    """Raise ConfigurationError for a folder that holds something, or that cannot be looked into."""
    try:
        empty = not home.is_dir() or not any(home.iterdir())
    except OSError as error:
        raise ConfigurationError(f"this cannot be a home: {error.strerror}", where=str(home)) from error
    if not empty:
        raise ConfigurationError(
            "the folder is not empty, and nothing in it is written over",
            where=str(home),
            hint="name another with `--home`",
        )


def coverage_of(texts: Mapping[str, str], lake: str) -> dict[str, Any]:
    """Say what coverage a home would have, as a reconciliation says it; nothing of it is kept.

    Args:
        texts: The files of the home.
        lake: The URL of the lake.

    Raises:
        ContractError: the drafted contract cannot be used.
        LakeError: the lake cannot be listed.
    """
    with tempfile.TemporaryDirectory(prefix="adce-init-") as folder:
        home = Path(folder) / "home"
        write(home, texts)
        moment = kept(CLOCK) or ""
        project = open_project(load_settings({"ADCE_LAKE": lake, "ADCE_HOME": str(home), CLOCK: moment}))
        inventory.take(project, mode="list")
        return coverage.analyse(project).document


def _rows(objects: "pa.RecordBatch", left_out: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Give keys and sizes, without what is left out."""
    rows = zip(objects["key"].to_pylist(), objects["size"].to_pylist(), strict=True)
    return ((key, size) for key, size in rows if not key.startswith(left_out))


def _sizes(lake: LakeStore, within: KeyRange, most: int, left_out: tuple[str, ...]) -> dict[str, int]:
    """Read the first objects of a stretch of keys, so many at the most."""
    rows = (row for part in lake.parts(within) for row in _rows(part.objects, left_out))
    return dict(islice(rows, most))
