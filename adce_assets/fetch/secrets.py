"""A host's credential by name in, the header or parameter that carries it out; and every text without it.

Where secrets are kept is the caller's affair: a function that knows them by name. A secret is put into a request at the
last moment, below the HTTP client, and only on the way to the host that it is for, so that no URL, error, log line or
receipt ever holds it. `Redactor` is for what comes back: a host may repeat what it was told.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import httpx2

from adce_assets.errors import AdceError, ConfigurationError, UnsafeError
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.network import Put
from adce_assets.fetch.urls import DECODINGS, HIDDEN, is_own, is_secret, without_secrets

SHORTEST = 4
"""Letters of a secret below which hiding it would hide half of every text; no source hands out such a key."""

LIBRARY_LOGGERS = ("httpx2", *(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))

Secrets = Callable[[str], str | None]
"""The secret of a name, or None where nobody keeps one."""


def none_kept(_: str) -> None:
    """Know no secret."""


class Redactor:
    """Hides the secrets that it was told of, in whatever form they come back. Safe between threads."""

    def __init__(self) -> None:
        self._forms: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self._lock = Lock()

    def learn(self, secret: str) -> None:
        """Hide this text from now on, and its percent-encoded and escaped forms."""
        if len(secret) < SHORTEST:
            return
        with self._lock:
            self._forms |= _forms(secret)
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(re.escape(form) for form in longest_first), re.IGNORECASE)

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def knows(self, url: str) -> bool:
        """Tell whether a URL holds a secret, however often it is percent-encoded."""
        readings = [url]
        for _ in range(DECODINGS):
            readings += [decoded(reading) for reading in readings for decoded in (unquote, unquote_plus)]
            readings = list(dict.fromkeys(readings))
        return any(self.text(reading) != reading for reading in readings)

    def url(self, url: str) -> str:
        """Return a URL without the secrets, without a user, and without the values of parameters that carry such."""
        return self.text(without_secrets(url))

    def error(self, error: AdceError) -> AdceError:
        """Take the secrets out of an error, and away what caused it if that tells them."""
        error.what, error.where, error.valid, error.hint = map(
            self.text, (error.what, error.where, error.valid, error.hint)
        )
        error.args = tuple(self.text(str(part)) for part in error.args)
        chain: BaseException | None = error.__cause__ or error.__context__
        while chain is not None:
            if self.text(f"{chain!r} {chain}") != f"{chain!r} {chain}":
                error.__cause__, error.__context__, error.__suppress_context__ = None, None, True
                break
            chain = chain.__cause__ or chain.__context__
        return error

    def watched(self, pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
        """Hand on the pieces of a body; UnsafeError as soon as they repeat a secret: nothing of it may be kept."""
        needles = [form.encode() for form in self._forms]
        if not needles:
            yield from pieces
            return
        longest, seen = max(map(len, needles)), b""
        for piece in pieces:
            seen = seen[1 - longest :] + piece
            if any(needle in seen for needle in needles):
                raise UnsafeError("the body repeats the host's credential", where=where)
            yield piece


def _forms(secret: str) -> frozenset[str]:
    escaped = secret.encode("unicode_escape").decode("ascii")
    return frozenset({secret, quote(secret, safe=""), quote(secret), quote_plus(secret), escaped, repr(secret)[1:-1]})


def carry(host: Host, name: str, secrets: Secrets, redactor: Redactor) -> Put | None:
    """Make what puts a host's credential into its requests, and nobody else's; None where it has none.

    Raises:
        ConfigurationError: nobody keeps the secret, it cannot stand where it should, or it would travel unencrypted.
    """
    for header, value in host.headers.items():
        if is_secret(header):
            redactor.learn(value)
    credential = host.credential
    if credential is None:
        return None
    value = credential.prefix + _kept(host, name, credential.secret, secrets, redactor)
    redactor.learn(value)

    def put(request: httpx2.Request) -> httpx2.Request:
        if not is_own(host, request.url):
            return request
        headers, url = request.headers.copy(), request.url
        if credential.header:
            headers[credential.header] = value
        if credential.parameter:
            url = url.copy_set_param(credential.parameter, value)
        return httpx2.Request(
            request.method, url, headers=headers, stream=request.stream, extensions=request.extensions
        )

    return put


def _kept(host: Host, name: str, secret_name: str, secrets: Secrets, redactor: Redactor) -> str:
    secret = (secrets(secret_name) or "").strip()
    redactor.learn(secret)
    where = f"host `{name}`"
    if not secret:
        raise ConfigurationError(
            f"the secret `{secret_name}` is not there",
            where=where,
            hint="set it in the environment, or in the secrets backend",
        )
    if not (secret.isascii() and secret.isprintable() and len(secret) >= SHORTEST):
        raise ConfigurationError(
            f"the secret `{secret_name}` cannot be sent",
            where=where,
            valid=f"printable ASCII, {SHORTEST} letters or more",
        )
    if host.base_url.startswith("http:") and not host.allow_private:
        raise ConfigurationError(
            f"the secret `{secret_name}` would travel unencrypted", where=where, valid="an https URL"
        )
    return secret


def keep_libraries_quiet() -> None:
    """Let the HTTP libraries log nothing but warnings: they log URLs, status lines and headers just as they come."""
    for name in LIBRARY_LOGGERS:
        logging.getLogger(name).addFilter(_is_a_warning)


def _is_a_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
