"""An inventory configuration is as it was asked for, or the command says how it is not; none is ever deleted."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adce_assets
from adce_assets.errors import ConfigurationError, LakeError
from adce_assets.lake.s3_calls import ATTEMPTS
from adce_assets.lake.s3_inventory import ID_FORM, Configurations, Wanted, default_id, differences
from adce_assets.lake.s3_store import S3Store
from adce_assets_tests.lake.conftest import reached_alike
from adce_assets_tests.lake.scripted import Answer, Request, Script, error

PACKAGE = Path(adce_assets.__file__).parent
ALL = Wanted("s3://lake", "inventory-reports/", "adce", versions="All")
ABSENT = error(404, "NoSuchConfiguration")
TAKEN = Answer()


def on(script: Script, waits: list[float] | None = None) -> Configurations:
    """Reach the configurations of the bucket `lake` on the scripted server, without waiting."""
    made = Configurations("s3://lake", pause=(waits if waits is not None else []).append)
    vars(made)["_connection"] = script.connection
    return made


def kept(wanted: Wanted, change: Callable[[str], str] = str) -> Answer:
    """Answer as AWS does that keeps this, after a change of its text."""
    document = wanted.document()
    target = document["Destination"]["S3BucketDestination"]
    fields = "".join(f"<Field>{name}</Field>" for name in reversed(document["OptionalFields"]))
    below = f"<Filter><Prefix>{document['Filter']['Prefix']}</Prefix></Filter>" if "Filter" in document else ""
    body = (
        f'<InventoryConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Id>{wanted.config_id}</Id>'
        f"<IsEnabled>true</IsEnabled>{below}<Destination><S3BucketDestination><Format>{target['Format']}</Format>"
        f"<Bucket>{target['Bucket']}</Bucket><Prefix>{target['Prefix']}</Prefix></S3BucketDestination></Destination>"
        f"<Schedule><Frequency>{wanted.frequency}</Frequency></Schedule><OptionalFields>{fields}</OptionalFields>"
        f"<IncludedObjectVersions>{wanted.versions}</IncludedObjectVersions></InventoryConfiguration>"
    )
    return Answer(change(body).encode())


def sent(script: Script) -> list[str]:
    return [request.method for request in script.requests]


@pytest.fixture
def bucket(moto_bucket: S3Store) -> S3Store:
    """A new bucket of moto's."""
    made = reached_alike(moto_bucket, f"inventory-{uuid4().hex}", "")
    made._client.create_bucket(Bucket=made.url.removeprefix("s3://"))
    return made


def configurations_of(store: S3Store) -> Configurations:
    made = Configurations(store.url, pause=[].append)
    vars(made)["_connection"] = store._connection
    return made


def test_what_is_put_is_there_and_the_second_time_nothing_is_put(bucket: S3Store):
    wanted, configurations = Wanted(bucket.url, "reports/", "adce", versions="All"), configurations_of(bucket)
    assert configurations.get("adce") is None
    assert configurations.put(wanted.document()) is True
    assert configurations.put(wanted.document()) is False
    found = configurations.get("adce")
    assert found is not None
    assert found["Schedule"] == {"Frequency": "Daily"}


def test_a_server_that_keeps_something_else_is_told_by_the_field(bucket: S3Store):
    with pytest.raises(LakeError, match="`IncludedObjectVersions` is `All`, not `Current`"):
        configurations_of(bucket).put(Wanted(bucket.url, "reports/", "adce").document())


def test_another_configuration_of_the_id_is_overwritten_only_when_that_is_asked_for(bucket: S3Store):
    configurations = configurations_of(bucket)
    daily = Wanted(bucket.url, "reports/", "adce", versions="All").document()
    weekly = Wanted(bucket.url, "reports/", "adce", frequency="Weekly", versions="All").document()
    configurations.put(daily)
    with pytest.raises(LakeError, match="Frequency` is `Daily`, not `Weekly`\nhint: `--replace`"):
        configurations.put(weekly)
    assert configurations.get("adce") == daily
    assert configurations.put(weekly, replace=True) is True
    assert configurations.get("adce") == weekly


def test_a_bucket_that_is_not_there_is_not_made(moto_bucket: S3Store):
    absent = reached_alike(moto_bucket, f"absent-{uuid4().hex}", "")
    with pytest.raises(LakeError, match="NoSuchBucket"):
        configurations_of(absent).put(ALL.document())


def test_a_server_that_overlooks_the_question_is_asked_to_put_nothing(ministack_bucket: S3Store):
    with pytest.raises(LakeError, match="keeps no inventory configurations"):
        configurations_of(ministack_bucket).put(ALL.document())


def test_a_server_that_makes_a_bucket_of_the_request_gets_none(ministack_bucket: S3Store):
    absent = reached_alike(ministack_bucket, f"absent-{uuid4().hex}", "")
    with pytest.raises(LakeError):
        configurations_of(absent).put(ALL.document())
    with pytest.raises(LakeError, match="404"):
        absent.head("anything")


def test_a_configuration_that_is_there_already_is_not_put_whatever_the_order_of_its_columns(server: Script):
    server.answers[:] = [kept(ALL)]
    assert on(server).put(ALL.document()) is False
    assert sent(server) == ["GET"]


def test_the_request_names_the_id_and_carries_the_configuration(server: Script):
    wanted = Wanted("s3://lake", "reports", "nightly", file_format="ORC", frequency="Weekly")
    server.answers[:] = [ABSENT, TAKEN, kept(wanted)]
    assert on(server).put(wanted.document()) is True
    put = server.requests[1]
    assert put.method == "PUT"
    assert parse_qs(urlsplit(put.path).query, keep_blank_values=True) == {"inventory": [""], "id": ["nightly"]}
    for part in (b"<Format>ORC</Format>", b"<Frequency>Weekly</Frequency>", b"<Prefix>reports</Prefix>"):
        assert part in put.body


def test_a_bucket_that_shows_the_former_state_for_a_moment_is_asked_again(server: Script):
    waits: list[float] = []
    server.answers[:] = [ABSENT, TAKEN, ABSENT, kept(ALL)]
    assert on(server, waits).put(ALL.document()) is True
    assert len(waits) == 1


def test_a_put_whose_answer_is_lost_is_sent_again(server: Script):
    server.answers[:] = [ABSENT, Answer(reset=True), TAKEN, kept(ALL)]
    assert on(server).put(ALL.document()) is True
    assert sent(server) == ["GET", "PUT", "PUT", "GET"]


def test_a_server_that_takes_it_and_forgets_it_is_told(server: Script):
    server.answers[:] = [ABSENT, TAKEN, ABSENT]
    with pytest.raises(LakeError, match="does not keep it so:\n  there is none of this id"):
        on(server).put(ALL.document())
    assert len(server.requests) == 2 + ATTEMPTS


CHANGED = {
    "Id": (lambda body: body.replace("<Id>adce<", "<Id>other<"), "keeps no inventory configurations"),
    "IsEnabled": (lambda body: body.replace("true", "false"), "`IsEnabled` is `False`, not `True`"),
    "Format": (lambda body: body.replace("Parquet", "XLS"), "`Destination.S3BucketDestination.Format` is `XLS`"),
    "Frequency": (lambda body: body.replace("Daily", "Hourly"), "`Schedule.Frequency` is `Hourly`, not `Daily`"),
    "slash": (lambda body: body.replace("reports<", "reports/<"), "`inventory-reports/`, not `inventory-reports`"),
    "bucket": (lambda body: body.replace(":::lake", ":::pond"), "is `arn:aws:s3:::pond`, not `arn:aws:s3:::lake`"),
    "column": (lambda body: body.replace("<Field>ETag</Field>", ""), "`OptionalFields` is `IsMultipartUploaded, "),
    "part only": (
        lambda body: body.replace("<Destination>", "<Filter><Prefix>a/</Prefix></Filter><Destination>"),
        "`Filter.Prefix` is `a/`, not left out",
    ),
    "nothing": (lambda body: re.sub("<Schedule>.*</Schedule>", "", body), "`Schedule.Frequency` is not there"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_each_field_that_the_server_changes_is_named(server: Script, name: str):
    change, told = CHANGED[name]
    server.answers[:] = [ABSENT, TAKEN, kept(ALL, change)]
    with pytest.raises(LakeError, match=re.escape(told)):
        on(server).put(ALL.document())


OVERLOOKED = {
    "a listing of the bucket": b"<ListBucketResult><Name>lake</Name><Prefix/><KeyCount>0</KeyCount></ListBucketResult>",
    "an empty body": b"",
}


@pytest.mark.parametrize("name", OVERLOOKED)
def test_an_answer_that_is_no_configuration_is_not_taken_for_an_absent_one(server: Script, name: str):
    server.answers[:] = [Answer(OVERLOOKED[name])]
    with pytest.raises(LakeError, match=r"keeps no inventory configurations[^$]*--mode list"):
        on(server).put(ALL.document())
    assert sent(server) == ["GET"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (error(400, "InvalidArgument"), "InvalidArgument.*\n.*by listing"),
        (error(409, "BucketAlreadyExists"), "BucketAlreadyExists.*\n.*by listing"),
        (error(501, "NotImplemented"), "NotImplemented.*\n.*by listing"),
        (Answer(status=405), "405.*\n.*by listing"),
        (error(403, "AccessDenied"), "AccessDenied.*\n.*s3:PutInventoryConfiguration"),
        (error(400, "TooManyConfigurations"), "TooManyConfigurations.*\n.*1,000"),
        (error(403, "SignatureDoesNotMatch"), "SignatureDoesNotMatch.*\n.*secret key"),
    ],
)
def test_a_refused_put_is_an_error_with_what_to_do(server: Script, answer: Answer, told: str):
    server.answers[:] = [ABSENT, answer]
    with pytest.raises(LakeError, match=told):
        on(server).put(ALL.document())
    assert sent(server) == ["GET", "PUT"]


def test_a_server_that_is_out_of_order_is_no_server_without_configurations(server: Script):
    server.answers[:] = [error(503, "SlowDown")]
    with pytest.raises(LakeError, match="SlowDown"):
        on(server).get("adce")
    assert len(server.requests) == ATTEMPTS


def test_a_folder_has_no_inventory_of_aws():
    with pytest.raises(ConfigurationError, match=r"s3://bucket\[/prefix\]"):
        Configurations("file:///srv/lake")


def test_reports_of_a_lake_below_a_prefix_lie_below_it_and_are_of_it_alone():
    document = Wanted("s3://shared/nba/raw", "inventory-reports/", "adce").document()
    assert document["Filter"] == {"Prefix": "nba/raw/"}
    assert document["Destination"]["S3BucketDestination"]["Prefix"] == "nba/raw/inventory-reports"


def test_a_lake_that_is_a_whole_bucket_has_no_filter():
    assert "Filter" not in ALL.document()


@pytest.mark.parametrize("reports", ["reports", "reports/", "/reports/", "reports//"])
def test_the_destination_ends_in_no_slash(reports: str):
    assert Wanted("s3://lake", reports, "adce").destination == "reports"


def test_the_policy_is_what_the_user_guide_asks_for():
    policy = Wanted("s3://shared/nba", "reports/", "adce-nba").policy("123456789012", "aws-cn")
    [statement] = policy["Statement"]
    assert policy["Version"] == "2012-10-17"
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Action"] == "s3:PutObject"
    assert statement["Resource"] == "arn:aws-cn:s3:::shared/nba/reports/*"
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws-cn:s3:::shared"},
        "StringEquals": {"aws:SourceAccount": "123456789012", "s3:x-amz-acl": "bucket-owner-full-control"},
    }
    assert statement["Sid"].isalnum()


def test_no_character_of_a_prefix_means_more_in_the_policy_than_itself():
    policy = Wanted("s3://lake", "a*b?c$d", "adce").policy()
    assert policy["Statement"][0]["Resource"] == "arn:aws:s3:::lake/a${*}b${?}c${$}d/*"


def test_moto_takes_the_policy(bucket: S3Store):
    name = bucket.url.removeprefix("s3://")
    policy = json.dumps(Wanted(bucket.url, "reports/", "adce").policy("123456789012"))
    bucket._client.put_bucket_policy(Bucket=name, Policy=policy)
    assert json.loads(bucket._client.get_bucket_policy(Bucket=name)["Policy"]) == json.loads(policy)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://lake", "adce"),
        ("s3://lake/nba", "adce-nba"),
        ("s3://lake/nba/raw data (new)", "adce-nba-raw-data-new"),
        ("s3://lake/über", "adce-ber"),
        ("s3://lake/" + "long/" * 20, "adce" + "-long" * 12),
    ],
)
def test_lakes_of_one_bucket_have_configurations_of_their_own(url: str, name: str):
    assert default_id(url) == name
    assert ID_FORM.fullmatch(name)


lakes = st.builds(
    Wanted,
    st.sampled_from(["s3://lake", "s3://lake/nba", "s3://pond"]),
    st.sampled_from(["reports", "nba/reports"]),
    st.sampled_from(["adce", "other"]),
    file_format=st.sampled_from(["CSV", "Parquet"]),
    frequency=st.sampled_from(["Daily", "Weekly"]),
    versions=st.sampled_from(["Current", "All"]),
)


@given(lakes, lakes)
def test_only_equal_configurations_do_not_differ(first: Wanted, second: Wanted):
    one, other = first.document(), second.document()
    assert (differences(one, other) == ()) == (one == other)
    assert len(differences(one, other)) == len(differences(other, one))


def test_the_account_is_the_one_of_the_credentials(aws: pytest.MonkeyPatch, moto_url: str):
    aws.setenv("AWS_ENDPOINT_URL", moto_url)
    assert Configurations("s3://lake").account() == "123456789012"


def test_where_nobody_can_say_whose_the_credentials_are_there_is_no_account(aws: pytest.MonkeyPatch, server: Script):
    server.answers[:] = [Answer(b"<html>hello</html>")]
    aws.setenv("AWS_ENDPOINT_URL", server.connection.client.meta.endpoint_url)
    assert Configurations("s3://lake").account() is None


def test_the_partition_is_that_of_the_region(aws: pytest.MonkeyPatch):
    aws.setenv("AWS_REGION", "cn-north-1")
    aws.setenv("AWS_DEFAULT_REGION", "cn-north-1")
    assert Configurations("s3://lake").partition == "aws-cn"


def test_nothing_in_the_product_deletes_a_configuration_or_a_bucket():
    named = re.compile(r"delete_?bucket\w*|delete_?\w*inventory", re.IGNORECASE)
    found = [f"{path}: {name}" for path in PACKAGE.rglob("*.py") for name in named.findall(path.read_text("utf-8"))]
    assert found == []


def test_no_request_of_these_is_a_deletion(server: Script):
    def answer(requests: list[Request]) -> Answer:
        return ABSENT if len(requests) == 1 else kept(ALL)

    server.answers[:] = [answer, TAKEN, answer]
    on(server).put(ALL.document(), replace=True)
    assert set(sent(server)) == {"GET", "PUT"}
