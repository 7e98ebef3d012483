"""The book of alerts in, what is wrong with alerts themselves out: channels on which nothing arrives."""

from collections.abc import Iterator

from adce_assets.autonomous import Alerts
from adce_assets.operate.alert_book import Page, opened
from adce_assets.operate.causes import Cause, Severity
from adce_assets.settings import Settings

UNDELIVERED = "alert_undelivered"
TO_SEE = "`adce alerts list` shows what went wrong, `adce alerts test` tries the channels"


def undelivered(settings: Settings) -> list[Cause]:
    """Return a cause for each channel on which the last message did not arrive.

    Raises:
        AlertError: nobody knows, because the book cannot be read.
    """
    if not settings.autonomous.alerts.channels:
        return []
    with opened(settings.alerts_url) as book, book.read() as page:
        return list(of_channels(page, settings.autonomous.alerts))


def of_channels(page: Page, rules: Alerts) -> Iterator[Cause]:
    """Find them in the book as it is now."""
    for channel in rules.channels:
        last = page.last_try(channel.name)
        if last is not None and last.error:
            what = f"alerts do not arrive on the channel `{channel.name}`: {last.error}"
            yield Cause(UNDELIVERED, channel.name, Severity.WARNING, what, TO_SEE, last.message.at)
