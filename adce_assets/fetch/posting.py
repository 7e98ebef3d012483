"""A URL and a body in, a body handed over out: to a server that somebody has named for it, such as one for alerts.

No document comes back, and no host of the scrapers is asked: there are no budgets here, and one attempt alone. The path
of the URL may be a secret. It is known to the wire alone, and stands in no error and no line of a log.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx2

from adce_assets.errors import ConfigurationError, FetchError, PermanentFetchError, TransientFetchError
from adce_assets.fetch import network
from adce_assets.fetch.secrets import keep_libraries_quiet

DEADLINE_S, CONNECT_S = 10.0, 5.0
TRANSIENT = frozenset({408, 425, 429, *range(500, 600)})
MOST_READ = 300
"""Bytes of an answer that is told: a longer one would be cut, and in a secret that it repeats nobody would know it."""
VALID = "an https URL, or an http URL with `allow_private: true`"


def post(url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool) -> None:
    """Hand a body over; it has arrived when the server answers with a status of 2xx. Redirects are not followed.

    Args:
        url: Where to.
        body: What.
        headers: Of the request, such as its content type.
        allow_private: Whether the server may be one of your own: at a private address, and without TLS.

    Raises:
        FetchError: it may arrive later (transient), or the server will not have it or is where none should be.
        ConfigurationError: the URL is none that a body may be sent to.
    """
    keep_libraries_quiet()
    place = _place(url, allow_private=allow_private)

    def put(request: httpx2.Request) -> httpx2.Request:
        return httpx2.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )

    guarded = network.transport(allow_private=allow_private, put=put)
    wait = httpx2.Timeout(DEADLINE_S, connect=CONNECT_S)
    with httpx2.Client(transport=guarded, timeout=wait, trust_env=False) as client, network.deadline(DEADLINE_S):
        try:
            with client.stream("POST", place, content=body, headers=dict(headers)) as answer:
                if not answer.is_success:
                    raise _refusal(answer, place)
        except httpx2.RequestError as error:
            raise TransientFetchError(f"no answer: {type(error).__name__}: {error}", where=place) from error


def _place(url: str, *, allow_private: bool) -> str:
    """Return what may be told of a URL: its server."""
    try:
        parts = urlsplit(url)
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        raise ConfigurationError("that is no URL", valid=VALID) from None
    if parts.scheme not in ({"https", "http"} if allow_private else {"https"}) or not parts.hostname:
        raise ConfigurationError(f"nothing is sent to a URL of `{parts.scheme}`", valid=VALID)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _refusal(answer: httpx2.Response, place: str) -> FetchError:
    """Build the error of a status that says that nothing has arrived, and what the server says of it in short."""
    read = next(answer.iter_raw(MOST_READ + 1), b"")
    said = read.decode("utf-8", "replace") if len(read) <= MOST_READ else ""
    kind = TransientFetchError if answer.status_code in TRANSIENT else PermanentFetchError
    return kind(f"answered {answer.status_code}: {said}".rstrip(": "), where=place, status=answer.status_code)
