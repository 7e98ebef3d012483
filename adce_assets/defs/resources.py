"""Configuration in, the plain objects out that the rooms work with. Nothing is opened before a run or a tick asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from adce_assets.contract.loading import Contract
from adce_assets.loop.project import Project, open_project
from adce_assets.scrapers.catalogue import Catalogue
from adce_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from adce_assets.fetch.client import Client


class ProjectResource(dg.ConfigurableResource):
    """The installation that a run or a tick works on."""

    environment: dict[str, str] = Field(
        default={},
        description="Stands for the environment of the process (ADCE_LAKE, ADCE_HOME, ...) when it is not empty.",
    )

    def settings(self) -> Settings:
        """Read the environment and the configuration files as they are now."""
        return load_settings(self.environment or None)

    def open(self, contract: Contract) -> Project:
        """Open the lake and the state of the installation under the contract that the assets were made from."""
        return open_project(self.settings(), contract)


@contextmanager
def asking(project: Project, catalogue: Catalogue) -> Iterator["Client"]:
    """Lend a client that asks the catalogue's hosts, or their stand-ins, within limits shared by every process here."""
    from adce_assets.fetch.client import Client, user_agent
    from adce_assets.fetch.limits import Limits

    settings = project.settings
    hosts = catalogue.with_base_urls(settings.host_urls).hosts
    limits = Limits(settings.work_folder / "limits.sqlite")
    try:
        with Client(hosts, limits, agent=user_agent(catalogue.contact), now=project.clock) as client:
            yield client
    finally:
        limits.dispose()
