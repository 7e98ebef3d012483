"""Titles of notices are told from titles of data that use the same words."""

import pytest

from adce_assets.errors import BlockedPageError, NotDataError
from adce_assets.fetch.audit import audit
from adce_assets.fetch.requirements import Requirements

PAGE = "<!DOCTYPE html><html><head><title>{}</title></head><body><table><tr><td>1</td></tr></table></body></html>"
DATA = (
    *("2024-25 Free Agents who sign on deadline day", "Players who sign in July | Basketball", "Teams that log on-off"),
    *(
        "Coaches: who has moved, who has retired",
        "Jersey numbers: number 23 has been retired",
        "Kobe Bryant has retired",
    ),
    *("Lost and not found in the box score", "Players currently unavailable", "Signing Period - 2024-25 Transactions"),
    *("Rookies who signed in 2024", "Injuries, currently not available players - 2024-25"),
)
NOTICES = (
    *("Sign in", "Log in to see the box score", "ESPN - Sign In", "Sign On", "Basketball | Log In", "Please log in"),
    *(
        "Stats Sign In",
        "Stats Login",
        "You must sign in to continue",
        "Unauthorized",
        "Log on | Stats",
        "Subscribers only",
    ),
    *(
        "Not Found",
        "Box Score Not Found | Basketball",
        "404 Not Found",
        "Page not found (404 error)",
        "Oops: not found.",
    ),
    *("This page has moved", "The service has been retired", "January 15, 2024: 502 Bad Gateway", "Error 404"),
    *("Service Unavailable", "Site temporarily unavailable", "Currently unavailable", "Under maintenance"),
)


def ask(title: str) -> int | None:
    return audit(PAGE.format(title).encode(), Requirements(parses="html"), {}).records


@pytest.mark.parametrize("title", DATA)
def test_a_title_of_data_may_use_the_words_of_a_notice(title: str):
    assert ask(title) is None


@pytest.mark.parametrize("title", NOTICES)
def test_a_notice_is_told_by_its_title_even_with_a_table(title: str):
    with pytest.raises(NotDataError, match="titled"):
        ask(title)


@pytest.mark.parametrize(
    "title", ["Access Denied", "Attention Required! | Proxy", "403 Forbidden", "Too Many Requests"]
)
def test_a_block_is_told_by_its_title_even_with_a_table(title: str):
    with pytest.raises(BlockedPageError, match="titled"):
        ask(title)
