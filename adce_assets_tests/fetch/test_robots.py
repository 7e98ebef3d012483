"""robots.txt as RFC 9309 has it: what is forbidden, for how long it is believed, and what becomes of a broken one."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from adce_assets.errors import TransientFetchError
from adce_assets.fetch.robots import Robots

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
AGENT = "adce/0.1.0 (+https://example.org/adce)"
RULES = b"""
User-agent: *
Crawl-delay: 3
Disallow: /private/
Allow: /private/open
Disallow: /*.pdf$

User-agent: adce
Disallow: /not-for-adce/
Crawl-delay: 7

User-agent: gptbot
Disallow: /
"""


class Site:
    """Hosts whose robots.txt are these, None for none; ``down`` is a host that cannot be reached."""

    def __init__(self, **files: bytes | None) -> None:
        self.files, self.asked, self.now, self.down = files, Counter[str](), NOON, False

    def fetch(self, url: str) -> bytes | None:
        self.asked[url] += 1
        if self.down:
            raise TransientFetchError("answered 503", where=url)
        return self.files[url.split("/")[2].partition(".")[0]]

    def robots(self) -> Robots:
        return Robots(self.fetch, lambda: self.now)


@pytest.mark.parametrize(
    ("path", "agent", "allowed"),
    [
        ("/", AGENT, True),
        ("/not-for-adce/1", AGENT, False),
        ("/private/1", AGENT, True),
        ("/private/1", "other/1.0", False),
        ("/private/open/1", "other/1.0", True),
        ("/a/report.pdf", "other/1.0", False),
        ("/a/report.pdf?x=1", "other/1.0", True),
        ("/", "GPTBot", False),
    ],
)
def test_the_group_that_names_the_agent_decides_or_else_the_group_of_all(path: str, agent: str, *, allowed: bool):
    robots = Site(a=RULES).robots()
    assert robots.allowed(f"https://a.example.org{path}", agent) is allowed


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"<html><body>Not here</body></html>",
        b"\xff\xfe\x00garbage\x00\xff",
        b"# " + b"x" * 2_000_000,
    ],
)
def test_a_host_without_rules_that_can_be_read_allows_everything(body: bytes | None):
    robots = Site(a=body).robots()
    assert robots.allowed("https://a.example.org/any", AGENT)
    assert robots.delay("https://a.example.org/any", AGENT) is None


@pytest.mark.parametrize(
    ("rules", "delay"),
    [
        (b"User-agent: *\nCrawl-delay: 3", 3),
        (b"User-agent: *\nCrawl-delay: 2.5", 2.5),
        (b"\xef\xbb\xbfUser-agent: *\nCrawl-delay: 3", 3),
        (b"User-agent: *\nRequest-rate: 1/20", 20),
        (b"User-agent: *\nRequest-rate: 1/2\nCrawl-delay: 5", 5),
        (b"User-agent: *\nCrawl-delay: 0", None),
        (b"User-agent: *\nCrawl-delay: -5", None),
        (b"User-agent: *\nCrawl-delay: soon", None),
        (b"User-agent: *\nCrawl-delay: 999999999", 600),
        (b"User-agent: *\nCrawl-delay: inf", None),
        (b"User-agent: *\nCrawl-delay: nan", None),
        (b"User-agent: other\nCrawl-delay: 9", None),
        (RULES, 7),
    ],
)
def test_a_crawl_delay_is_what_the_host_asks_for_within_reason(rules: bytes, delay: float | None):
    assert Site(a=rules).robots().delay("https://a.example.org/", AGENT) == delay


def test_an_absurd_crawl_delay_is_reported(caplog: pytest.LogCaptureFixture):
    Site(a=b"User-agent: *\nCrawl-delay: 86400").robots().delay("https://a.example.org/", AGENT)
    assert "asks for 86400 s between requests; it is given 600 s" in caplog.text


def test_a_file_is_asked_for_once_a_day_and_once_for_each_host():
    site = Site(a=RULES, b=None)
    robots = site.robots()
    for _ in range(50):
        robots.allowed("https://a.example.org/1", AGENT)
        robots.delay("https://b.example.org/1", AGENT)
    assert site.asked == {"https://a.example.org/robots.txt": 1, "https://b.example.org/robots.txt": 1}
    site.now += timedelta(days=1)
    robots.allowed("https://a.example.org/1", AGENT)
    assert site.asked["https://a.example.org/robots.txt"] == 2


def test_a_host_whose_file_cannot_be_had_just_now_allows_nothing_yet():
    site = Site(a=RULES)
    robots, site.down = site.robots(), True
    with pytest.raises(TransientFetchError):
        robots.allowed("https://a.example.org/1", AGENT)
    site.down = False
    assert robots.allowed("https://a.example.org/1", AGENT)


def test_an_old_file_is_believed_while_its_host_cannot_be_reached():
    site = Site(a=RULES)
    robots = site.robots()
    robots.allowed("https://a.example.org/", AGENT)
    site.down, site.now = True, NOON + timedelta(days=2)
    assert not robots.allowed("https://a.example.org/not-for-adce/", AGENT)
