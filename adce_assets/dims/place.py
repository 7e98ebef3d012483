"""One installation's metrics, opened together: what is defined, what can be measured, and what is remembered.

The command line and the Dagster assets begin here, as they begin with a project for the loop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from adce_assets.dims.catalogue import Catalogue, load_metrics
from adce_assets.dims.history import History, open_history
from adce_assets.dims.world import World
from adce_assets.loop.project import Project


@dataclass(frozen=True, slots=True)
class Place:
    """What a verification works on; a context manager that closes the history.

    Attributes:
        project: The installation.
        catalogue: Its metrics, as they are configured.
        history: What is remembered of them.
        world: What they are measured of.
    """

    project: Project
    catalogue: Catalogue
    history: History
    world: World

    def dispose(self) -> None:
        """Close the history; the project stays open."""
        self.history.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dispose()


def open_place(project: Project, *, missed_ticks: Callable[[str, str, datetime], int] | None = None) -> Place:
    """Read the definitions and open the history; no database is touched before it is asked.

    Args:
        project: The installation.
        missed_ticks: Counts the ticks that a ``sensor`` or ``schedule`` of a name has missed since a moment, from
            whoever knows Dagster.

    Raises:
        ConfigurationError: the definitions are not there or faulty, or the database's URL is none.
    """
    settings = project.settings
    catalogue = load_metrics(settings.metrics_config_path, project.contract)
    history = open_history(settings.metrics_url)
    return Place(project, catalogue, history, World(project, settings.home / catalogue.project, missed_ticks))
