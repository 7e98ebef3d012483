"""A topic of AWS SNS and a text in, a notification out.

It is here because boto3 is known in this room alone; the lake has nothing to do with it.
"""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from adce_assets.errors import AlertError, RefusedAlertError
from adce_assets.lake.s3_calls import FAILURES, NO_CREDENTIALS, code_of

SECONDS = 5
NEEDS = "the credentials need sns:Publish on the topic: deploy/iam/alerts-sns.json"
HINTS = {
    "NotFound": "check `topic_arn`",
    "AuthorizationError": NEEDS,
    "AccessDenied": NEEDS,
    "InvalidClientTokenId": NO_CREDENTIALS,
    "ExpiredToken": "the session's credentials have run out: log in again",
}
REFUSALS = frozenset({"InvalidParameter", "InvalidParameterValue"})
"""What SNS says of a message that it will never take."""
LONGEST_SUBJECT = 99
LONGEST_BYTES = 200_000
FIFO = ".fifo"


def publish(topic_arn: str, subject: str, text: str, *, deduplicated_by: str) -> None:
    """Publish a text, in one attempt.

    Args:
        topic_arn: Of the topic, which says its region too.
        subject: One line, of which SNS takes ASCII alone.
        text: Of any letters, cut where it is longer than SNS takes.
        deduplicated_by: What a topic that keeps an order knows the same text by when it comes a second time.

    Raises:
        AlertError: AWS cannot be asked, or refuses it.
    """
    ordered = {"MessageGroupId": "adce", "MessageDeduplicationId": deduplicated_by} if topic_arn.endswith(FIFO) else {}
    shown = subject.encode("ascii", "replace").decode()[:LONGEST_SUBJECT]
    cut = text.encode("utf-8", "replace")[:LONGEST_BYTES].decode("utf-8", "ignore")
    try:
        _client(topic_arn.split(":")[3]).publish(TopicArn=topic_arn, Subject=shown, Message=cut, **ordered)
    except FAILURES as error:
        code = code_of(error) if isinstance(error, ClientError) else ""
        kind = RefusedAlertError if code in REFUSALS else AlertError
        raise kind(f"{type(error).__name__}: {error}", where=topic_arn, hint=HINTS.get(code, "")) from error
    except ValueError as error:
        hint = "check AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_SNS"
        raise AlertError(str(error), where=topic_arn, hint=hint) from error


def _client(region: str) -> Any:
    config = Config(
        connect_timeout=SECONDS, read_timeout=SECONDS, retries={"total_max_attempts": 1, "mode": "standard"}
    )
    return boto3.Session().client("sns", region_name=region, config=config)
