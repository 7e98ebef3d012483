"""Which store a URL means, and what the probe makes of a careless one."""

import re
from pathlib import Path

import pytest

from adce_assets.errors import ConfigurationError
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.s3_store import S3Store
from adce_assets.lake.store import key_prefix, open_store, probe_conditional_writes


class ForgetfulStore(FileStore):
    """A store that takes conditions and does not look at them."""

    def put_if_absent(self, key: str, body: bytes | Path) -> str:
        return self.put(key, body)

    def put_if_match(self, key: str, body: bytes | Path, etag: str) -> str:
        assert etag
        return self.put(key, body)


class HalfForgetfulStore(FileStore):
    """A store that creates once, and replaces always."""

    def put_if_match(self, key: str, body: bytes | Path, etag: str) -> str:
        assert etag
        return self.put(key, body)


class StubbornStore(FileStore):
    """A store that lets nobody replace anything, as one does that compares quoted ETags with bare ones."""

    def put_if_match(self, key: str, body: bytes | Path, etag: str) -> str:
        return super().put_if_match(key, body, f'"{etag}"')


@pytest.mark.parametrize("kind", [ForgetfulStore, HalfForgetfulStore, StubbornStore])
def test_a_store_that_does_not_keep_conditions_fails_the_probe(kind: type[FileStore], tmp_path: Path):
    store = kind(tmp_path)
    assert not probe_conditional_writes(store)
    assert list(store.list()) == []


@pytest.mark.parametrize(
    ("url", "canonical", "prefix"),
    [
        ("s3://bucket", "s3://bucket", ""),
        ("s3://bucket/", "s3://bucket", ""),
        ("s3://bucket/a/b", "s3://bucket/a/b", "a/b/"),
        ("s3://bucket/a/b/", "s3://bucket/a/b", "a/b/"),
        ("s3://bucket/a b%20c", "s3://bucket/a b%20c", "a b%20c/"),
        ("s3://my.Bucket_1", "s3://my.Bucket_1", ""),
    ],
)
def test_an_s3_url_names_a_bucket_and_a_prefix(url: str, canonical: str, prefix: str):
    store = open_store(url)
    assert isinstance(store, S3Store)
    assert store.url == canonical
    assert key_prefix(store.url) == prefix


def test_a_file_url_is_percent_encoded(tmp_path: Path):
    folder = tmp_path / "my lake 100%"
    store = open_store(folder.as_uri() + "/")
    store.put("a", b"")
    assert (folder / "a").is_file()
    assert store.url == folder.as_uri()
    assert key_prefix(store.url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "lake",
        "/srv/lake",
        "file:/srv/lake",
        "file://srv/lake",
        "file://",
        "file:///",
        "file:////",
        "file:///a%00b",
        "s3://",
        "s3:///prefix",
        "s3://b",
        "s3://bucket//prefix",
        "s3://bucket/a//b",
        "s3://buc ket",
        "s3://-bucket",
        "https://bucket.s3.amazonaws.com/",
    ],
)
def test_what_is_no_lake_is_refused_with_what_is(url: str):
    with pytest.raises(ConfigurationError, match=r"valid: s3://bucket\[/prefix\], file:///absolute/path(?s:.*)hint: "):
        open_store(url)


def test_nothing_is_contacted_before_the_first_call(tmp_path: Path):
    open_store("s3://no-such-bucket-anywhere")
    open_store(tmp_path.as_uri() + "/none")
    assert list(tmp_path.iterdir()) == []


def test_no_code_of_the_lake_can_remove_a_bucket_or_its_inventory_configuration():
    code = "".join(path.read_text() for path in Path(__import__("adce_assets").__path__[0]).rglob("*.py"))
    assert not re.search(r"delete_bucket|DeleteBucket", code)
