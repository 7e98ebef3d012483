"""A host as `config/scraper_config.yaml` declares it: where it is, and how it wants to be asked.

Politeness is a property of the host, not of the scraper: all scrapers of a host share its one budget.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Seconds = Annotated[float, Field(gt=0, le=3600)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=10_000)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]

MIB = 1024 * 1024

SLOWEST = 10
"""A rate that errors have lowered falls to this part of the declared one, unless the entry names a floor."""


class Declared(BaseModel):
    """A part of a host's entry: unknown keys are faults, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Credential(Declared):
    """What a host wants to see before it answers; the secret itself is never in a file.

    Attributes:
        secret: The name under which the environment or the secrets backend keeps it.
        header: The header that carries it, or
        parameter: the query parameter that does; exactly one of the two.
        prefix: Stands before it, such as ``Bearer `` with its space.
    """

    secret: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=100)]
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=100)] | None = None
    prefix: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=40)] = ""
    parameter: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=100)] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.header is None) == (self.parameter is None):
            message = "a credential goes into exactly one of `header` and `parameter`"
            raise ValueError(message)
        return self


class RobotsIgnored(Declared):
    """Why a host's robots.txt is not asked for, to be read by whoever reviews the entry."""

    ignored_because: Annotated[str, Field(min_length=5, max_length=300)]


class Host(Declared):
    """One host and its limits. Rates count every request: retries and redirects too.

    Attributes:
        base_url: Scheme, name and port, with a path in front of every scraper's path if need be.
        requests_per_second: The rate that is kept over time, whatever the number of processes. No minute, wherever it
            starts, sees more than sixty times this and a burst.
        slowest_requests_per_second: How far errors may lower the rate (default: a tenth); successes raise it again.
        burst: How many requests may follow each other at once.
        budget: Hosts of one operator name the same one, and share it; default: the host's own name.
        concurrency: Requests at once of one run.
        history_share: The part of the budget that history may use while fresh work waits.
        history_floor: The part of the budget that history gets however much fresh work there is.
        jail_statuses: Answers that close the host even where they name no time.
        jail_s: How long such an answer closes it.
        robots: Whether robots.txt is honoured, or why not.
        credential: What the host wants to see before it answers.
        connect_timeout_s: Longest wait for a connection.
        read_timeout_s: Longest silence inside a response.
        deadline_s: Longest time for a response as a whole, so that a server cannot drip for ever.
        max_bytes: Largest body, after decompression.
        attempts: Tries of one request, the first included.
        max_wait_s: Longest ``Retry-After`` that a run waits for; a longer one ends the request and is kept for later.
        headers: Sent with every request, beside the user agent.
        redirect_hosts: Names, beside the host's own, that it may redirect to.
        allow_private: Private and loopback addresses are refused unless this is set (tests and the demo do).
    """

    base_url: str
    requests_per_second: Rate
    slowest_requests_per_second: Rate | None = None
    burst: Annotated[int, Field(ge=1, le=10_000)] = 1
    budget: Name | None = None
    concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    history_share: Share = 0.8
    history_floor: Share = 0.05
    jail_statuses: tuple[Annotated[int, Field(ge=400, le=599)], ...] = (429,)
    jail_s: Annotated[float, Field(gt=0, le=86_400)] = 3600
    robots: Literal["honour"] | RobotsIgnored = "honour"
    credential: Credential | None = None
    connect_timeout_s: Seconds = 10
    read_timeout_s: Seconds = 30
    deadline_s: Seconds = 120
    max_bytes: Annotated[int, Field(ge=1, le=1024 * MIB)] = 32 * MIB
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    max_wait_s: Annotated[float, Field(ge=0, le=3600)] = 120
    headers: dict[str, str] = {}
    redirect_hosts: tuple[str, ...] = ()
    allow_private: bool = False

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = "must be an http or https URL, such as https://api.example.org"
            raise ValueError(message)
        if parts.username is not None or parts.query or parts.fragment or parts.port == 0:
            message = "must have no user, query or fragment"
            raise ValueError(message)
        return url.rstrip("/")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.floor > self.requests_per_second:
            message = "`slowest_requests_per_second` must not be above `requests_per_second`"
            raise ValueError(message)
        if self.history_floor > self.history_share:
            message = "`history_floor` must not be above `history_share`"
            raise ValueError(message)
        return self

    @property
    def floor(self) -> float:
        """The rate below which no error takes the budget."""
        return self.slowest_requests_per_second or self.requests_per_second / SLOWEST

    @property
    def name(self) -> str:
        """The host name of `base_url`, in lower case."""
        return urlsplit(self.base_url).hostname or ""


def budget_faults(hosts: Mapping[str, Host]) -> Iterator[tuple[str, str]]:
    """Name each host that shares a budget and declares another limit than the first that does, with the reason."""
    first: dict[str, str] = {}
    for name, host in hosts.items():
        other = first.setdefault(host.budget or name, name)
        if limits_of(host) != limits_of(hosts[other]):
            yield name, f"shares a budget with `{other}` and must declare the same limits: {', '.join(LIMITS)}"


LIMITS = ("requests_per_second", "burst", "slowest_requests_per_second", "history_share", "history_floor")
"""What belongs to the budget; all hosts of one declare it alike."""


def limits_of(host: Host) -> tuple[float | None, ...]:
    """Take out what belongs to the budget."""
    return tuple(getattr(host, name) for name in LIMITS)
