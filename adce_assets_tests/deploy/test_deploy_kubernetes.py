"""Kubernetes: the chart is given the project's own instance, and every pod is confined and finds its settings.

Neither the chart nor its schema is here. What a pod may say is held against what the files use of it; the shapes were
tried once against the models of Kubernetes' own client.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from adce_assets_tests.deploy.processes import DEPLOY, chart, kubernetes
from adce_assets_tests.shipped import ROOT

VALUES, MANIFESTS = chart(), kubernetes()
POD: dict[str, Any] = MANIFESTS["Deployment"]["spec"]["template"]
LAUNCHER: dict[str, Any] = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
(CODE,) = VALUES["dagster-user-deployments"]["deployments"]
OF_THE_CHART = {"web": VALUES["dagsterWebserver"], "daemon": VALUES["dagsterDaemon"], "code": CODE}
LEFT_TO_THE_CHART = {"storage", "telemetry"}
"""Sections of the instance that the chart makes of other values."""


def test_the_instance_is_the_projects_own(tmp_path: Path) -> None:
    own = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert VALUES["additionalInstanceConfig"] == {
        name: section for name, section in own.items() if name not in LEFT_TO_THE_CHART
    }
    assert VALUES["telemetry"] == own["telemetry"]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(VALUES["additionalInstanceConfig"]))
    dagster_instance_config(str(tmp_path))


def test_no_section_of_the_instance_is_made_twice() -> None:
    daemon = VALUES["dagsterDaemon"]
    assert [daemon[name]["enabled"] for name in ("runCoordinator", "runMonitoring", "runRetries")] == [False] * 3
    assert [daemon[name]["useThreads"] for name in ("sensors", "schedules")] == [False] * 2
    assert VALUES["retention"]["enabled"] is False


PODS = {
    **{name: (part["podSecurityContext"], part["securityContext"], part) for name, part in OF_THE_CHART.items()},
    "run": (LAUNCHER["runK8sConfig"]["podSpecConfig"]["securityContext"], LAUNCHER["securityContext"], LAUNCHER),
    "health": (
        POD["spec"]["securityContext"],
        POD["spec"]["containers"][0]["securityContext"],
        POD["spec"] | POD["spec"]["containers"][0],
    ),
}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_may_write_its_volumes_and_nothing_else(name: str) -> None:
    pod, container, part = PODS[name]
    assert (pod["runAsNonRoot"], pod["runAsUser"], pod["fsGroup"]) == (True, 10_001, 10_001)
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(volume["emptyDir"] == {} for volume in part["volumes"])
    mounted = {mount["name"]: mount["mountPath"] for mount in part["volumeMounts"]}
    assert mounted == {"tmp": "/tmp", "work": "/srv/adce/.adce", "storage": "/srv/adce/storage"}  # noqa: S108 - a mount
    assert mounted.keys() == {volume["name"] for volume in part["volumes"]}
    assert part["resources"]["limits"]["memory"]


def test_secrets_reach_the_code_and_its_runs_and_health_alone() -> None:
    assert [part.get("envSecrets") for part in (VALUES["dagsterWebserver"], VALUES["dagsterDaemon"])] == [None, None]
    assert CODE["envSecrets"] == LAUNCHER["envSecrets"] == [{"name": "adce"}]
    assert VALUES["generatePostgresqlPasswordSecret"] is VALUES["postgresql"]["enabled"] is False
    assert "postgresqlPassword" not in VALUES["postgresql"]
    assert not any(found["kind"] == "Secret" for found in MANIFESTS.values())
    assert LAUNCHER["runK8sConfig"]["podSpecConfig"]["automountServiceAccountToken"] is False
    assert POD["spec"]["automountServiceAccountToken"] is False


def test_the_pages_ask_the_code_server_that_there_is() -> None:
    (server,) = VALUES["dagsterWebserver"]["workspace"]["servers"]
    assert (server["host"], server["port"]) == (CODE["name"], CODE["port"])
    (grpc,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]
    assert server["name"] == grpc["grpc_server"]["location_name"]
    assert (
        VALUES["dagsterWebserver"]["readinessProbe"]["httpGet"]["port"] == VALUES["dagsterWebserver"]["service"]["port"]
    )


def test_all_pods_run_the_one_image_in_the_one_home_as_the_one_account() -> None:
    assert POD["spec"]["serviceAccountName"] == VALUES["global"]["serviceAccountName"]
    assert VALUES["serviceAccount"]["create"] is True
    images = {f"{part['image']['repository']}:{part['image']['tag']}" for part in (*OF_THE_CHART.values(), LAUNCHER)}
    assert images == {POD["spec"]["containers"][0]["image"]}
    assert VALUES["global"]["dagsterHome"] == MANIFESTS["ConfigMap"]["data"]["ADCE_HOME"] == "/srv/adce"


def test_health_is_looked_at_where_no_token_is_asked_for() -> None:
    (health,) = POD["spec"]["containers"]
    assert {health[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {"/live"}
    assert "annotations" not in POD["metadata"], "whoever scrapes by annotations shows no token, and /metrics wants one"
    service = MANIFESTS["Service"]["spec"]
    assert (
        service["selector"] == POD["metadata"]["labels"] == MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"]
    )
    assert [port["targetPort"] for port in service["ports"]] == [port["name"] for port in health["ports"]]


def test_a_run_has_time_to_finish_what_is_under_way() -> None:
    cancelled = VALUES["additionalInstanceConfig"]["run_monitoring"]["cancel_timeout_seconds"]
    assert LAUNCHER["runK8sConfig"]["podSpecConfig"]["terminationGracePeriodSeconds"] >= cancelled
