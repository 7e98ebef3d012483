"""The files of `deploy/` in, every process that they start out: its command, its environment, its ports, its image.

What a file of Compose, ECS or Kubernetes means is read here as its engine does it; that it is right is for the tests.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from adce_assets_tests.shipped import ROOT

DEPLOY = ROOT / "deploy"


@dataclass(frozen=True)
class Process:
    """A process as a file starts it."""

    where: str
    command: tuple[str, ...]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    health: tuple[str, ...] = ()
    image: str = ""


def every_process() -> list[Process]:
    """List the processes of all files."""
    return [*of_compose(), *of_ecs(), *of_kubernetes(), *of_systemd(), *of_images()]


def compose() -> dict[str, Any]:
    """Read the Compose files, the trial's laid over the other as Compose does it."""
    base = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    return _over(base, yaml.safe_load((DEPLOY / "compose" / "trial.yaml").read_text()))


def of_compose() -> Iterator[Process]:
    """List what Compose starts."""
    for name, service in compose()["services"].items():
        yield Process(
            f"compose {name}",
            tuple(service.get("command", ())),
            service.get("environment", {}),
            tuple(int(published.rpartition(":")[2]) for published in service.get("ports", ())),
            tuple(service.get("healthcheck", {}).get("test", ())[1:]),
            service["image"],
        )


def of_ecs() -> Iterator[Process]:
    """List the containers of the task definitions."""
    for file in ("adce.json", "run.json"):
        for container in json.loads((DEPLOY / "ecs" / file).read_text())["containerDefinitions"]:
            yield Process(
                f"ecs {container['name']}",
                tuple(container["command"]),
                {given["name"]: given.get("value") for given in (*container["environment"], *container["secrets"])},
                tuple(port["containerPort"] for port in container.get("portMappings", ())),
                tuple(container.get("healthCheck", {}).get("command", ())[1:]),
                container["image"],
            )


def kubernetes() -> dict[str, dict[str, Any]]:
    """Read the manifests beside the chart, by their kinds."""
    return {found["kind"]: found for found in yaml.safe_load_all((DEPLOY / "kubernetes" / "adce.yaml").read_text())}


def chart() -> dict[str, Any]:
    """Read the values for Dagster's chart."""
    return yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())


def of_kubernetes() -> Iterator[Process]:
    """List what the manifests and the chart start; the chart's own commands are those of its templates."""
    manifests, values = kubernetes(), chart()
    settings = manifests["ConfigMap"]["data"]
    (health,) = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    yield Process(
        "kubernetes health",
        tuple(health["command"]),
        settings | {given["name"]: given["value"] for given in health["env"]},
        tuple(port["containerPort"] for port in health["ports"]),
        (),
        health["image"],
    )
    web, daemon = values["dagsterWebserver"], values["dagsterDaemon"]
    (code,) = values["dagster-user-deployments"]["deployments"]
    served = ("dagster", "api", "grpc", "-h", "0.0.0.0", "-p", str(code["port"]), *code["dagsterApiGrpcArgs"])  # noqa: S104 - the chart's
    pages = ("dagster-webserver", "-h", "0.0.0.0", "-p", str(web["service"]["port"]))  # noqa: S104 - the chart's
    for name, part, command in (
        ("code", code, served),
        ("web", web, pages),
        ("daemon", daemon, ("dagster-daemon", "run")),
    ):
        given = {one["name"]: one["value"] for one in part["env"]} | {"DAGSTER_HOME": values["global"]["dagsterHome"]}
        check = tuple(part.get("livenessProbe", {}).get("exec", {}).get("command", ()))
        image = f"{part['image']['repository']}:{part['image']['tag']}"
        yield Process(f"kubernetes {name}", command, settings | given, (), check, image)


def unit() -> dict[str, dict[str, list[str]]]:
    """Read the unit of systemd: sections, their settings, and the values of each in order."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / "adce.service").read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            section.setdefault(name, []).append(value)
    return found


def of_systemd() -> Iterator[Process]:
    """List what the unit starts, its programs by their names."""
    lines = (DEPLOY / "systemd" / "environment.example").read_text().splitlines()
    given = dict(line.removeprefix("# ").split("=", 1) for line in lines if re.match(r"(# )?[A-Z_]+=", line))
    for command in unit()["Service"]["ExecStart"]:
        program, *arguments = shlex.split(command)
        yield Process("systemd", (Path(program).name, *arguments), given)


def of_images() -> Iterator[Process]:
    """List what the images start when they are not told otherwise."""
    for file in (DEPLOY / "Dockerfile", DEPLOY / "compose" / "s3.Dockerfile"):
        text = file.read_text().replace("\\\n", " ")
        (command,) = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
        (exposed,) = re.findall(r"^EXPOSE (.*)$", text, re.MULTILINE)
        given = dict(
            pair.split("=", 1) for line in re.findall(r"^ENV (.*)$", text, re.MULTILINE) for pair in line.split()
        )
        yield Process(file.name, tuple(json.loads(command)), given, tuple(map(int, exposed.split())))


def _over(base: Any, other: Any) -> Any:
    if isinstance(base, dict) and isinstance(other, dict):
        return base | {name: _over(base.get(name), value) for name, value in other.items()}
    return other
