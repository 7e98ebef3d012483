"""The book of alerts in, what is wrong with alerts themselves out: channels on which nothing arrives."""

from collections.abc import Iterator

from adce_assets.autonomous import Alerts
from adce_assets.operate.alert_book import Page
from adce_assets.operate.causes import Cause, Severity

UNDELIVERED = "alert_undelivered"
TO_SEE = "`adce alerts list` shows what went wrong, `adce alerts test` tries the channels"


def of_channels(page: Page, rules: Alerts) -> Iterator[Cause]:
    """Find the channels on which the last message did not arrive."""
    for channel in rules.channels:
        last = page.last_try(channel.name)
        if last is not None and last.error:
            what = f"alerts do not arrive on the channel `{channel.name}`: {last.error}"
            yield Cause(UNDELIVERED, channel.name, Severity.WARNING, what, TO_SEE, last.message.at)
