"""A server that misbehaves in every way we know while it is listed: the listing is whole, or it is refused."""

import socket
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adce_assets.errors import ConfigurationError, LakeError
from adce_assets.lake import listing, s3_connection
from adce_assets.lake.s3_calls import ATTEMPTS, FEW_ATTEMPTS
from adce_assets.lake.s3_store import S3Store
from adce_assets_tests.lake.scripted import NAMESPACE, Answer, Request, Script, TruePages, error, page_xml, row


def page(keys: list[str], token: str = "", **changed: str | None) -> Answer:
    return Answer(page_xml([row(key) for key in keys], token, **changed))


def cut(keys: list[str], token: str = "") -> Answer:
    body = page(keys, token).body
    return Answer(body, cut=len(body) // 2)


PASSING = {
    "internal error": error(500, "InternalError"),
    "slow down": error(503, "SlowDown"),
    "gateway without a body": Answer(b"", 502),
    "too many requests": error(429, "TooManyRequests"),
    "time-out told as a bad request": error(400, "RequestTimeout"),
    "reset": Answer(reset=True),
    "cut in the middle": cut(["a", "b"], "t"),
    "cut without a length": Answer(page(["a", "b"]).body[:-40], headers={"Content-Length": "", "Connection": "close"}),
    "error with status 200": Answer(error(200, "InternalError").body),
    "a web page": Answer(b"<html><body>welcome to the captive portal</body></html>"),
    "not XML": Answer(b'{"Contents": []}'),
    "empty": Answer(b""),
    "rows dropped": page(["a"], KeyCount="2"),
    "rows added": page(["a", "b"], KeyCount="1"),
    "no word on whether more follows": page(["a"], IsTruncated=None),
    "lost token": page(["a"], IsTruncated="true"),
    "no size": Answer(page_xml([row("a", Size=None)])),
    "negative size": Answer(page_xml([row("a", Size="-1")])),
    "no key": Answer(page_xml([row("a", Key=None)])),
    "no time": Answer(page_xml([row("a", LastModified=None)])),
    "a time without a zone": Answer(page_xml([row("a", LastModified="2024-05-06T22:37:48")])),
    "a key that is not UTF-8": Answer(page_xml([row("%FF")])),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_page_that_failed_is_asked_for_again(server: Script, fault: Answer):
    waits: list[float] = []
    server.answers = [fault, page(["a", "b"], "t"), fault, fault, page(["b", "c"])]
    assert [found.key for found in server.store(waits).list()] == ["a", "b", "c"]
    assert len(waits) == 3
    assert min(waits) > 0


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_listing_that_keeps_failing_is_not_a_short_lake(server: Script, fault: Answer):
    waits: list[float] = []
    server.answers = [page(["a", "b"], "t"), fault]
    with pytest.raises(LakeError):
        listing.take(server.store(waits))
    assert len(server.requests) == 1 + ATTEMPTS
    assert all(later > earlier / 2 for earlier, later in pairwise(waits))


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ([page(["a", "b"], "t"), page(["a", "b"], "u"), page(["c"])], "'a' after 'a'"),
        ([page(["a", "b"], "t"), page(["b", "b"])], "'b' after 'b'"),
        ([page(["a", "b"], "t"), page(["b", "d", "c"])], "'c' after 'd'"),
        ([page(["b", "a"])], "after 'b'"),
        ([page(["a", "a"])], "after 'a'"),
        ([page(["a"], "t"), page(["b"], "t"), page(["c"])], "token twice"),
        ([page(["c"], "t"), page(["a", "b"])], "after 'c'"),
    ],
)
def test_pages_out_of_order_are_refused(server: Script, pages: list[Answer], message: str):
    server.answers = [*pages]
    with pytest.raises(LakeError, match=message):
        listing.take(server.store())


def test_a_page_that_was_left_out_is_noticed_in_the_next(server: Script):
    server.answers = [page(["a", "b"], "t"), page(["e", "f"], "v"), page(["b", "c", "d"], "u"), page(["d", "e"])]
    assert [found.key for found in server.store().list()] == ["a", "b", "c", "d", "e"]
    server.requests.clear()
    server.answers = [page(["a", "b"], "t"), page(["e", "f"])]
    with pytest.raises(LakeError, match="the page behind 'b' does not begin where"):
        list(server.store().list())


def test_a_key_deleted_while_its_page_is_asked_for_again_is_no_gap(server: Script):
    server.answers = [page(list("abcdefgh"), "t"), page(["f", "g", "i"])]
    assert "".join(found.key for found in server.store().list()) == "abcdefghi"
    assert parse_qs(urlsplit(server.requests[1].path).query)["start-after"] == ["d"]


def test_a_full_page_that_says_it_is_the_last_is_not_believed(server: Script):
    server.answers = [page(["a", "b", "c"], MaxKeys="3"), page(["c", "d"])]
    assert [found.key for found in server.store().list()] == ["a", "b", "c", "d"]


def test_requests_are_counted_with_their_repeats(server: Script):
    server.answers = [error(503, "SlowDown"), page(["a", "b"], "t"), Answer(reset=True), page(["b", "c"])]
    taken = listing.take(server.store())
    assert taken.requests == len(server.requests) == 4


def test_a_key_that_was_not_asked_for_is_refused(server: Script):
    server.answers = [page(["other/1"])]
    with pytest.raises(LakeError, match="other/1"):
        list(server.store().list("mine/"))
    with pytest.raises(LakeError, match="other/1"):
        list(server.store().list(start_after="z"))
    with pytest.raises(LakeError, match="other/1"):
        list(server.store(prefix="mine").list())


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (403, "AccessDenied", "s3:ListBucket"),
        (404, "NoSuchBucket", "check the bucket's name"),
        (403, "InvalidAccessKeyId", "AWS_PROFILE"),
        (403, "SignatureDoesNotMatch", "secret key"),
        (400, "ExpiredToken", "log in again"),
        (403, "RequestTimeTooSkewed", "clock"),
        (301, "PermanentRedirect", "AWS_REGION"),
        (400, "AuthorizationHeaderMalformed", "AWS_REGION"),
    ],
)
def test_an_error_that_will_not_pass_is_said_at_once(server: Script, status: int, code: str, hint: str):
    server.answers = [error(status, code)]
    with pytest.raises(LakeError, match=f"(?s){code}.*hint: .*{hint}"):
        list(server.store().list())
    assert len(server.requests) == 1


BOMB = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10 if n else "boom"}">' for n in range(12))


@pytest.mark.parametrize(
    ("declared", "key"),
    [(BOMB, "&x11;"), (BOMB, "harmless"), ('<!ENTITY x SYSTEM "file:///etc/hostname">', "&x;")],
)
def test_a_page_that_declares_entities_is_refused(server: Script, declared: str, key: str):
    body = page_xml([row(key)]).decode().replace("\n", f"\n<!DOCTYPE ListBucketResult [{declared}]>")
    server.answers = [Answer(body.encode())]
    with pytest.raises(LakeError, match=r"document type|not XML"):
        list(server.store().list())


def test_a_page_of_no_reasonable_size_is_refused(server: Script, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adce_assets.lake.s3_connection.PAGE_LIMIT", 1_000)
    server.answers = [page([f"{number:04d}" for number in range(100)])]
    with pytest.raises(LakeError, match="more than 1000 bytes"):
        list(server.store().list())


def test_keys_are_decoded_as_a_form_is(server: Script):
    server.answers = [page(["a+b%2Bc%3Dd/%C3%BC%0A"])]
    assert [found.key for found in server.store().list()] == ["a b+c=d/ü\n"]


def test_keys_of_a_server_that_does_not_encode_are_taken_as_they_are(server: Script):
    server.answers = [page(["a%20b+c"], EncodingType=None)]
    assert [found.key for found in server.store().list()] == ["a%20b+c"]


def test_a_page_without_namespace_and_count_is_a_page(server: Script):
    server.answers = [Answer(page(["a"], KeyCount=None).body.replace(NAMESPACE.encode(), b""))]
    [found] = server.store().list()
    assert (found.key, found.size, found.etag) == ("a", 3, "abc")
    assert found.last_modified == datetime(2024, 5, 6, 22, 37, 48, tzinfo=UTC)


def test_an_empty_page_in_the_middle_is_not_the_end(server: Script):
    server.answers = [page(["a"], "t"), page([], "u"), page(["b"])]
    assert [found.key for found in server.store().list()] == ["a", "b"]


def test_a_listing_is_signed_in_its_headers_and_path_style(server: Script, aws: pytest.MonkeyPatch):
    aws.setenv("AWS_SESSION_TOKEN", "a session")
    aws.setenv("AWS_ENDPOINT_URL", server.connection.client.meta.endpoint_url)
    server.answers = [page(["q/a b"], "t+/="), page([])]
    list(S3Store("lake", "q").list("a b"))
    first, second = server.requests
    assert urlsplit(first.path).path == "/lake"
    assert first.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=test/")
    assert first.headers["x-amz-security-token"] == "a session"
    assert "Signature" not in first.path
    assert parse_qs(urlsplit(first.path).query) == {
        "list-type": ["2"],
        "encoding-type": ["url"],
        "prefix": ["q/a b"],
    }
    assert parse_qs(urlsplit(second.path).query)["continuation-token"] == ["t+/="]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.lists(st.sampled_from([None, None, None, *PASSING.values()]), max_size=30))
def test_whatever_fails_the_listing_is_whole_or_refused(server: Script, faults: list[Answer | None]):
    left = iter(faults)
    truth = TruePages({f"games/{number:03d}": number for number in range(40)}, size=9)

    def answer(requests: list[Request]) -> Answer:
        return next(left, None) or Answer(truth.body(dict(parse_qsl(urlsplit(requests[-1].path).query))))

    server.answers = [answer]
    try:
        taken = listing.take(server.store())
    except LakeError:
        assert len([fault for fault in faults if fault]) >= ATTEMPTS
    else:
        assert taken.objects["key"].to_pylist() == list(truth.objects)
        assert taken.objects["size"].to_pylist() == list(truth.objects.values())


def no_pause(_: float) -> None:
    """Do not wait."""


def test_no_credentials_is_said_with_what_to_do(aws: pytest.MonkeyPatch):
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    store = S3Store("lake", pause=no_pause)
    for call in (lambda: list(store.list()), lambda: store.head("a"), lambda: store.put_if_absent("a", b"")):
        with pytest.raises(LakeError, match=r"no credentials(?s:.*)hint: .*AWS_PROFILE"):
            call()


def test_an_endpoint_that_is_not_there_is_named(aws: pytest.MonkeyPatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    aws.setenv("AWS_ENDPOINT_URL", f"http://{address}")
    store = S3Store("lake", pause=no_pause)
    for call in (lambda: list(store.list()), lambda: store.get("a"), lambda: store.put_if_absent("a", b"")):
        with pytest.raises(LakeError, match=f"cannot connect to {address}"):
            call()


def test_who_only_looks_whether_s3_answers_does_not_wait_long_for_it(aws: pytest.MonkeyPatch):
    aws.setattr(s3_connection, "SOON_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=9) as silent:
        aws.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        waits = list[float]()
        with pytest.raises(LakeError, match="ReadTimeout"):
            S3Store("lake", pause=waits.append).glance("a")
    assert len(waits) == FEW_ATTEMPTS - 1


def test_s3_that_answers_to_a_glance_says_whether_the_bucket_is_there(server: Script, aws: pytest.MonkeyPatch):
    aws.setenv("AWS_ENDPOINT_URL", server.connection.client.meta.endpoint_url)
    store = S3Store("lake", pause=no_pause)
    server.answers[:] = [Answer(status=503), Answer(status=404), Answer(status=200), Answer(status=404)]
    store.glance("a")
    assert len(server.requests) == 3
    server.requests.clear()
    server.answers[:] = [Answer(status=404)]
    store.glance("a")
    with pytest.raises(LakeError, match="404"):
        S3Store("lake", pause=no_pause).glance("a")


def test_an_endpoint_that_is_no_url_is_a_fault_of_configuration(aws: pytest.MonkeyPatch):
    aws.setenv("AWS_ENDPOINT_URL", "localhost")
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL"):
        S3Store("lake", pause=no_pause).head("a")


def test_a_profile_that_is_not_there_is_said(aws: pytest.MonkeyPatch):
    aws.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(LakeError, match="nobody"):
        S3Store("lake", pause=no_pause).head("a")
