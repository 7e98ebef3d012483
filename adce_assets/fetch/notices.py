"""What came with status 200 in, the name of the notice that it is out: blocked, login, an error in disguise.

The words are those that proxies, content networks and web frameworks write. A word that a good page may hold too (a
link to sign in) counts in the title, and in a page with hardly any text; a page of data has thousands of characters.
"""

import re
from collections.abc import Iterable

from adce_assets.errors import BlockedPageError, NotDataError

FEW = 1_500
"""Characters of text that a page of data has more of."""

BLOCKED = re.compile(
    r"access (to this page )?(has been |is |was )?(temporarily )?(denied|blocked|restricted)|attention required"
    r"|just a moment|are you (a )?(human|robot)|captcha|too many requests|rate[- ]?limit(ed)?\b|request (was )?blocked"
    r"|you have been (rate limited|blocked)|verify (that )?you are (a )?human|checking your browser"
    r"|pardon our interruption|unusual traffic|bot (detection|traffic)|security check"
    r"|\b(403|429)\b.{0,20}\b(error|forbidden|too many)|\bforbidden\b"
    r"|quota (exceeded|has been)|exceeded (your|the) (\w+ )?(quota|rate|request)",
    re.IGNORECASE,
)
_LOGIN = (
    r"\blogin\b|authenticat(e|ion)|unauthori[sz]ed|session (has )?expired|please subscribe"
    r"|subscribers only|accept (our )?cookies to continue"
)
_ERROR = (
    r"(service|page|site|temporarily) (is )?(temporarily |currently )?(unavailable|not available)"
    r"|\b(page|file|document|resource) (was |could )?(not |cannot )(be )?found|\b404\b.{0,20}(error|not found)"
    r"|^\s*(error )?404|internal server error|bad gateway|gateway time-?out"
    r"|\b50[0234]\b.{0,20}(error|unavailable|gateway)|(under|scheduled|down for) maintenance"
    r"|be (right )?back (soon|shortly)|something went wrong|an error (has )?occurred|no longer available"
    r"|application error|unexpected error|parked domain|domain (is )?for sale"
)
LOGIN = re.compile(rf"\b(sign|log) ?[io]n\b|{_LOGIN}", re.IGNORECASE)
ERROR = re.compile(
    rf"{_ERROR}|not found|currently (unavailable|not available)|has (been )?(moved|retired|discontinued)", re.IGNORECASE
)
KINDS = (("blocked", BLOCKED), ("a login page", LOGIN), ("an error page", ERROR))

_BEGINS, _ENDS = r"(^|[|:\u00b7\u00bb\u2013\u2014]|\s-\s)\s*", r"[\s.!]*($|[|:(\u00b7\u00bb\u2013\u2014]|\s-\s)"
TITLED_LOGIN = re.compile(
    rf"{_BEGINS}((please|you (must|need to|have to)) )?(sign|log) ?in\b|\b(sign|log) ?in{_ENDS}"
    rf"|{_BEGINS}(sign|log) ?on{_ENDS}|{_LOGIN}",
    re.IGNORECASE,
)
TITLED_ERROR = re.compile(
    rf"{_ERROR}|not found{_ENDS}|{_BEGINS}currently (unavailable|not available){_ENDS}"
    r"|\b(page|site|service|document|content) has (been )?(moved|retired|discontinued)",
    re.IGNORECASE,
)
TITLED = (("blocked", BLOCKED), ("a login page", TITLED_LOGIN), ("an error page", TITLED_ERROR))
"""In a title, words that data are titled with too (players who sign in July) must make up one part of it."""

COMPLAINT = frozenset(
    {
        *("error", "errors", "error_message", "error_description", "fault", "reason"),
        *("message", "messages", "msg", "detail", "note", "notice", "info"),
    }
)
ENVELOPE = COMPLAINT | {
    *("code", "error_code", "status", "status_code", "statuscode", "success", "ok", "type", "title", "description"),
    *("details", "documentation_url", "help", "hint", "instance", "path", "url", "timestamp"),
    *("request_id", "requestid", "trace_id"),
}
"""Members of an answer that is about itself and holds no data (in lower case), and those of them that complain."""


def refuse_page(title: str, words: str) -> None:
    """Refuse a page by its title, or by its words where it has few of them.

    Raises:
        BlockedPageError: it says that the source does not want to be asked.
        NotDataError: it is a login or error page.
    """
    _refuse(title[:FEW], "titled", TITLED)
    if len(words) < FEW:
        _refuse(words, "saying")


def refuse_text(head: bytes) -> None:
    """Refuse a body that begins like a notice in plain text."""
    _refuse(head.decode("utf-8", "replace")[:FEW], "saying")


def refuse_complaint(document: object) -> None:
    """Refuse a JSON document that holds nothing but a complaint: ``{"code": 404, "message": "Not Found"}``."""
    if not isinstance(document, dict) or not document:
        return
    names = {str(name).lower() for name in document}
    told = [str(value) for name, value in document.items() if str(name).lower() in COMPLAINT and value]
    if names <= ENVELOPE and told:
        _refuse(" ".join(told)[:FEW], "saying")
        raise NotDataError(f"a notice, not data: it says {shown(told)}")


def shown(texts: Iterable[str]) -> str:
    """Quote texts of a stranger, cut and in one line."""
    return ", ".join(repr(" ".join(text.split())[:80]) for text in texts)


def _refuse(words: str, how: str, kinds: Iterable[tuple[str, re.Pattern[str]]] = KINDS) -> None:
    for name, pattern in kinds:
        match = pattern.search(words)
        if match:
            start = max(0, match.start() - 30)
            kind = BlockedPageError if name == "blocked" else NotDataError
            raise kind(f"a notice, not data ({name}), {how} {shown([words[start : start + 80]])}")
