from typing import Any

import pytest
from pydantic import ValidationError

from adce_assets.fetch.hosts import Host


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
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(changes: dict[str, Any]):
    with pytest.raises(ValidationError):
        entry(**changes)


def test_private_addresses_are_refused_unless_the_entry_says_otherwise():
    assert not entry().allow_private
