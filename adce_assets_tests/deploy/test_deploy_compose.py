"""The Compose files: what they start is confined, waits for what it needs, and is seen on this machine alone."""

import re
from typing import Any

import boto3
import pytest
import yaml

from adce_assets_tests.deploy.processes import DEPLOY, compose

BASE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
BOTH = compose()
SERVICES: dict[str, dict[str, Any]] = BOTH["services"]
ONCE = {"prepare", "buckets"}
"""What ends when it has done its work."""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_write_its_volumes_and_nothing_else(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE - {"prepare"}:
        return
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    # PostgreSQL's own image begins as root, takes its folder for its user, and goes on as that.
    assert (service.get("cap_drop") == ["ALL"]) != (name == "postgres")
    assert "privileged" not in service
    for volume in service["volumes"]:
        source, target, *mode = re.sub(r"\$\{ADCE_SECRETS_FOLDER:-(\w+)\}", r"\1", volume).split(":")
        assert mode == ["ro"] or "secrets" not in source
        assert source in BOTH["volumes"] or ((DEPLOY / "compose" / source).is_file() and mode == ["ro"]), target


def test_nothing_is_published_beyond_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == {"web", "health"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in ONCE])
def test_what_goes_on_is_looked_at_and_comes_back(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_health_is_looked_at_where_no_token_is_asked_for() -> None:
    assert ":8080/live'" in SERVICES["health"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize(("of", "name"), [(of, name) for of in (BASE, BOTH) for name in BASE["services"]])
def test_a_service_waits_for_what_can_come_about(of: dict[str, Any], name: str) -> None:
    for other, how in of["services"][name].get("depends_on", {}).items():
        waits = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert how == {"condition": waits}
        assert other in of["services"]


def test_no_value_that_differs_or_is_secret_stands_in_the_files() -> None:
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+):\?", text)) == {"ADCE_LAKE", "ADCE_STATE", "ADCE_DATABASE_PASSWORD"}
    given = BASE["services"]["code"]["environment"]
    assert {name for name, value in given.items() if value is None} >= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert "${ADCE_DATABASE_PASSWORD:?" in given["ADCE_DATABASE_URL"]


def test_a_trial_asks_no_server_but_its_own() -> None:
    for name in BASE["services"].keys() - {"postgres"}:
        given = SERVICES[name]["environment"]
        assert given["AWS_ENDPOINT_URL"] == "http://s3:4566"
        assert given["AWS_SECRET_ACCESS_KEY"] == "trial"
        assert (given["ADCE_LAKE"], given["ADCE_STATE"]) == ("s3://lake", "s3://state/loop")


def test_a_run_has_time_to_finish_what_is_under_way() -> None:
    instance = yaml.safe_load((DEPLOY.parent / "dagster.yaml").read_text())
    given = int(SERVICES["code"]["stop_grace_period"].removesuffix("s"))
    assert given >= instance["run_monitoring"]["cancel_timeout_seconds"]
    # `docker-init` is tini, which tells its child alone unless it is told this; runs are children of that.
    assert (SERVICES["code"]["init"], SERVICES["code"]["environment"]["TINI_KILL_PROCESS_GROUP"]) == (True, "1")


def test_who_collects_and_who_tells_see_the_secrets_of_sources_and_nobody_else() -> None:
    seeing = {
        name for name, one in SERVICES.items() if any(":/run/adce-secrets:ro" in it for it in one.get("volumes", ()))
    }
    assert seeing == {"code", "health"}
    given = {name: service.get("environment", {}).get("ADCE_SECRETS") for name, service in SERVICES.items()}
    assert {name: folder for name, folder in given.items() if folder} == dict.fromkeys(seeing, "/run/adce-secrets")


def test_the_trials_buckets_are_made_once(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SERVICES["buckets"]["environment"] | {"AWS_ENDPOINT_URL": moto_url}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    making = SERVICES["buckets"]["command"][-1]
    client = boto3.client("s3")
    before = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    assert not {"lake", "state"} & before
    for _ in range(2):
        exec(making, {})  # noqa: S102 - as the container does
    assert {bucket["Name"] for bucket in client.list_buckets()["Buckets"]} == before | {"lake", "state"}
    for name in ("lake", "state"):
        client.delete_bucket(Bucket=name)
