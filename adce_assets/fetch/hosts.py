"""A host as `config/scraper_config.yaml` declares it: where it is, and how it wants to be asked.

Politeness is a property of the host, not of the scraper: all scrapers of a host share its one budget.
"""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

Seconds = Annotated[float, Field(gt=0, le=3600)]

MIB = 1024 * 1024


class Host(BaseModel):
    """One host and its limits. Rates count every request: retries and redirects too.

    Attributes:
        base_url: Scheme, name and port, with a path in front of every scraper's path if need be.
        requests_per_second: The rate that is kept over time, whatever the number of processes.
        burst: How many requests may follow each other at once.
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

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    requests_per_second: Annotated[float, Field(gt=0, le=10_000)]
    burst: Annotated[int, Field(ge=1, le=10_000)] = 1
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

    @property
    def name(self) -> str:
        """The host name of `base_url`, in lower case."""
        return urlsplit(self.base_url).hostname or ""
