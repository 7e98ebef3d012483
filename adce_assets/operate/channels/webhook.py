"""A message in, JSON posted out, signed so that who gets it knows who has sent it, and when."""

import hashlib
import hmac
import json

from adce_assets.autonomous import WebhookChannel
from adce_assets.fetch.posting import post
from adce_assets.fetch.secrets import Redactor, Secrets
from adce_assets.operate.alert_records import Message
from adce_assets.operate.alert_texts import document
from adce_assets.operate.channels.keeping import secret_of

SIGNATURE, ID = "X-ADCE-Signature", "X-ADCE-Delivery"


def send(channel: WebhookChannel, message: Message, secrets: Secrets, redactor: Redactor) -> str:
    """Send a message; its time and its id stand in the body, and so under the signature.

    Raises:
        AdceError: it did not arrive.
    """
    key = secret_of(channel.secret, secrets, redactor)
    body = json.dumps(document(message), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", SIGNATURE: signature(key, body), ID: message.id}
    post(channel.url, body, headers, allow_private=channel.allow_private)
    return ""


def signature(key: str, body: bytes) -> str:
    """Sign a body: HMAC with SHA-256, in hexadecimal digits."""
    return f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"
