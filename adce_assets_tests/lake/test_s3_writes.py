"""A server that misbehaves while objects are read and written: who won is told truly, or said not to be known."""

import pytest

from adce_assets.errors import AccessDeniedError, ConditionFailedError, LakeError, ObjectNotFoundError
from adce_assets.lake.store import probe_conditional_writes
from adce_assets_tests.lake.scripted import Answer, Request, Script, error


def test_a_bucket_that_is_not_there_is_not_an_absent_object(server: Script):
    server.answers = [Answer(status=404)]
    with pytest.raises(LakeError, match="check the bucket's name"):
        server.store().head("a")


def test_a_missing_bucket_is_no_lost_condition(server: Script):
    server.answers = [error(404, "NoSuchBucket")]
    with pytest.raises(LakeError, match="NoSuchBucket") as caught:
        server.store().put_if_absent("a", b"")
    assert not isinstance(caught.value, ConditionFailedError)
    with pytest.raises(LakeError, match="NoSuchBucket") as caught:
        server.store().get("a")
    assert not isinstance(caught.value, ObjectNotFoundError)


def test_reading_goes_on_after_a_broken_body(server: Script):
    server.answers = [Answer(b"0123456789", cut=4), error(503, "SlowDown"), Answer(b"0123456789")]
    assert server.store().get("a") == b"0123456789"


def test_a_server_that_knows_no_ranges_is_cut_here(server: Script):
    server.answers = [Answer(b"0123456789")]
    assert server.store().get("a", start=3, length=4) == b"3456"
    assert server.requests[0].headers["range"] == "bytes=3-6"


@pytest.mark.parametrize("status", [404, 409, 412])
def test_every_way_to_say_lost_is_one_error(server: Script, status: int):
    server.answers = [error(status, "SomeCode")]
    with pytest.raises(ConditionFailedError):
        server.store().put_if_match("a", b"", '"etag"')
    assert len(server.requests) == 1
    assert server.requests[0].headers["if-match"] == "etag"


def marked_as_first_put(requests: list[Request]) -> Answer:
    mark = requests[0].headers["x-amz-meta-adce-write"]
    return described({"x-amz-meta-adce-write": mark})


def described(headers: dict[str, str]) -> Answer:
    fixed = {"ETag": '"new"', "Last-Modified": "Mon, 06 May 2024 22:37:48 GMT", "Content-Length": "1"}
    return Answer(headers=fixed | headers)


@pytest.mark.parametrize("lost", [Answer(reset=True), Answer(status=500), Answer(status=504)])
def test_a_conditional_write_whose_answer_was_lost_is_found_done(server: Script, lost: Answer):
    server.answers = [lost, marked_as_first_put]
    assert server.store().put_if_match("a", b"", "old") == "new"
    assert [request.method for request in server.requests] == ["PUT", "HEAD"]


def test_a_conditional_write_that_was_not_done_is_done_again(server: Script):
    server.answers = [Answer(reset=True), Answer(status=404), Answer(headers={"ETag": '"new"'})]
    assert server.store().put_if_absent("a", b"") == "new"
    assert [request.method for request in server.requests] == ["PUT", "HEAD", "PUT"]


def test_a_late_first_attempt_is_not_called_lost_by_the_second(server: Script):
    server.answers = [Answer(reset=True), Answer(status=404), error(412, "PreconditionFailed"), marked_as_first_put]
    assert server.store().put_if_absent("a", b"") == "new"


def test_who_cannot_know_whether_it_won_says_neither(server: Script):
    server.answers = [Answer(reset=True), described({}), error(412, "PreconditionFailed"), described({})]
    with pytest.raises(LakeError, match="was not answered") as caught:
        server.store().put_if_match("a", b"", "old")
    assert not isinstance(caught.value, ConditionFailedError)


def test_a_write_that_was_turned_away_is_tried_again_and_may_be_lost_fairly(server: Script):
    server.answers = [error(503, "SlowDown"), error(412, "PreconditionFailed")]
    with pytest.raises(ConditionFailedError):
        server.store().put_if_match("a", b"", "old")


def test_a_server_that_ignores_conditions_fails_the_probe(server: Script):
    server.answers = [Answer(headers={"ETag": '"any"'})]
    assert not probe_conditional_writes(server.store())
    first, second, last = server.requests
    assert first.headers["if-none-match"] == second.headers["if-none-match"] == "*"
    assert last.method == "DELETE"


def test_a_server_that_ignores_only_if_match_fails_the_probe(server: Script):
    written = Answer(headers={"ETag": '"any"'})
    server.answers = [written, error(412, "PreconditionFailed"), written, written, Answer(status=204)]
    assert not probe_conditional_writes(server.store())


def test_a_probe_that_was_not_answered_says_nothing(server: Script):
    server.answers = [error(403, "AccessDenied")]
    with pytest.raises(AccessDeniedError, match="AccessDenied"):
        probe_conditional_writes(server.store())
