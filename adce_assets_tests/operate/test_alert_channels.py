"""What goes out on each kind of channel, over real sockets; and that no secret stands in anything that is told."""

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adce_assets.autonomous import Alerts, AnyChannel
from adce_assets.errors import AdceError, AlertError, ConfigurationError, RefusedAlertError
from adce_assets.operate import alert_texts
from adce_assets.operate.alert_records import Kind, Message, News
from adce_assets.operate.causes import Severity
from adce_assets.operate.channels import email
from adce_assets.operate.sending import pause_after, send
from adce_assets_tests.certificates import own_certificate
from adce_assets_tests.operate.alarmed import SECRETS, cause, hook
from adce_assets_tests.operate.mail_server import MailServer, mail_server

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
HOSTILE = "<!channel> a\r\nBcc: all@example.org \u202e \u4e2d & <https://evil.example.org|here>"
PATH = "/services/T000/B000/mustnotbetold"


def news(what: str = "no daemon runs", **others: Any) -> News:
    told: dict[str, Any] = {
        "kind": Kind.OPENED,
        "since": NOON,
        "link": "http://ui/runs",
        "severity": Severity.CRITICAL,
        **others,
    }
    return News(cause=cause("loop_stopped", "daemon", what=what, hint="`adce start`"), **told)


def message(*told: News) -> Message:
    return Message("0123456789abcdef" * 2, NOON, told or (news(),))


def channel(**told: Any) -> AnyChannel:
    return Alerts.model_validate({"channels": [{"name": "team", **told}]}).channels[0]


@pytest.fixture(scope="module")
def listening() -> Iterator[HTTPServer]:
    with HTTPServer() as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(listening: HTTPServer) -> HTTPServer:
    listening.clear()
    return listening


def secrets(**more: str) -> Callable[[str], str | None]:
    return {**SECRETS, **more}.get


def slack(server: HTTPServer) -> tuple[AnyChannel, Callable[[str], str | None]]:
    return channel(kind="slack", secret="SLACK_URL", allow_private=True), secrets(SLACK_URL=server.url_for(PATH))


def test_slack_is_told_in_lines_what_since_when_what_to_do_and_where(server: HTTPServer):
    server.expect_oneshot_request(PATH, method="POST").respond_with_data("ok")
    team, kept = slack(server)
    assert send(team, message(), kept) == ""
    told = json.loads(server.log[0][0].data)["text"].splitlines()
    assert told == [
        "OPENED critical loop_stopped daemon",
        "no daemon runs",
        "since 2025-01-15 12:00 UTC",
        "to do: `adce start`",
        "see: http://ui/runs",
    ]


def test_nobody_can_call_people_or_make_links_in_slack(server: HTTPServer):
    server.expect_request(PATH).respond_with_data("ok")
    team, kept = slack(server)
    send(team, message(news(HOSTILE)), kept)
    text = json.loads(server.log[0][0].data)["text"]
    assert "<" not in text
    assert "&lt;!channel&gt;" in text


def test_a_webhook_gets_json_that_is_signed(server: HTTPServer):
    server.expect_request("/hook").respond_with_data("ok")
    assert send(channel(**hook(server.url_for("/hook"), "team")), message(news(HOSTILE)), secrets()) == ""
    request = server.log[0][0]
    expected = hmac.new(SECRETS["HOOK_KEY"].encode(), request.data, hashlib.sha256).hexdigest()
    assert request.headers["X-ADCE-Signature"] == f"sha256={expected}"
    told = json.loads(request.data)
    assert request.headers["X-ADCE-Delivery"] == told["id"] == message().id
    (alert,) = told["alerts"]
    assert told["schema"] == 1
    assert alert == {
        "kind": "opened",
        "code": "loop_stopped",
        "subject": "daemon",
        "severity": "critical",
        "what": HOSTILE,
        "since": NOON.isoformat(),
        "hint": "`adce start`",
        "url": "http://ui/runs",
    }


@pytest.mark.parametrize("status", [301, 307, 403, 429, 503])
def test_only_a_status_of_success_is_a_message_that_arrived(server: HTTPServer, status: int):
    server.expect_request("/hook").respond_with_data(
        "no", status=status, headers={"Location": server.url_for("/elsewhere")}
    )
    server.expect_request("/elsewhere").respond_with_data("ok")
    with pytest.raises(AdceError, match=f"answered {status}: no"):
        send(channel(**hook(server.url_for("/hook"), "team")), message(), secrets())
    assert [request.path for request, _ in server.log] == ["/hook"], "redirects are not followed"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1/x", "sent to a URL of `http`"),
        ("https://127.0.0.1:1/x", "not an address of the internet"),
        ("https://169.254.169.254/latest", "not an address of the internet"),
        ("ftp://example.org/x", "sent to a URL of `ftp`"),
        ("https://[::1", "no URL"),
    ],
)
def test_nothing_is_sent_inward_or_without_encryption_unless_that_is_said(url: str, said: str):
    with pytest.raises(AdceError, match=said):
        send(channel(kind="slack", secret="SLACK_URL"), message(), secrets(SLACK_URL=url))


def test_a_server_that_echoes_the_secret_does_not_bring_it_into_errors_or_logs(
    server: HTTPServer, caplog: pytest.LogCaptureFixture
):
    def echo(request: Request) -> Response:
        return Response(f"what is {request.path}?", status=404)

    server.expect_request(PATH).respond_with_handler(echo)
    team, kept = slack(server)
    with caplog.at_level(logging.DEBUG), pytest.raises(AdceError) as refused:
        send(team, message(), kept)
    chain, said = refused.value, []
    while chain is not None:
        said.append(f"{chain} {chain!r}")
        chain = chain.__cause__ or chain.__context__
    ours = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]
    assert "mustnotbetold" not in " ".join([*said, *ours])
    assert "answered 404" in str(refused.value)


@pytest.mark.parametrize(
    "said",
    ["x" * (301 - len(PATH)) + PATH, "bad token mustnotbetold", "T000/B000/mustnotbetold", "bad%20mustnotbetold"],
    ids=["cut", "last", "end", "encoded"],
)
def test_a_server_that_repeats_a_part_of_a_secret_url_does_not_bring_it_into_errors(server: HTTPServer, said: str):
    server.expect_request(PATH).respond_with_data(said, status=404)
    team, kept = slack(server)
    with pytest.raises(AdceError, match="answered 404") as refused:
        send(team, message(), kept)
    assert "mustnotbe" not in str(refused.value)


def test_a_server_that_is_not_there_is_named_without_its_path():
    team = channel(kind="slack", secret="SLACK_URL", allow_private=True)
    with pytest.raises(AdceError, match="no answer: ConnectError") as refused:
        send(team, message(), secrets(SLACK_URL=f"http://127.0.0.1:1{PATH}"))
    assert "mustnotbetold" not in str(refused.value)


@pytest.mark.parametrize("kind", ["slack", "webhook", "email"])
def test_a_secret_that_is_not_there_is_named(kind: str):
    told = {
        "slack": {"secret": "NOT_THERE"},
        "webhook": {"secret": "NOT_THERE", "url": "https://example.org"},
        "email": {"host": "127.0.0.1", "sender": "a@example.org", "recipients": ["b@example.org"], "user": "a"},
    }[kind]
    with pytest.raises(ConfigurationError, match="`NOT_THERE` is not there"):
        send(channel(kind=kind, **{"secret": "NOT_THERE", **told}), message(), secrets())


def test_a_secret_is_read_anew_for_each_message(server: HTTPServer):
    server.expect_request("/hook").respond_with_data("ok")
    kept = {"HOOK_KEY": "the first key"}
    for key in ("the first key", "another key"):
        kept["HOOK_KEY"] = key
        send(channel(**hook(server.url_for("/hook"), "team")), message(), kept.get)
    signed = [request.headers["X-ADCE-Signature"] for request, _ in server.log]
    body = server.log[0][0].data
    assert signed == [
        f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}" for key in ("the first key", "another key")
    ]


def mail_channel(server: MailServer, **told: Any) -> AnyChannel:
    people = {"sender": "adce@example.org", "recipients": ["ann@example.org", "bob@example.org"]}
    return channel(kind="email", host="127.0.0.1", port=server.port, **{"encryption": "none", **people, **told})


def test_a_mail_says_in_its_subject_what_is_wrong_and_in_its_lines_the_rest():
    with mail_server() as server:
        assert send(mail_channel(server), message(news(), news("and that")), secrets()) == ""
    (mail,), ((sender, recipients),) = server.mails, server.envelopes
    assert (sender, recipients) == ("adce@example.org", ["ann@example.org", "bob@example.org"])
    assert mail["Subject"] == "ADCE: critical: no daemon runs (and 1 more)"
    assert mail["Message-ID"] == f"<{message().id}@example.org>"
    assert mail["Date"] == "Wed, 15 Jan 2025 12:00:00 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "to do: `adce start`" in mail.get_content()


def test_nobody_can_add_a_header_to_a_mail():
    with mail_server() as server:
        send(mail_channel(server), message(news(HOSTILE)), secrets())
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("ADCE: critical: <!channel> a  Bcc: all@example.org   \u4e2d & <")
    assert "\u4e2d" in mail.get_content()


@pytest.mark.parametrize("how", ["starttls", "tls"])
def test_a_mail_is_encrypted_before_anybody_logs_in(how: str, certificate: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    login = ("adce", SECRETS["MAIL_PASSWORD"])
    with mail_server(certificate=certificate, tls_first=how == "tls", login=login) as server:
        send(mail_channel(server, encryption=how, user="adce", secret="MAIL_PASSWORD"), message(), secrets())
    assert server.logins == [login]
    assert server.encrypted == [True]


@pytest.mark.parametrize("how", ["starttls", "tls"])
def test_a_mail_server_that_nobody_vouches_for_gets_nothing(how: str, certificate: Path):
    with mail_server(certificate=certificate, tls_first=how == "tls", login=("a", "b")) as server:
        team = mail_channel(server, encryption=how, user="adce", secret="MAIL_PASSWORD")
        with pytest.raises(AlertError, match="CERTIFICATE_VERIFY_FAILED"):
            send(team, message(), secrets())
    assert (server.logins, server.mails) == ([], [])


def test_a_mail_server_without_encryption_gets_no_mail_that_is_to_be_encrypted():
    with mail_server() as server, pytest.raises(AlertError, match="STARTTLS"):
        send(mail_channel(server, encryption="starttls"), message(), secrets())
    assert server.mails == []


def test_a_wrong_password_is_told_without_the_password(certificate: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(certificate=certificate, login=("adce", "another")) as server:
        team = mail_channel(server, encryption="starttls", user="adce", secret="MAIL_PASSWORD")
        with pytest.raises(AlertError, match="535") as refused:
            send(team, message(), secrets())
    assert SECRETS["MAIL_PASSWORD"] not in f"{refused.value} {refused.value.__cause__!r}"


def test_who_is_refused_is_told_while_the_others_have_their_mail():
    with mail_server(refused=frozenset({"bob@example.org"})) as server:
        said = send(mail_channel(server), message(), secrets())
    assert said == "refused for bob@example.org (550 no such box)"
    assert server.envelopes == [("adce@example.org", ["ann@example.org"])]


def test_a_mail_that_nobody_may_have_did_not_arrive():
    both = frozenset({"ann@example.org", "bob@example.org"})
    with mail_server(refused=both) as server, pytest.raises(AlertError, match=r"refused for ann@example\.org"):
        send(mail_channel(server), message(), secrets())


def test_a_mail_that_was_taken_has_arrived_however_the_server_takes_leave():
    with mail_server(leave="421 closing") as server:
        assert send(mail_channel(server), message(), secrets()) == ""
    assert len(server.mails) == 1


def test_a_mail_that_the_server_will_never_take_is_told_from_one_that_it_may():
    for said, refused in (("554 spam", True), ("451 later", False)):
        with mail_server(taken=said) as server, pytest.raises(AlertError, match=said[:3]) as error:
            send(mail_channel(server), message(), secrets())
        assert isinstance(error.value, RefusedAlertError) is refused


def test_a_mail_server_that_comes_to_no_end_is_hung_up_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(email, "DEADLINE_S", 0.2)
    with mail_server(slow=True) as server:
        began = time.monotonic()
        with pytest.raises(AlertError):
            send(mail_channel(server), message(), secrets())
    assert time.monotonic() - began < 5


@pytest.fixture
def topic(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Callable[[], list[dict[str, Any]]]]]:
    """A topic, and what a queue has got that listens to it."""
    for name, value in {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    arn = sns.create_topic(Name="adce")["TopicArn"]
    url = sqs.create_queue(QueueName="adce")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)

    def got() -> list[dict[str, Any]]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(one["Body"]) for one in found]

    yield arn, got
    sns.delete_topic(TopicArn=arn)
    sqs.delete_queue(QueueUrl=url)


def test_a_topic_of_sns_gets_a_plain_subject_and_the_lines(topic: Any):
    arn, got = topic
    assert send(channel(kind="sns", topic_arn=arn), message(news("\u4e2d" * 200)), secrets()) == ""
    (told,) = got()
    assert told["Subject"].isascii()
    assert len(told["Subject"]) < 100
    assert "\u4e2d" * 200 in told["Message"]


def test_a_topic_that_is_not_there_is_an_error(topic: Any):
    arn, _ = topic
    with pytest.raises(AlertError, match="NotFound"):
        send(channel(kind="sns", topic_arn=f"{arn}-gone"), message(), secrets())


def test_a_message_about_very_many_causes_names_some_and_counts_all():
    told = "\n".join(alert_texts.lines(message(*[news()] * 500)))
    assert told.count("OPENED") == 20
    assert "and 480 more" in told
    assert len(alert_texts.document(message(*[news()] * 500))["alerts"]) == 500


def test_a_message_that_something_is_over_says_no_more_what_to_do():
    told = "\n".join(alert_texts.lines(message(news(kind=Kind.CLEARED))))
    assert told.startswith("CLEARED critical loop_stopped daemon")
    assert "to do" not in told


def test_pauses_grow_up_to_an_hour_and_end():
    rules = Alerts(retry_seconds=60, attempts=24)
    pauses = [pause_after(rules, attempt) for attempt in range(1, 25)]
    told = [pause.total_seconds() / 60 for pause in pauses if pause]
    assert told == [1, 2, 4, 8, 16, 32, *[60] * 17]
    assert pauses[-1] is None


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"kind": "email", "host": "h", "sender": "a@b", "recipients": ["a@b\nBcc: c@d"]}, "recipients"),
        ({"kind": "email", "host": "h", "sender": "a@b", "recipients": ["a@b"], "user": "u"}, "go together"),
        (
            {
                "kind": "email",
                "host": "h",
                "sender": "a@b",
                "recipients": ["a@b"],
                "user": "u",
                "secret": "S",
                "encryption": "none",
            },
            "travel unencrypted",
        ),
        ({"kind": "webhook", "url": "https://user:pw@example.org", "secret": "S"}, "no URL of a server"),
        ({"kind": "slack", "secret": "https://hooks.slack.com/services/x"}, "secret"),
        ({"kind": "sns", "topic_arn": "arn:aws:s3:::bucket"}, "topic_arn"),
        ({"kind": "email", "host": "mail..example.org", "sender": "a@b", "recipients": ["a@b"]}, "host"),
        ({"kind": "pigeon"}, "pigeon"),
    ],
)
def test_a_channel_that_cannot_work_is_refused(told: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        channel(**told)


def test_two_channels_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two channels are called `hook`"):
        Alerts.model_validate({"channels": [hook("https://a.example.org"), hook("https://b.example.org")]})
