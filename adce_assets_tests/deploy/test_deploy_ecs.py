"""ECS: AWS's own model takes the task definitions; Dagster's launcher makes a task of a run, with the rights it has."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
import yaml
from botocore.client import BaseClient
from botocore.session import get_session
from botocore.validate import ParamValidator
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.instance.config import dagster_instance_config
from dagster._core.launcher.base import LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from moto import mock_aws
from pytest_httpserver import HTTPServer

from adce_assets_tests.deploy.processes import DEPLOY
from adce_assets_tests.shipped import ROOT

ECS = DEPLOY / "ecs"
DEFINITIONS = {name: json.loads((ECS / f"{name}.json").read_text()) for name in ("adce", "run")}
CONTAINERS = [
    pytest.param(definition, container, id=f"{name} {container['name']}")
    for name, definition in DEFINITIONS.items()
    for container in definition["containerDefinitions"]
]
ENDS = {"prepare"}
MOST_OVERRIDDEN = 8_192
"""Letters of the overrides of a task that ECS takes; the run's whole command is one of them."""


@pytest.mark.parametrize("name", DEFINITIONS)
def test_aws_own_model_takes_a_task_definition(name: str) -> None:
    shape = get_session().get_service_model("ecs").shape_for("RegisterTaskDefinitionRequest")
    assert ParamValidator().validate(DEFINITIONS[name], shape).generate_report() == ""
    reserved = sum(one["memoryReservation"] for one in DEFINITIONS[name]["containerDefinitions"])
    assert reserved <= int(DEFINITIONS[name]["memory"])
    assert len({one["name"] for one in DEFINITIONS[name]["containerDefinitions"]}) == len(
        DEFINITIONS[name]["containerDefinitions"]
    )


@pytest.mark.parametrize("name", DEFINITIONS)
def test_what_the_page_fills_in_are_values_and_no_names(name: str) -> None:
    (script,) = re.findall(
        r"sed -e '([^']+)'", (ROOT / "docs" / "deploy.md").read_text().partition("## AWS, with ECS")[2]
    )
    told = subprocess.run(
        ["sed", "-e", script.replace("#...#", "#filled-in#"), str(ECS / f"{name}.json")],  # noqa: S607 - any sed
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    def names(definition: dict[str, Any]) -> list[str]:
        held = [one for it in definition["containerDefinitions"] for one in (*it["environment"], *it["secrets"])]
        return [one["name"] for one in held]

    assert names(json.loads(told)) == names(DEFINITIONS[name])
    values = re.findall(r'"(?:value|valueFrom|image|awslogs-region|\w+RoleArn)": "([^"]+)"', told)
    assert [value for value in values if re.search(r"[A-Z]{3}", value)] == []


@pytest.mark.parametrize(("definition", "container"), CONTAINERS)
def test_a_container_may_write_its_volumes_and_nothing_else(
    definition: dict[str, Any], container: dict[str, Any]
) -> None:
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] == "10001:10001"
    assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    volumes = {volume["name"] for volume in definition["volumes"]}
    assert {mount["sourceVolume"] for mount in container["mountPoints"]} == volumes
    kept = re.search(r"^VOLUME (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert kept is not None
    assert {mount["containerPath"] for mount in container["mountPoints"]} == set(json.loads(kept[1]))


@pytest.mark.parametrize(("definition", "container"), CONTAINERS)
def test_a_secret_is_named_and_a_setting_is_none(definition: dict[str, Any], container: dict[str, Any]) -> None:
    assert definition["executionRoleArn"].endswith("role/adce-execution")
    assert {one["name"] for one in container["secrets"]} == {"ADCE_DATABASE_URL"}
    assert all(one["valueFrom"].startswith("arn:aws:secretsmanager:") for one in container["secrets"])
    assert not {one["name"] for one in container["environment"]} & {"ADCE_DATABASE_URL", "AWS_SECRET_ACCESS_KEY"}


@pytest.mark.parametrize(("definition", "container"), CONTAINERS)
def test_a_container_waits_for_what_comes_about(definition: dict[str, Any], container: dict[str, Any]) -> None:
    others = {one["name"]: one for one in definition["containerDefinitions"]}
    for after in container.get("dependsOn", ()):
        assert after["condition"] == ("SUCCESS" if after["containerName"] in ENDS else "HEALTHY")
        assert (after["condition"] == "HEALTHY") == ("healthCheck" in others[after["containerName"]])
    # Health, which waits for a token, is no reason to end the loop; it comes back by itself.
    assert container["essential"] is (container["name"] not in ENDS | {"health"})
    assert container.get("restartPolicy", {"enabled": False})["enabled"] is (container["name"] == "health")


def test_the_instance_is_the_projects_own_and_its_runs_are_tasks(tmp_path: Path) -> None:
    found = yaml.safe_load((ECS / "dagster.yaml").read_text())
    launcher = found.pop("run_launcher")
    assert found == yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert launcher["config"]["task_definition"] == DEFINITIONS["run"]["family"]
    (run,) = DEFINITIONS["run"]["containerDefinitions"]
    assert launcher["config"]["container_name"] == run["name"]
    assert launcher["config"]["run_resources"] == {name: DEFINITIONS["run"][name] for name in ("cpu", "memory")}
    (tmp_path / "dagster.yaml").write_text((ECS / "dagster.yaml").read_text())
    dagster_instance_config(str(tmp_path))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> Iterator[list[str]]:
    """Stand where the daemon stands in ECS, in a cluster in which its own task runs; what is asked of AWS is kept."""
    named = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test")
    for name, value in (named | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with mock_aws():
        ecs, ec2 = boto3.client("ecs"), boto3.client("ec2")
        ecs.create_cluster(clusterName="CLUSTER")
        for definition in DEFINITIONS.values():
            ecs.register_task_definition(**definition)
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": []}}
        own = {"cluster": "CLUSTER", "taskDefinition": "adce", "launchType": "FARGATE", "networkConfiguration": network}
        told = {"Cluster": "CLUSTER", "TaskARN": ecs.run_task(**own)["tasks"][0]["taskArn"]}
        httpserver.expect_request("/v4/task").respond_with_json(told)
        monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", httpserver.url_for("/v4"))
        asked: list[str] = []
        call = vars(BaseClient)["_make_api_call"]

        def kept(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
            asked.append(f"{client.meta.service_model.service_name}:{operation}")
            return call(client, operation, arguments)

        monkeypatch.setattr(BaseClient, "_make_api_call", kept)
        yield asked


def test_the_launcher_makes_a_task_of_a_run_and_ends_it(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text((ECS / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    pointer = ModuleCodePointer("adce_assets.definitions", "defs", None)
    code = RepositoryPythonOrigin(sys.executable, pointer, "IMAGE", ["dagster"], {})
    with dg.DagsterInstance.get() as instance:
        run = dg.DagsterRun("reconciliation_job", job_code_origin=JobPythonOrigin("reconciliation_job", code))
        instance.add_run(run)
        instance.run_launcher.launch_run(LaunchRunContext(run, None))
        done = len(asked)
        (task,) = boto3.client("ecs").list_tasks(cluster="CLUSTER", family="adce-run")["taskArns"]
        (found,) = boto3.client("ecs").describe_tasks(cluster="CLUSTER", tasks=[task])["tasks"]
        del asked[done:]
        (container,) = found["overrides"]["containerOverrides"]
        assert (container["name"], container["command"][:3]) == ("run", ["dagster", "api", "execute_run"])
        assert len(json.dumps(found["overrides"])) < MOST_OVERRIDDEN
        launched = instance.get_run_by_id(run.run_id)
        assert launched is not None
        assert instance.run_launcher.check_run_worker_health(launched).status is WorkerStatus.RUNNING
        assert instance.run_launcher.terminate(run.run_id)
    policy = json.loads((DEPLOY / "iam" / "ecs.json").read_text())
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    # To start a task is to give it its roles and its tags; and only of one that failed it is asked what it said.
    assert set(asked) | {"iam:PassRole", "ecs:TagResource", "logs:GetLogEvents"} == allowed
