"""A request to S3 in, the action and the resource that it needs out; and whether a policy allows it.

What a request needs is as AWS has it ("Required permissions for Amazon S3 API operations" in the S3 User Guide). What a
policy allows is asked of moto's own evaluator of policies.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from adce_assets.settings import kept
from adce_assets_tests.shipped import CONTRACT

IAM = Path(__file__).parents[2] / "deploy" / "iam"
LAKE, STATE = "arn:aws:s3:::LAKE-BUCKET", "arn:aws:s3:::STATE-BUCKET"
OBJECT = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
BUCKET = {
    "GET": "ListBucket",
    "HEAD": "ListBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
    "GET inventory": "GetInventoryConfiguration",
    "PUT inventory": "PutInventoryConfiguration",
}
KNOWN = {
    *(template.prefix.partition("/")[0] for one in CONTRACT.data_sets.values() for template in one.templates),
    *(one.prefix.partition("/")[0] for one in CONTRACT.non_data.values()),
}
"""Folders that the shipped contract speaks of; a test may have others, from which the product may read."""
STANDS_FOR_DATA = "pbp/1.json"


@dataclass(frozen=True)
class Call:
    """What a request needs: an action of IAM's, on a bucket or on an object of it."""

    action: str
    bucket: str
    key: str = ""
    test: str = ""

    @property
    def resource(self) -> str:
        return f"arn:aws:s3:::{self.bucket}/{self.key}" if self.key else f"arn:aws:s3:::{self.bucket}"


def call_of(method: str, url: str) -> Call:
    """Read a request whose URL has the bucket in its path."""
    parts = urlsplit(url)
    bucket, _, key = unquote(parts.path).removeprefix("/").partition("/")
    asked = parse_qs(parts.query, keep_blank_values=True)
    if key:
        assert not asked.keys() & {"uploads", "uploadId", "acl", "tagging", "versionId"}, url
        return Call(f"s3:{OBJECT[method]}", bucket, key)
    return Call(f"s3:{BUCKET[f'{method} inventory' if 'inventory' in asked else method]}", bucket)


def policy(name: str = "adce", **places: str) -> dict[str, Any]:
    """Read a policy, with these in the place of its placeholders, as the documentation has it done."""
    text = (IAM / f"{name}.json").read_text(encoding="utf-8")
    for placeholder, place in places.items():
        text = text.replace(placeholder.upper().replace("_", "-"), place)
    return json.loads(text)


def allows(found: Mapping[str, Any], action: str, resource: str) -> bool:
    """Say whether a policy lets somebody do this who has no other."""
    return _allows(json.dumps(found), action, resource)


@lru_cache(maxsize=4_096)
def _allows(text: str, action: str, resource: str) -> bool:
    from moto.iam.access_control import IAMPolicy, PermissionResult

    return IAMPolicy(text).is_action_permitted(action, resource) is PermissionResult.PERMITTED


def beyond(calls: list[Call]) -> list[Call]:
    """List the calls of a test's installation that the policy would not allow to a real one.

    Its buckets have names of their own, and its data may lie in other folders than those of the shipped contract: then
    they stand for such a one where they are read, but nothing may be written there, unless the folder or its bucket is
    called a state. What is deleted is for `test_rights`.
    """
    shipped = [policy("adce"), policy("inventory-setup")]
    return [
        call
        for call in dict.fromkeys(calls)
        if call.action != "s3:DeleteObject"
        and not any(allows(one, call.action, place) for one in shipped for place in _stands_for(call))
    ]


def _stands_for(call: Call) -> Iterator[str]:
    """Name what the call would be about in the lake, or in the state, that the policy speaks of."""
    parts = call.key.split("/")
    known = next((place for place, part in enumerate(parts[:-1]) if part in KNOWN), None)
    if not call.key:
        yield from (LAKE, STATE)
    elif known is not None:
        yield "/".join((LAKE, *parts[known:]))
    elif call.action == "s3:GetObject":
        yield f"{LAKE}/{STANDS_FOR_DATA}"
    elif "state" in (parts[0], call.bucket):
        yield f"{STATE}/STATE-PREFIX/{call.key}"
    else:
        yield f"{LAKE}/{call.key}"


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Lend a list of every call that the product makes to S3 in this process, and that no test makes itself."""
    from adce_assets.lake.s3_connection import Connection, _kept

    calls: list[Call] = []
    connect, send = Connection.__init__, Connection._send

    def connecting(self: Connection, bucket: str) -> None:
        connect(self, bucket)
        self.client.meta.events.register("before-send.s3", lambda request, **_: note(request))

    def sending(self: Connection, request: Any) -> tuple[int, bytes]:
        note(request)
        return send(self, request)

    def note(request: Any) -> None:
        if _is_the_product(sys._getframe(1)):
            calls.append(replace(call_of(request.method, request.url), test=kept("PYTEST_CURRENT_TEST") or ""))

    _kept.cache_clear()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Connection, "__init__", connecting)
        patched.setattr(Connection, "_send", sending)
        yield calls


def _is_the_product(frame: Any) -> bool:
    """Say whether it is ADCE that uses the lake; the demonstration stands for others who write into it."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if (name.startswith("adce_assets_tests.") and name != __name__) or name.startswith("adce_assets.demo."):
            return False
        if name.startswith("adce_assets.") and not name.startswith("adce_assets.lake."):
            return True
        frame = frame.f_back
    return False
