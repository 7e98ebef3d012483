"""One way to a bucket for all who ask in a process, until that changes of which it was made."""

import os
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from adce_assets.lake.s3_connection import connection
from adce_assets.lake.s3_store import S3Store
from adce_assets.settings import way_to_aws


def test_all_stores_of_a_bucket_go_one_way_until_the_environment_changes(aws: pytest.MonkeyPatch):
    first = connection("lake")
    assert S3Store("lake", "data")._connection is S3Store("lake", "state")._connection is first
    aws.setenv("AWS_SECRET_ACCESS_KEY", "another")
    changed = connection("lake")
    assert changed is not first
    assert changed.client._get_credentials().secret_key == "another"


def test_a_way_without_credentials_is_not_kept(aws: pytest.MonkeyPatch):
    with aws.context() as one_bad_moment:
        one_bad_moment.setattr(botocore.session.Session, "get_credentials", lambda _: None)
        assert connection("late").client._get_credentials() is None
    assert connection("late").client._get_credentials().secret_key == os.environ["AWS_SECRET_ACCESS_KEY"]


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_page_is_fetched_with_the_certificates_of_everything_else(aws: pytest.MonkeyPatch, name: str):
    aws.setenv(name, "/nowhere/ca.pem")
    made: Any = connection("lake")
    assert made._http._verify == made.client._endpoint.http_session._verify == "/nowhere/ca.pem"


BASE = {"AWS_ACCESS_KEY_ID": "test", "HOME": "/nowhere"}


@pytest.mark.parametrize(
    ("variables", "is_another"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, True),
        ({"AWS_PROFILE": "other"}, True),
        ({"https_proxy": "http://127.0.0.1:1"}, True),
        ({"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}, True),
        ({"BOTO_CONFIG": "/nowhere/boto.cfg"}, True),
        ({"PATH": "/bin"}, False),
    ],
)
def test_it_is_another_way_when_a_variable_of_aws_or_a_proxy_changes(variables: dict[str, str], *, is_another: bool):
    assert (way_to_aws(BASE | variables) != way_to_aws(BASE)) is is_another


@pytest.mark.parametrize("named", ["{folder}/credentials", "~/credentials", "$HOME/credentials", "~/.aws/credentials"])
def test_credentials_that_somebody_renews_in_their_file_are_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = named.format(folder=tmp_path)
    variables = BASE if path.startswith("~/.aws") else BASE | {"AWS_SHARED_CREDENTIALS_FILE": path}
    file = Path(os.path.expandvars(path)).expanduser()
    file.parent.mkdir(exist_ok=True)
    ways = [way_to_aws(variables)]
    for text, second in (("old", 1), ("new", 2), ("longer", 2)):
        file.write_text(text)
        os.utime(file, (second, second))
        ways.append(way_to_aws(variables))
    assert len(set(ways)) == len(ways)


def test_another_home_is_another_way_even_if_neither_has_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ways = []
    for name in ("one", "other"):
        monkeypatch.setenv("HOME", str(tmp_path / name))
        ways.append(way_to_aws(BASE))
    assert ways[0] != ways[1]
