"""A message in, a notification of AWS SNS out, with the credentials that the lake has too."""

from adce_assets.autonomous import SnsChannel
from adce_assets.fetch.secrets import Redactor, Secrets
from adce_assets.operate.alert_records import Message
from adce_assets.operate.alert_texts import lines, subject


def send(channel: SnsChannel, message: Message, _secrets: Secrets, _redactor: Redactor) -> str:
    """Send a message.

    Raises:
        AlertError: it did not arrive.
    """
    from adce_assets.lake.sns import publish

    publish(channel.topic_arn, subject(message), "\n".join(lines(message)), deduplicated_by=message.id)
    return ""
