"""A request in, who asks and what he may do out; or a refusal, before anything else is done.

On the machine itself, as long as nobody has issued a token, whoever can open a connection may look. All else takes a
token. A page that a browser has loaded from elsewhere is kept out by the name that it calls this server by, and by the
token, which it does not have.
"""

import json
import time
from asyncio import timeout
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from fastapi.concurrency import run_in_threadpool
from fastapi.security.utils import get_authorization_scheme_param

from adce_assets.errors import AccessError, NotLetInError
from adce_assets.operate import health_waiting
from adce_assets.operate.remembered import Remembered
from adce_assets.operate.tokens import Holder, Role, Tokens

MOST_BYTES = 16_384
"""How long the body of a request may be: none needs more than a name and a note."""
AT_ONCE = 200
"""Requests that are answered at once, and bodies that are waited for; more are told to come back, all but those that
ask whether anybody lives."""
TOO_MANY = "too many ask at once: come back"
LIVE = "/live"
ANYBODY = Holder("anybody on this machine", Role.VIEWER)
REALM = 'Bearer realm="adce"'
HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Doors:
    """Who is let in.

    Attributes:
        tokens: Those of the installation.
        is_local: Whether the server listens on this machine alone.
    """

    tokens: Tokens
    is_local: bool
    monotonic: Callable[[], float] = time.monotonic
    is_token_wanted: Remembered[bool] = field(init=False)
    """Whether somebody has ever issued a token, as it was a moment ago: to revoke it opens nothing."""

    def __post_init__(self) -> None:
        """Know nothing yet."""
        self.is_token_wanted = Remembered(self.tokens.were_issued, self.monotonic)

    async def let_in(self, secret: str | None, wanted: Role) -> Holder:
        """Say who comes in, as `enter` does, in a thread where a database may have to be waited for."""
        is_read = not self.is_token_wanted.is_due() if secret is None else self.tokens.is_read()
        if is_read:
            return self.enter(secret, wanted)
        return await run_in_threadpool(self.enter, secret, wanted)

    def enter(self, secret: str | None, wanted: Role) -> Holder:
        """Say who comes in with a secret, to do what needs a role.

        Raises:
            NotLetInError: nobody does.
            AccessError: the tokens cannot be read.
        """
        if secret is None:
            if wanted is Role.VIEWER and self.is_local and not self.is_token_wanted():
                return ANYBODY
            hint = "send `Authorization: Bearer SECRET`; `adce token issue NAME --role ROLE` makes one"
            raise NotLetInError("a token is wanted", status=401, hint=hint, challenge=REALM)
        holder = self.tokens.holder(secret)
        if holder is None:
            challenge = f'{REALM}, error="invalid_token"'
            raise NotLetInError("the token is none of this installation's", status=401, challenge=challenge)
        if not holder.role.allows(wanted):
            challenge = f'{REALM}, error="insufficient_scope"'
            what = f"a {holder.role} may not do this; wanted: {wanted}"
            raise NotLetInError(what, status=403, challenge=challenge)
        return holder


class Gate:
    """Lets requests through to an application that are of bounded length and call this server by a name of its own."""

    def __init__(self, application: Application, *, names: frozenset[str] | None, doors: Doors) -> None:
        """Stand before an application; ``names`` are the hosts that may be asked for, None for any."""
        self._application, self._names, self._doors = application, names, doors
        self._busy, self._awaited = 0, 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request that is not let through; else pass it on, read to its end."""
        if scope["type"] != "http":
            return
        has_body = _has_body(scope)
        refused = self._refusal(scope) or (await self._unwanted(scope) if has_body else None)
        if refused:
            await _refuse(send, *refused)
            return
        self._awaited += has_body
        try:
            async with timeout(health_waiting.SILENT_S):
                body = await _read(receive)
        except TimeoutError:
            await _refuse(send, 408, "the body does not come")
            return
        except ConnectionError:
            return
        finally:
            self._awaited -= has_body
        if body is None:
            await _refuse(send, 413, "the body is too long")
        elif self._busy >= AT_ONCE and scope["path"] != LIVE:
            await _refuse(send, 503, TOO_MANY)
        else:
            await self._let_through(scope, body, receive, send)

    def _refusal(self, scope: Message) -> tuple[int, str, str] | None:
        """Say what is answered before anything is waited for, so that nobody who may do nothing is waited for."""
        if self._names is not None and _host(scope) not in self._names:
            return 421, "this server has no such name", ""
        if not _has_body(scope):
            return None
        return None if scope["method"] == "POST" else (413, "no body is taken here", "")

    async def _unwanted(self, scope: Message) -> tuple[int, str, str] | None:
        """Say why the body is not waited for: only operators send any, and no more than so many at once."""
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
        scheme, secret = get_authorization_scheme_param(shown)
        try:
            await self._doors.let_in(secret if scheme.lower() == "bearer" else None, Role.OPERATOR)
        except NotLetInError as error:
            return error.status, f"{error.what}: {error.hint}" if error.hint else error.what, error.challenge
        except AccessError as error:
            return 503, error.what, ""
        return (503, TOO_MANY, "") if self._awaited >= AT_ONCE else None

    async def _let_through(self, scope: Message, body: bytes, receive: Receive, send: Send) -> None:
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replayed() -> Message:
            return next(messages, None) or await receive()

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        # The server itself leaves the body of an answer to HEAD away.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        self._busy += 1
        try:
            await self._application(asked, replayed, guarded)
        finally:
            self._busy -= 1


def is_of_this_machine(address: str) -> bool:
    """Tell whether nobody but this machine can ask an address."""
    return ip_address(address).is_loopback


def names_of(address: str) -> frozenset[str] | None:
    """Name the hosts by which a server at an address is asked; None where it has others that nobody here knows."""
    return frozenset({"localhost", address}) if is_of_this_machine(address) else None


def has_any(tokens: Tokens) -> bool:
    """Tell whether there is a token that is good; AccessError where nobody knows."""
    return any(token.revoked_at is None for token in tokens.list())


def refuse_without_tokens(tokens: Tokens, address: str) -> None:
    """Raise AccessError where a server would listen to others and has no token to tell them apart."""
    if not is_of_this_machine(address) and not has_any(tokens):
        what = f"without a token nobody may listen on {address}, which other machines can ask"
        raise AccessError(what, where="health.address", hint="`adce token issue NAME`, or leave it at 127.0.0.1")


def _has_body(scope: Message) -> bool:
    """Tell whether a body is announced."""
    told = dict(scope["headers"])
    return b"transfer-encoding" in told or told.get(b"content-length", b"0").strip() != b"0"


def _host(scope: Message) -> str | None:
    """Return the host that is asked for, without its port; None where it is not said, or twice."""
    found = [value for name, value in scope["headers"] if name == b"host"]
    if len(found) != 1:
        return None
    try:
        return urlsplit(f"//{found[0].decode('ascii')}").hostname
    except ValueError:
        return None


async def _read(receive: Receive) -> bytes | None:
    """Read a body; None where it is too long, ConnectionError where whoever sends it is gone before its end."""
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("gone before the end of the body")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > MOST_BYTES:
            return None
    return b"".join(parts)


async def _refuse(send: Send, status: int, error: str, challenge: str = "") -> None:
    body = json.dumps({"schema": 1, "error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *HEADERS]
    if challenge:
        headers.append((b"www-authenticate", challenge.encode()))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
