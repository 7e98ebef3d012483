"""A host's entry with a path, a link or a redirect in, a URL of that host out; or the reason why it leads elsewhere.

Every path from outside passes here, however well it was checked before: a server may decode it once more than we do.
Which address the name then has is checked where the connection is made.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from unicodedata import normalize
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import httpx2

from adce_assets.errors import InwardError, UnsafeError
from adce_assets.fetch.addresses import leads_inward
from adce_assets.fetch.hosts import Host

PATH = re.compile(r"(/[!-~]*)?")
VALID_PATH = (
    "names of printable ASCII joined by `/`, none empty or of dots alone, without `?`, `#`, `\\` and encoded `/`"
)

HIDDEN = "***"

SECRET_NAMES = frozenset(
    ("auth", "authorization", "key", "sig", "sid", "session", "sessionid", "jwt", "pass", "passwd", "pwd")
)
SECRET_ENDINGS = (
    *("apikey", "accesskey", "subscriptionkey", "privatekey", "secretkey", "token", "secret", "password"),
    *("signature", "credential", "credentials", "accesskeyid"),
)
"""Names of query parameters, in lower case and without ``-`` and ``_``, whose values nobody needs to read."""

DECODINGS = 4
"""How often a path is decoded to see where it leads; what is still encoded then is refused."""


def build(host: Host, path: str, params: Mapping[str, str] | None = None) -> httpx2.URL:
    """Make the URL of a path below a host's base URL; UnsafeError for a path that could lead out of it."""
    check_path(path, host)
    try:
        url = httpx2.URL(host.base_url + path)
        return url.copy_merge_params(dict(params)) if params else url
    except httpx2.InvalidURL as error:
        raise UnsafeError("not a URL", where=host.base_url) from error


def check_path(path: str, host: Host) -> None:
    """Refuse a path that leads out of its folder, in whatever spelling.

    Raises:
        UnsafeError: with the path, shortened.
    """
    if not PATH.fullmatch(path) or set(path) & set("?#") or not all(map(_leads_below, _decoded(path))):
        raise UnsafeError(f"{path[:80]!r} is no path to ask for", where=host.base_url, valid=VALID_PATH)


def below(host: Host, link: str) -> tuple[str, dict[str, str]]:
    """Take a link that a document of this host holds apart, into what `build` is given; UnsafeError if it leads away.

    A link may say http where the host is asked by https: it is asked by https.
    """
    base, parts = urlsplit(host.base_url), _split(link, host)
    same = parts.hostname == base.hostname and parts.port in {None, base.port}
    schemes = {base.scheme, "http"}
    if parts.scheme not in schemes or not same or "@" in parts.netloc or not _is_below(parts.path, base.path):
        raise UnsafeError(f"a link leads to {without_secrets(link)[:200]}", where=host.base_url, valid=host.base_url)
    path = parts.path.removeprefix(base.path)
    check_path(path, host)
    return path, dict(parse_qsl(parts.query, keep_blank_values=True))


def redirected(host: Host, url: httpx2.URL, location: str) -> httpx2.URL:
    """Resolve a redirect, or refuse one that leaves what the host's entry allows."""
    base = _base(host.base_url)
    try:
        target = url.join(location)
    except (httpx2.InvalidURL, ValueError) as error:
        raise UnsafeError("redirects to something that is no URL", where=told(host, url)) from error
    named = target.host in host.redirect_hosts and target.port is None
    secure = target.scheme == "https" or (target.scheme == "http" and base.scheme == "http")
    if not secure or target.userinfo or not (is_own(host, target) or named):
        kind = InwardError if leads_inward(target.host, own=host.allow_private) else UnsafeError
        raise kind(
            f"redirects to {told(host, target)}",
            where=told(host, url),
            valid=", ".join([base.host, *host.redirect_hosts]),
            hint="add the name to `redirect_hosts` of the host's entry if documents really move there",
        )
    return target


def is_own(host: Host, url: httpx2.URL) -> bool:
    """Tell whether a URL is of the host itself: its name and port, or the same name by https.

    Only there may its credential and headers go.
    """
    base = _base(host.base_url)
    if url.host != base.host:
        return False
    return (url.scheme, url.port) == (base.scheme, base.port) or (url.scheme == "https" and url.port is None)


def told(host: Host, url: httpx2.URL) -> str:
    """Write a URL for people: without secrets, and of another host without its query, which may be signed."""
    return without_secrets(str(url if is_own(host, url) else url.copy_with(query=None)))


def without_secrets(url: str) -> str:
    """Hide the user, the fragment and the values of parameters whose names say that they are secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    query = parts.query
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(is_secret(name) for name, _ in pairs):
        query = urlencode([(name, HIDDEN if is_secret(name) else value) for name, value in pairs], safe="*")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def is_secret(name: str) -> bool:
    """Tell from the name of a parameter or header whether it carries a secret."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain in SECRET_NAMES or plain.endswith(SECRET_ENDINGS)


@lru_cache(maxsize=256)
def _base(url: str) -> httpx2.URL:
    """Parse a base URL once: each request asks several times whether it is its host's own."""
    return httpx2.URL(url)


def _split(link: str, host: Host) -> SplitResult:
    try:
        parts = urlsplit(link)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError as error:
        raise UnsafeError("a link is no URL", where=host.base_url) from error
    return parts


def _is_below(path: str, base: str) -> bool:
    return not base or path == base or path.startswith(f"{base}/")


def _decoded(path: str) -> list[str]:
    """List the path as it is and as decoded again and again; a backslash if it never settles, or hides a ``/``."""
    readings = [path]
    for _ in range(DECODINGS):
        try:
            reading = normalize("NFKC", unquote(readings[-1], errors="strict"))
        except UnicodeDecodeError:
            return ["\\"]
        if reading.count("/") != path.count("/"):
            return ["\\"]
        if reading == readings[-1]:
            return readings
        readings.append(reading)
    return ["\\"]


def _leads_below(path: str) -> bool:
    names = path.removesuffix("/").split("/")[1:]
    return (
        path.isprintable()
        and "\\" not in path
        and not any(set(name.partition(";")[0].strip()) <= {"."} for name in names)
    )
