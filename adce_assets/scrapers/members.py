"""A JSON document and the paths of its members in, a smaller JSON document of just these members out.

Members are cut out as text and never written anew, so that a number keeps all its digits and a string its escapes: what
is kept is what was sent. Whether the members are as they should be is the audit's question.
"""

import json
import re
from collections.abc import Iterable, Iterator

from adce_assets.errors import VerifyError

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")

_Tree = dict[str, "_Tree"]


def cut(body: bytes, members: Iterable[str]) -> bytes:
    """Return a document that holds the members at these dotted paths, as far as they are there.

    Raises:
        VerifyError: the body is not a JSON object of UTF-8 text.
    """
    tree: _Tree = {}
    for path in members:
        branch = tree
        for name in path.split("."):
            branch = branch.setdefault(name, {})
    try:
        return _pruned(body.decode("utf-8-sig"), tree).encode()
    except (ValueError, RecursionError) as error:
        raise VerifyError(f"not a JSON object: {error}") from error


def _pruned(text: str, tree: _Tree) -> str:
    """Keep of the object in ``text`` the members of ``tree``; what has no subtree, or no members, is kept whole."""
    kept = []
    for name, value in _members(text):
        if name in tree:
            inner = tree[name]
            kept.append(f"{json.dumps(name)}:{_pruned(value, inner) if inner and value.startswith('{') else value}")
    return f"{{{','.join(kept)}}}"


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Split the object in ``text`` into names and the texts of their values."""
    place = _after(text, 0, "{")
    ended = text.startswith("}", place)
    while not ended:
        name, end = _DECODER.raw_decode(text, place)
        if not isinstance(name, str):
            raise json.JSONDecodeError("a name was due", text, place)
        start = _after(text, end, ":")
        _, end = _DECODER.raw_decode(text, start)
        yield name, text[start:end]
        place = _blank(text, end)
        ended = text.startswith("}", place)
        place = place if ended else _after(text, place, ",")
    if _blank(text, place + 1) != len(text):
        raise json.JSONDecodeError("more than one value", text, place + 1)


def _after(text: str, place: int, mark: str) -> int:
    """Return the place of what follows a mark that is due here."""
    place = _blank(text, place)
    if not text.startswith(mark, place):
        message = f"`{mark}` was due"
        raise json.JSONDecodeError(message, text, place)
    return _blank(text, place + 1)


def _blank(text: str, place: int) -> int:
    match = _BLANK.match(text, place)
    return match.end() if match else place
