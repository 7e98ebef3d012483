"""Configuration in, the plain objects out that the rooms work with. Nothing is opened before a run or a tick asks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from adce_assets.contract.loading import Contract
from adce_assets.errors import RunEndsError
from adce_assets.loop.project import Project, open_project
from adce_assets.scrapers.catalogue import Catalogue
from adce_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from adce_assets.fetch.client import Client
    from adce_assets.fetch.hosts import Host
    from adce_assets.fetch.limits import HostState, Lane, Limits


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


@dataclass(frozen=True, slots=True)
class Asking:
    """A client, and the limits that it keeps to; `hurry` ends every wait of the client at once."""

    client: "Client"
    limits: "Limits"
    hosts: Mapping[str, "Host"]
    hurry: Callable[[], None]

    def state(self, host: str) -> "HostState":
        """Say how a host stands with us now."""
        return self.limits.states({host: self.hosts[host]})[0]


@contextmanager
def asking(project: Project, catalogue: Catalogue, lane: "Lane") -> Iterator[Asking]:
    """Lend a client that asks the catalogue's hosts, or their stand-ins, within limits shared by every process."""
    from adce_assets.fetch.client import Client, user_agent
    from adce_assets.fetch.limits import Limits

    settings, ended = project.settings, Event()
    hosts = catalogue.with_base_urls(settings.host_urls).hosts

    def sleep(seconds: float) -> None:
        if ended.wait(seconds):
            raise RunEndsError("the run ends before the host may be asked")

    limits = Limits(settings.limits_place, sleep=sleep)
    agent = user_agent(catalogue.contact)
    try:
        with Client(
            hosts, limits, agent=agent, now=project.clock, lane=lane, secrets=settings.secrets, sleep=sleep
        ) as client:
            yield Asking(client, limits, hosts, ended.set)
    finally:
        limits.dispose()
