from typing import Any

import pytest
from pydantic import ValidationError

from adce_assets.fetch.hosts import Host, budget_faults


def entry(**changes: Any) -> Host:
    return Host.model_validate({"base_url": "https://example.org", "requests_per_second": 1} | changes)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://site.api.example.org", "site.api.example.org"),
        ("HTTPS://Example.ORG/", "example.org"),
        ("http://127.0.0.1:8000/below", "127.0.0.1"),
        ("http://[::1]:8000", "::1"),
    ],
)
def test_a_base_url_names_its_host(url: str, name: str):
    assert entry(base_url=url).name == name


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org",
        "file:///etc/passwd",
        "https://",
        "https://me:secret@example.org",
        "https://example.org?a=1",
        "https://example.org#a",
        "https://example.org:0",
        "https://example.org:99999",
    ],
)
def test_what_is_no_plain_base_url_is_refused(url: str):
    with pytest.raises(ValidationError):
        entry(base_url=url)


@pytest.mark.parametrize(
    "changes",
    [
        {"requests_per_second": 0},
        {"requests_per_second": -1},
        {"burst": 0},
        {"attempts": 0},
        {"deadline_s": 0},
        {"max_bytes": 0},
        {"requests_per_minute": 20},
        {"requests_per_second": float("inf")},
        {"slowest_requests_per_second": 2},
        {"history_floor": 0.9},
        {"history_share": 1.1},
        {"concurrency": 0},
        {"budget": "Not A Name"},
        {"jail_statuses": [200]},
        {"jail_s": 0},
        {"robots": "ignore"},
        {"robots": {"ignored_because": ""}},
        {"credential": {"secret": "KEY"}},
        {"credential": {"secret": "KEY", "header": "X-Key", "parameter": "key"}},
        {"credential": {"secret": "not-a-name", "header": "X-Key"}},
        {"credential": {"secret": "KEY", "header": "X-Key: a\r\nCookie"}},
        {"credential": {"secret": "KEY", "header": "X-Key", "prefix": "a\r\nCookie: "}},
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(changes: dict[str, Any]):
    with pytest.raises(ValidationError):
        entry(**changes)


def test_private_addresses_are_refused_unless_the_entry_says_otherwise():
    assert not entry().allow_private


def test_an_entry_says_why_robots_are_not_asked_for():
    ignored = entry(robots={"ignored_because": "an API, not pages"}).robots
    assert ignored != "honour"
    assert ignored.ignored_because == "an API, not pages"
    assert entry().robots == "honour"


def test_errors_lower_the_rate_to_a_tenth_unless_the_entry_names_a_floor():
    assert entry(requests_per_second=3).floor == pytest.approx(0.3)
    assert entry(requests_per_second=3, slowest_requests_per_second=1).floor == 1


def test_hosts_that_share_a_budget_declare_the_same_limits():
    hosts = {
        "pages": entry(budget="operator"),
        "files": entry(budget="operator", concurrency=4),
        "feeds": entry(budget="operator", burst=2),
        "operator": entry(requests_per_second=9),
        "elsewhere": entry(requests_per_second=7),
    }
    assert [name for name, _ in budget_faults(hosts)] == ["feeds", "operator"]
    assert all("`pages`" in reason for _, reason in budget_faults(hosts))
