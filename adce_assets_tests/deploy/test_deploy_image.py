"""The image: what it installs is pinned, all that is needed and nothing else; what it runs as has no rights."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from adce_assets_tests.deploy.processes import DEPLOY
from adce_assets_tests.shipped import ROOT

BESIDE = [Requirement(line) for line in (DEPLOY / "requirements.in").read_text().splitlines() if line[0] != "#"]
MINISTACK = ROOT / "adce_assets_tests" / "lake" / "ministack-constraints.txt"


def pins(file: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Read a file of pip's: the version of each package, and its hashes."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for block in file.read_text().replace("\\\n", " ").splitlines():
        requirement = Requirement(block.partition("--hash")[0].strip())
        (version,) = requirement.specifier
        assert version.operator == "=="
        hashes = frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})(?= |$)", block))
        assert hashes, requirement
        found[canonicalize_name(requirement.name)] = version.version, hashes
    return found


LOCK, CONSTRAINTS = pins(DEPLOY / "requirements.txt"), pins(ROOT / "constraints.txt")


def closure(roots: list[Requirement]) -> set[str]:
    """Follow what packages need, as they are installed here; those of another platform are not, and end it."""
    found: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(root.name), extra) for root in roots for extra in ("", *root.extras)]
    while waiting:
        name, extra = one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        try:
            needed = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:
            continue
        for need in needed:
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                waiting.extend((canonicalize_name(need.name), inner) for inner in ("", *need.extras))
    return {name for name, _ in found}


def test_the_image_has_the_packages_that_the_tests_run_with() -> None:
    beside = LOCK.keys() - CONSTRAINTS.keys()
    assert {name: LOCK[name] for name in LOCK.keys() - beside} == {
        name: CONSTRAINTS[name] for name in LOCK.keys() - beside
    }
    assert {canonicalize_name(requirement.name) for requirement in BESIDE} <= beside
    assert (DEPLOY / "requirements-build.txt").read_text() in (ROOT / "constraints.txt").read_text()


def test_the_image_has_all_that_the_product_needs_and_nothing_of_the_tests() -> None:
    declared = [Requirement(text) for text in requires("adce") or ()]
    needed = closure([one for one in declared if one.marker is None])
    assert needed <= LOCK.keys()
    assert not {one.name for one in declared if one.marker is not None} & (LOCK.keys() - needed) - {"cryptography"}
    assert not {"pyspark", "moto", "pytest", "pip"} & LOCK.keys()


def test_dagster_and_its_libraries_are_of_one_release() -> None:
    core, library = LOCK["dagster"][0], LOCK["dagster-k8s"][0]
    assert {LOCK[name][0] for name in ("dagster-webserver", "dagster-pipes", "dagster-graphql")} == {core}
    assert {LOCK[name][0] for name in ("dagster-aws", "dagster-postgres")} == {library}
    assert f"--version {core} " in (DEPLOY / "kubernetes" / "values.yaml").read_text()


@pytest.mark.parametrize(
    "file", [DEPLOY / "Dockerfile", DEPLOY / "compose" / "s3.Dockerfile"], ids=lambda file: file.name
)
def test_an_image_is_made_of_hashed_packages_and_runs_without_rights(file: Path) -> None:
    build, last = file.read_text().replace("\\\n", " ").rsplit("\nFROM ", 1)
    installs = re.findall(r"pip .*?install [^&\n]*", build)
    assert installs
    assert all("--require-hashes" in line or line.endswith("dist/*.whl") for line in installs)
    assert all("--no-deps" in line for line in installs)
    assert "install" not in last.replace("uninstall", "").replace("install -d", "")
    assert re.search(r"pip uninstall --yes .*\bpip setuptools wheel\b", last)
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "ADD " not in build + last
    assert not re.search(r"curl|wget|apt-get", build + last)


@pytest.mark.parametrize(
    "file", [DEPLOY / "Dockerfile", DEPLOY / "compose" / "s3.Dockerfile"], ids=lambda file: file.name
)
def test_an_image_is_made_of_nothing_that_is_not_let_through(file: Path) -> None:
    lines = file.with_name(f"{file.name}.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert all((ROOT / name).exists() for name in allowed)
    instances = {"${INSTANCE}": ("dagster.yaml", "deploy/ecs/dagster.yaml")}
    for copied in re.findall(r"^COPY (?!--from)(.*) \S+$", file.read_text(), re.MULTILINE):
        for name in copied.split():
            assert set(instances.get(name, (name,))) <= allowed
    if file.name == "Dockerfile":
        written = {
            line[1:] for line in (ROOT / ".gitignore").read_text().splitlines() if line.startswith("/inventory/")
        }
        assert {name.rstrip("/") for name in written} - {"inventory/.lake-tmp"} <= set(lines)
