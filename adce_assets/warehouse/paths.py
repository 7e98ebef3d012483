"""A document and a path in, what the path leads to out: JSON by JMESPath, HTML by XPath.

The two formats look alike from here on. JSON's numbers with a fraction are exact (`Decimal`); a cell of HTML is its
text, and no text is no value. What the values mean belongs to `values`, what is read to `reading`.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Literal, NoReturn, Protocol

import jmespath
from jmespath.exceptions import JMESPathError
from lxml import etree, html

from adce_assets.errors import DamagedDocumentError, DriftError, OversizedDocumentError
from adce_assets.warehouse.comments import uncommented

FormatName = Literal["json", "html", "html_with_comments"]

MAX_BYTES = 64 * 1024 * 1024
"""The largest document that is read."""
MAX_NODES = 3_000_000
"""Lists and objects of a JSON document, or tags of a page."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)


class Format(Protocol):
    """How documents of a format are parsed, and where their paths lead."""

    itself: str
    """The path from a node to its own value."""

    def check(self, path: str) -> None:
        """Raise ValueError for what is no path of this format."""
        ...

    def parse(self, body: bytes) -> Any:
        """Parse a document; VerifyError for what is none."""
        ...

    def each(self, node: Any, path: str) -> list[Any]:
        """List the nodes a path leads to; DriftError where it leads nowhere."""
        ...

    def value(self, node: Any, path: str) -> Any:
        """Return the one value a path leads to, None where there is none; ValueError for several."""
        ...

    def is_true(self, node: Any, path: str) -> bool:
        """Tell whether a condition holds of a node; ValueError where it says neither yes nor no."""
        ...


class _Json:
    itself = "@"

    def check(self, path: str) -> None:
        try:
            jmespath.compile(path)
        except JMESPathError as error:
            message = f"`{path}` is no JMESPath: {str(error).partition(chr(10))[0]}"
            raise ValueError(message) from error

    def parse(self, body: bytes) -> Any:
        text = _text(body)
        if text.count("[") + text.count("{") > MAX_NODES:
            raise OversizedDocumentError("too many lists and objects", valid=f"at most {MAX_NODES}")
        try:
            return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
        except RecursionError as error:
            raise DamagedDocumentError("the JSON is nested too deeply") from error
        except (ValueError, ArithmeticError) as error:
            raise DamagedDocumentError(f"not JSON: {error}") from error

    def each(self, node: Any, path: str) -> list[Any]:
        try:
            found = _searcher(path)(node)
        except ValueError as error:
            raise DriftError(str(error)) from error
        if not isinstance(found, list):
            raise DriftError(f"`{path}` leads to {_kind(found)}", valid="a list")
        return found

    def value(self, node: Any, path: str) -> Any:
        return _searcher(path)(node)

    def is_true(self, node: Any, path: str) -> bool:
        return _truth(path, self.value(node, path))


class _Html:
    itself = "."

    def check(self, path: str) -> None:
        try:
            etree.XPath(path)
        except etree.XPathError as error:
            message = f"`{path}` is no XPath: {error}"
            raise ValueError(message) from error

    def parse(self, body: bytes) -> Any:
        text = _text(body)
        if text.count("<") > MAX_NODES:
            raise OversizedDocumentError("too many tags", valid=f"at most {MAX_NODES}")
        parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
        try:
            return html.document_fromstring(text.encode(), parser=parser)
        except (etree.LxmlError, ValueError, AssertionError) as error:
            raise DamagedDocumentError(f"not HTML: {error}") from error

    def each(self, node: Any, path: str) -> list[Any]:
        try:
            found = self._found(node, path)
        except ValueError as error:
            raise DriftError(str(error)) from error
        return list(found) if isinstance(found, list) else [found]

    def value(self, node: Any, path: str) -> Any:
        found = self._found(node, path)
        if isinstance(found, list):
            if len(found) > 1:
                message = f"`{path}` leads to {len(found)} places"
                raise ValueError(message)
            found = found[0] if found else None
        if isinstance(found, html.HtmlElement):
            found = found.text_content()
        if isinstance(found, str):
            return " ".join(found.split()) or None
        return found

    def is_true(self, node: Any, path: str) -> bool:
        found = self._found(node, path)
        return bool(found) if isinstance(found, list) else _truth(path, found)

    def _found(self, node: Any, path: str) -> Any:
        # A text or an attribute, which a level may consist of, is no node that an XPath can start from.
        try:
            return node if path == self.itself else _xpath(path)(node)
        except (etree.XPathError, TypeError) as error:
            message = f"`{path}`: {error}"
            raise ValueError(message) from error


class _HtmlWithComments(_Html):
    """HTML whose comments hide tables."""

    def parse(self, body: bytes) -> Any:
        return super().parse(uncommented(body))


FORMATS: Mapping[FormatName, Format] = {"json": _Json(), "html": _Html(), "html_with_comments": _HtmlWithComments()}
"""The formats of documents, by the name a reading gives."""


@cache
def _searcher(path: str) -> Callable[[Any], Any]:
    """Compile a JMESPath; names joined by dots, which most are, are followed without its interpreter."""
    if _PLAIN.fullmatch(path):
        names = path.split(".")
        return lambda node: _followed(node, names)
    compiled = jmespath.compile(path)

    def search(node: Any) -> Any:
        try:
            return compiled.search(node)
        except (JMESPathError, TypeError, RecursionError) as error:
            message = f"`{path}`: {str(error).partition(chr(10))[0]}"
            raise ValueError(message) from error

    return search


@cache
def _xpath(path: str) -> etree.XPath:
    return etree.XPath(path)


def _followed(node: Any, names: list[str]) -> Any:
    for name in names:
        if not isinstance(node, dict):
            return None
        node = node.get(name)
    return node


def _truth(path: str, found: object) -> bool:
    """Take what a condition gave, which is no yes or no if a source has changed what it was asked of."""
    if not isinstance(found, bool):
        message = f"`{path}` is {_kind(found)}, neither true nor false"
        raise ValueError(message)  # noqa: TRY004 - a fault of the data as all others here, not of the caller
    return found


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _text(body: bytes) -> str:
    if len(body) > MAX_BYTES:
        raise OversizedDocumentError(f"{len(body)} bytes", valid=f"at most {MAX_BYTES}")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedDocumentError(f"byte {error.start} is not UTF-8") from error


def _refuse_constant(name: str) -> NoReturn:
    message = f"`{name}` is no number of JSON"
    raise ValueError(message)
