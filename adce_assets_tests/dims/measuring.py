"""A world with nothing in its folder, and what is said of what cannot be measured in it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.dims.world import World
from adce_assets.errors import AdceError
from adce_assets_tests.dims.small_lake import CONTRACT, measured

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)


def bare(workshop: "Workshop") -> World:
    """Make a world without a lake to speak of."""
    project = workshop.project(CONTRACT, now=NOW)
    return World(project, project.settings.home)


def with_secrets(world: World, **secrets: str) -> World:
    """Give the same world with secrets in its environment."""
    settings = replace(world.project.settings, secrets=secrets.get)
    return replace(world, project=replace(world.project, settings=settings))


def write(path: Path, body: bytes | str = "") -> Path:
    """Write a file, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return path


def put(world: World, **files: bytes | str) -> None:
    """Write files into the folder of a world."""
    for name, body in files.items():
        write(world.root / name, body)


def why_not(world: World, kind: str, **parameters: Any) -> str:
    """Measure what cannot be; return what is said of it."""
    with pytest.raises(AdceError) as refused:
        measured(world, kind, **parameters)
    return str(refused.value)
