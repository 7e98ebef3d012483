"""What is written to a bucket is encrypted as the configuration says, and the bucket is told so with each write."""

from typing import Any

import pytest
from pydantic import ValidationError

from adce_assets.configuration import Encryption, Scanning
from adce_assets.lake.s3_store import S3Store
from adce_assets.lake.store import open_store

KEY_ARN = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SAID = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")


@pytest.fixture
def bucket(aws: pytest.MonkeyPatch, moto_url: str) -> str:
    aws.setenv("AWS_ENDPOINT_URL", moto_url)
    name = "encrypted"
    S3Store(name)._client.create_bucket(Bucket=name)
    return name


@pytest.mark.parametrize(
    ("encryption", "kept"),
    [
        (Encryption("AES256"), {"ServerSideEncryption": "AES256"}),
        (
            Encryption("aws:kms", KEY_ARN),
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY_ARN, "BucketKeyEnabled": True},
        ),
    ],
)
def test_every_kind_of_write_is_encrypted(bucket: str, encryption: Encryption, kept: dict[str, Any]):
    store = open_store(f"s3://{bucket}/{encryption.method.partition(':')[0]}", encryption=encryption)
    assert isinstance(store, S3Store)
    first = store.put_if_absent("absent", b"1")
    store.put_if_match("absent", b"2", first)
    store.put("plain", b"3")
    for key in ("absent", "plain"):
        told = store._head(key)
        assert told is not None
        assert {name: told[name] for name in SAID if name in told} == kept
        assert store.get(key)


def test_the_account_s_own_key_needs_no_name(bucket: str):
    store = S3Store(bucket, "own", Encryption("aws:kms"))
    store.put("a", b"1")
    told = store._head("a")
    assert told is not None
    assert told["ServerSideEncryption"] == "aws:kms"


def test_nothing_is_asked_of_a_bucket_that_encrypts_as_it_likes(bucket: str):
    store = S3Store(bucket, "as-it-is")
    asked: list[dict[str, str]] = []
    store._client.meta.events.register(
        "before-send.s3", lambda request, **_: asked.append({name.lower(): "" for name in request.headers})
    )
    store.put("a", b"1")
    assert [name for name in asked[0] if "encryption" in name] == []


def test_a_folder_is_as_its_disk_is(tmp_path: Any):
    store = open_store(tmp_path.as_uri(), encryption=Encryption("aws:kms", KEY_ARN))
    store.put("a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"


@pytest.mark.parametrize("method", ["none", "AES256"])
def test_a_key_that_would_not_be_used_is_refused(method: str):
    with pytest.raises(ValidationError, match=f"of no use with `encryption: {method}`; valid with it: `aws:kms`"):
        Scanning.model_validate({"encryption": method, "kms_key_id": "alias/lake"})


@pytest.mark.parametrize("changes", [{"encryption": "aes256"}, {"encryption": "aws:kms", "kms_key_id": "a key"}])
def test_what_s3_does_not_know_is_refused(changes: dict[str, str]):
    with pytest.raises(ValidationError):
        Scanning.model_validate(changes)
