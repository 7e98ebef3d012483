"""A page of HTML in; its tables, those hidden in comments too, its title, address and text out.

Some sites put tables into comments, to be laid out later by a script: they are data as any other. A table is told by
its id; its columns by `data-stat`, or by their headings where a page has none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from urllib.parse import urlsplit

from lxml import etree, html

from adce_assets.errors import DamagedDocumentError, OversizedDocumentError
from adce_assets.fetch import confined
from adce_assets.fetch.bodies import Body, text
from adce_assets.fetch.notices import refuse_page
from adce_assets.fetch.requirements import ELEMENT, Requirements

READER = "adce_assets.fetch.read_html"
HARMLESS, CPU_S, MEMORY = 256 * 1024, 20, 2 * 1024**3
"""Characters of a page that cannot keep the parser busy for more than a second (attributes cost the square of their
number); a longer page is first parsed by a process that may take so many seconds and bytes."""
MAX_MARKUP = 500_000
"""Largest number of tags; the largest pages known have 26,000."""
MAX_COMMENTS = 2_000
NO_DATA = frozenset({"thead", "over_header", "spacer", "blank_table"})
"""Classes of rows that repeat headings or part a table."""

_MARKUP = re.compile(r"<[a-z]", re.IGNORECASE)
_UNSEEN = frozenset({"title", "script", "style", "noscript", "template"})


@dataclass(frozen=True, slots=True)
class Element:
    """A table, or another element that was asked for."""

    name: str
    node: html.HtmlElement

    def columns(self) -> Sequence[str]:
        """Name its columns, as `data-stat` does, else by the texts of its headings."""
        names = dict.fromkeys(str(name) for name in self.node.xpath(".//@data-stat") if name)
        return list(names) or [" ".join(heading.text_content().split()) for heading in self.node.xpath(".//th")]

    def rows(self) -> int:
        """Count the rows of a table that are neither headings nor parts of another; any other element is one."""
        if self.node.tag != "table":
            return 1
        return sum(1 for _ in self._rows())

    def _rows(self) -> Iterator[html.HtmlElement]:
        for row in self.node.xpath("./tbody/tr") or self.node.xpath("./tr"):
            if row.find("td") is not None and NO_DATA.isdisjoint((row.get("class") or "").split()):
                yield row


class Page:
    """A page, as far as demands look at it; nothing is looked for before it is asked for."""

    def __init__(self, content: str) -> None:
        self._root = _parsed(content)

    @cached_property
    def title(self) -> str:
        """The title, in one line."""
        return " ".join("".join(self._root.xpath("(//title)[1]//text()")).split())

    @cached_property
    def words(self) -> str:
        """What a person would read, in one line; without what is hidden in comments."""
        return " ".join(" ".join(_words(self._root)).split())

    def has_tables(self) -> bool:
        """Tell whether any table holds rows."""
        return any(Element("", table).rows() for root in self._roots for table in root.iter("table"))

    def find(self, spelling: str) -> Sequence[Element]:
        """List the tables whose id matches, or the elements of ``tag.class`` or ``tag#id``, or those in them."""
        asked = ELEMENT.fullmatch(spelling)
        if asked is None:
            return [table for name, tables in self._tables.items() if fnmatchcase(name, spelling) for table in tables]
        attribute = "class" if asked["how"] == "." else "id"
        framed = [
            node
            for root in self._roots
            for node in root.iter(asked["tag"])
            if any(fnmatchcase(name, asked["name"]) for name in (node.get(attribute) or "").split())
        ]
        inner = (
            [node for frame in framed for node in frame.iterdescendants(asked["inner"])] if asked["inner"] else framed
        )
        return [Element(spelling, node) for node in dict.fromkeys(inner)]

    def told(self, id_path: str) -> Sequence[str]:
        """Say what the page is about: by its canonical address, its title, or all of its text."""
        if id_path == "canonical":
            links = self._root.xpath("//link[@rel='canonical']/@href")
            return list(dict.fromkeys(_path(str(link)) for link in links))
        return [found for found in ([self.title] if id_path == "title" else [self.title, self.words]) if found]

    @cached_property
    def _roots(self) -> list[html.HtmlElement]:
        """The page and every comment that holds markup, each parsed for itself."""
        hidden = [node.text for node in self._root.iter(etree.Comment) if node.text and _MARKUP.search(node.text)]
        if len(hidden) > MAX_COMMENTS:
            raise OversizedDocumentError(f"{len(hidden)} comments with markup", valid=f"at most {MAX_COMMENTS}")
        for comment in hidden:
            _refuse_cut(comment, "a comment")
        return [self._root, *(_parsed(comment) for comment in hidden)]

    @cached_property
    def _tables(self) -> Mapping[str, list[Element]]:
        """Every table with an id; one that stands in the page and in a comment is that of the page."""
        tables: dict[str, list[Element]] = {}
        for root in self._roots:
            own = [Element(table.get("id"), table) for table in root.iter("table") if table.get("id")]
            fresh: dict[str, list[Element]] = {}
            for table in own:
                if table.name not in tables:
                    fresh.setdefault(table.name, []).append(table)
            tables |= fresh
        return tables


def _words(root: html.HtmlElement) -> Iterator[str]:
    """Walk through the texts that are seen."""
    for node in root.iter():
        if isinstance(node.tag, str) and node.tag not in _UNSEEN and node.text:
            yield node.text
        if node.tail:
            yield node.tail


def html_view(body: Body, requirements: Requirements, entity: Mapping[str, str]) -> Page:  # noqa: ARG001 - as all views
    """Read a page that may be data.

    Raises:
        NotDataError: it is a notice, by its title, or by its words where it has no tables and few words.
        DamagedDocumentError: it is not HTML throughout.
    """
    page = page_of(whole_page(body, requirements))
    refuse_page(page.title, "" if page.has_tables() else page.words)
    return page


def whole_page(body: Body, requirements: Requirements) -> str:
    """Decode a page, if it is one and whole.

    Raises:
        DamagedDocumentError: its tables or comments do not end, or it ends more than once.
        OversizedDocumentError: it takes too much time or memory to parse.
    """
    content = text(body, requirements.encoding)
    if len(content) > HARMLESS:
        confined.read(READER, body, {"encoding": requirements.encoding}, cpu_s=CPU_S, memory=MEMORY)
    if content.rfind("<!--") > content.rfind("-->"):
        raise DamagedDocumentError("a comment does not end")
    _refuse_cut(_without_comments(content), "the page")
    ends = len(re.findall("</html", content, re.IGNORECASE))
    if ends > 1:
        raise DamagedDocumentError(f"the page ends {ends} times")
    return content


def page_of(content: str) -> Page:
    """Parse a page, whatever it is."""
    return Page(content)


def _parsed(content: str) -> html.HtmlElement:
    if content.count("<") > MAX_MARKUP:
        raise OversizedDocumentError(f"{content.count('<')} tags", valid=f"at most {MAX_MARKUP}")
    parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    try:
        return html.document_fromstring(content.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise DamagedDocumentError(f"not HTML: {error}") from error


def _refuse_cut(content: str, what: str) -> None:
    """A table that does not end was cut off: lenient parsers end it where the text ends."""
    lower = content.lower()
    begun, ended = len(re.findall(r"<table[\s>]", lower)), lower.count("</table")
    if begun > ended:
        raise DamagedDocumentError(f"{what} begins {begun} tables and ends {ended}: it was cut off")


def _without_comments(content: str) -> str:
    """Leave out the comments; every one must end, or the time for this grows with the square of their number."""
    return re.sub(r"<!--.*?-->", "", content, flags=re.DOTALL)


def _path(link: str) -> str:
    try:
        return urlsplit(link).path
    except ValueError:
        return ""
