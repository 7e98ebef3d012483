"""A message in, a message in a channel of Slack out, by an incoming webhook.

Slack reads `<...>` as links and as calls of people (https://docs.slack.dev/messaging/formatting-message-text), so that
what a host has said must not hold any.
"""

import json

from adce_assets.autonomous import SlackChannel
from adce_assets.fetch.posting import post
from adce_assets.fetch.secrets import Redactor, Secrets
from adce_assets.operate.alert_records import Message
from adce_assets.operate.alert_texts import lines
from adce_assets.operate.channels.keeping import secret_of

LONGEST = 35_000
"""Letters that Slack takes without cutting them: 40,000, and some of ours become five of theirs."""


def send(channel: SlackChannel, message: Message, secrets: Secrets, redactor: Redactor) -> str:
    """Send a message.

    Raises:
        AdceError: it did not arrive.
    """
    url = secret_of(channel.secret, secrets, redactor)
    text = _escaped("\n".join(lines(message)).strip())[:LONGEST]
    body = json.dumps({"text": text, "mrkdwn": False, "unfurl_links": False}).encode()
    post(url, body, {"Content-Type": "application/json"}, allow_private=channel.allow_private)
    return ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
