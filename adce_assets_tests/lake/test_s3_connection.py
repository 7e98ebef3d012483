"""One way to a bucket for all who ask in a process, until that changes of which it was made."""

import os
from pathlib import Path

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


BASE = {"AWS_ACCESS_KEY_ID": "test", "HOME": "/nowhere"}


@pytest.mark.parametrize(
    ("variables", "is_another"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, True),
        ({"AWS_PROFILE": "other"}, True),
        ({"https_proxy": "http://127.0.0.1:1"}, True),
        ({"PATH": "/bin"}, False),
    ],
)
def test_it_is_another_way_when_a_variable_of_aws_or_a_proxy_changes(variables: dict[str, str], *, is_another: bool):
    assert (way_to_aws(BASE | variables) != way_to_aws(BASE)) is is_another


def test_credentials_that_somebody_renews_in_their_file_are_another_way(tmp_path: Path):
    file = tmp_path / "credentials"
    named = BASE | {"AWS_SHARED_CREDENTIALS_FILE": str(file)}
    ways = [way_to_aws(named)]
    for second in (1, 2):
        file.touch()
        os.utime(file, (second, second))
        ways.append(way_to_aws(named))
    assert len(set(ways)) == 3
