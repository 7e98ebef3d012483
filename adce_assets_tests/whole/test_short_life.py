"""The loop lives by itself: daemons, PostgreSQL, an S3 server, sources that are ill and get well, and nobody else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adce_assets_tests.whole.life import KINDS, Life, Places
from adce_assets_tests.whole.moody import sources

PATIENCE_S = 150
"""After which a life should have come to its end on a slow machine; it takes a third of it on a quick one."""


@pytest.fixture
def life(tmp_path: Path, postgresql: Any, moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    """An installation in a database of its own."""
    postgresql.psql("DROP DATABASE IF EXISTS life;")
    postgresql.psql("CREATE DATABASE life;")
    places = Places(postgresql.get_uri(database="life"), moto_url)
    for name, value in places.environment.items():
        monkeypatch.setenv(name, value)
    with sources(tuple(KINDS)) as running:
        life = Life(tmp_path, places, running)
        yield life
        life.ledger.dispose()


def test_what_sources_have_is_collected_when_they_are_well_again_and_all_else_is_accounted_for(life: Life) -> None:
    with life.living(machines=1):
        life.night(games=8, moods={"beta": "busy", "gamma": "stalls"})
        assert life.wait(lambda: all(source.log for source in life.sources.values()), PATIENCE_S), said(life)
        life.night(games=0)
        life.wait(life.settled, PATIENCE_S, tell_every=5)
        assert life.faults() == [], said(life)


def said(life: Life) -> str:
    """Return the end of what the processes wrote."""
    return "\n".join(machine.said(name)[-4_000:] for machine in life.machines for name in machine.processes)
