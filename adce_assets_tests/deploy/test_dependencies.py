"""What ADCE stands on: pinned with hashes, declared where it is imported, and nothing declared that nobody uses."""

import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINS = (ROOT / "constraints.txt").read_text("utf-8").replace("\\\n", " ").splitlines()
PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)( ;[^#]*?)?((?:\s+--hash=sha256:[0-9a-f]{64})+)")
IMPORT = re.compile(r"^ *(?:from (\w+)[\w.]* import |import (\w+))", re.MULTILINE)
UNIMPORTED = {
    "dagster-webserver": "a program, which is started",
    "supervisor": "a program, which is started",
    "dagster-aws": "dagster.yaml and deploy/ name its classes",
    "pandas": "Ibis and Dagster hand rows over in it",
    "sqlglot": "Ibis writes SQL with it; the range keeps to what it can",
}
"""Declared without an import of its own, and why."""
BESIDE = {
    "botocore": "a part of boto3",
    "moto": "the S3 server of `make demo LAKE=s3`, of the extra `test`",
    "numpy": "a part of what pandas and pyarrow are",
    "urllib3": "botocore speaks with it",
    "pyspark": "the extra `spark`",
}
"""Imported without a declaration of its own, and why."""


def declared() -> dict[str, Requirement]:
    found = [Requirement(text) for text in PROJECT["dependencies"]]
    return {canonicalize_name(one.name): one for one in found}


def optional() -> dict[str, Requirement]:
    found = [Requirement(text) for extra in PROJECT["optional-dependencies"].values() for text in extra]
    return {canonicalize_name(one.name): one for one in found if one.name != "adce"}


def pinned() -> dict[str, str]:
    matches = [PIN.fullmatch(line.strip()) for line in PINS]
    return {canonicalize_name(match[1]): match[2] for match in matches if match}


@cache
def imported() -> dict[str, str]:
    """Every module that is imported from outside, by its first name, and a file that does it."""
    found = {
        name: str(file.relative_to(ROOT))
        for file in (ROOT / "adce_assets").rglob("*.py")
        for pair in IMPORT.findall(file.read_text("utf-8"))
        for name in pair
        if name
    }
    return {name: file for name, file in found.items() if name not in {*sys.stdlib_module_names, "adce_assets"}}


DISTRIBUTIONS = cache(packages_distributions)


def packages_of(name: str) -> set[str]:
    """Name the packages that a module may come from."""
    return {canonicalize_name(one) for one in DISTRIBUTIONS().get(name, [name])}


def used() -> set[str]:
    return {package for name in imported() for package in packages_of(name)}


def test_every_line_of_the_pins_has_one_version_and_its_hashes_and_no_address():
    assert [line for line in PINS if not PIN.fullmatch(line.strip())] == []
    assert [line for line in PINS if "://" in line or "@" in line] == []


@pytest.mark.parametrize("name", sorted(declared() | optional()))
def test_whatever_is_declared_is_pinned_within_its_range(name: str):
    requirement = (declared() | optional())[name]
    assert requirement.url is None
    assert requirement.specifier.contains(pinned()[name], prereleases=True)


def test_whatever_is_imported_is_declared():
    known = {*declared(), *BESIDE}
    assert {name: file for name, file in imported().items() if not known & packages_of(name)} == {}


def test_whatever_is_declared_is_imported_or_needed_for_a_reason():
    assert set(declared()) - used() - set(UNIMPORTED) == set()


def test_every_reason_is_still_needed():
    assert set(UNIMPORTED) <= set(declared()) - used()
    assert set(BESIDE) <= used()
    assert not set(BESIDE) & set(declared())


Answers = Mapping[str, Sequence[str] | None]
"""Of a package and its version, the weaknesses that are known; None where nobody has heard of it."""
STAND_IN = """#!{python} -IS
import json, re, sys
answers, code, told = {answers!r}, 0, []
for line in open(sys.argv[-1]):
    name, version = re.split("==| |;", line)[:2]
    assert "--hash=sha256:" in line
    known = answers.get(name + " " + version, ())
    if ";" in line or name in [one["name"] for one in told]:
        continue
    elif known is None:
        told.append({{"name": name, "skip_reason": "not found"}})
    else:
        weak = [{{"id": one, "fix_versions": ["9"]}} for one in known]
        told.append({{"name": name, "version": version, "vulns": weak}})
        code = code or bool(known)
if not any(one["name"] + " " + one.get("version", "") in answers.get("silent", ()) for one in told):
    print(json.dumps({{"dependencies": told, "fixes": []}}))
print("Error: no service", file=sys.stderr)
sys.exit(code)
"""
"""Answers as pip-audit does: not of what is for another Python, nor of a second version, whatever that is for."""


@pytest.fixture
def audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Audit files of pins with a stand-in for pip-audit that answers so; return how it ended, and what it said."""

    def run(answers: Answers, *files: Sequence[str]) -> tuple[int, str]:
        program = tmp_path / "pip-audit"
        program.write_text(STAND_IN.format(python=sys.executable, answers=dict(answers)))
        program.chmod(0o755)
        names = [tmp_path / f"pins{number}.txt" for number in range(len(files))]
        for name, pins in zip(names, files, strict=True):
            name.write_text("".join(f"{pin} \\\n    --hash=sha256:{'0' * 64}\n" for pin in pins))
        main = runpy.run_path(str(ROOT / "deploy" / "audit.py"))["main"]
        return main(str(program), "pypi", *map(str, names)), "".join(capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("answers", "pins", "code", "said"),
    [
        ({}, ["alembic==1.20.1"], 0, "1 of 1 packages were looked up, 0 with a known weakness"),
        ({"old 1.0": ["PYSEC-1"]}, ["alembic==1.20.1", "old==1.0"], 1, "old 1.0: PYSEC-1; mended in: 9"),
        ({"own 1": None}, ["own==1"], 2, "nobody answered for 1 of 1 packages, such as own 1"),
        ({"own 1": None}, ["alembic==1.20.1", "own==1"], 2, "nobody answered for 1 of 2 packages"),
        ({"old 1.0": ["PYSEC-1"], "own 1": None}, ["old==1.0", "own==1"], 1, "PYSEC-1"),
        ({}, [], 2, "0 of 0 packages"),
        ({}, ["alembic"], 2, "is no pin with its hashes"),
        ({"silent": ["alembic 1.20.1"]}, ["alembic==1.20.1"], 2, "Error: no service"),
    ],
)
def test_an_audit_that_nobody_answered_is_no_clean_one(
    audited: Callable[..., tuple[int, str]], answers: Answers, pins: Sequence[str], code: int, said: str
):
    ended, words = audited(answers, pins)
    assert (ended, said in words) == (code, True)


FOR_OTHERS = [
    "numpy==2.4.6 ; python_full_version < '3.12'",
    "numpy==2.5.5 ; python_full_version >= '3.12'",
    "Py_Win.32==1 ; sys_platform == 'win32'",
]


@pytest.mark.parametrize("weak", ["numpy 2.4.6", "numpy 2.5.5", "py-win-32 1"])
def test_every_pin_is_asked_about_whatever_python_it_is_for(audited: Callable[..., tuple[int, str]], weak: str):
    ended, words = audited({}, FOR_OTHERS)
    assert (ended, "3 of 3 packages were looked up" in words) == (0, True)
    ended, words = audited({weak: ["PYSEC-1"]}, FOR_OTHERS)
    assert (ended, f"{weak}: PYSEC-1" in words) == (1, True)


def test_a_weakness_is_named_though_nobody_answers_for_a_later_version(audited: Callable[..., tuple[int, str]]):
    ended, words = audited({"numpy 2.4.6": ["PYSEC-1"], "silent": ["numpy 2.5.5"]}, FOR_OTHERS)
    said = ("numpy 2.4.6: PYSEC-1", "nobody answered for 1 of 3 packages, such as numpy 2.5.5")
    assert (ended, [one in words for one in said]) == (1, [True, True])


def test_every_pin_of_the_project_is_laid_out():
    laid_out = runpy.run_path(str(ROOT / "deploy" / "audit.py"))["laid_out"]
    sheets = laid_out((ROOT / "constraints.txt").read_text("utf-8"))
    assert sum(map(len, sheets)) == len([line for line in PINS if line.strip()])


def test_an_audit_without_its_program_is_no_known_weakness(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main = runpy.run_path(str(ROOT / "deploy" / "audit.py"))["main"]
    assert main(str(tmp_path / "none"), "pypi", str(ROOT / "constraints.txt")) == 2
    assert "nobody was asked" in capsys.readouterr().err


def test_a_weakness_of_one_file_outweighs_that_nobody_answered_for_another(audited: Callable[..., tuple[int, str]]):
    answers, own, old = {"own 1": None, "old 1": ["PYSEC-1"]}, ["own==1"], ["old==1"]
    assert [audited(answers, *files)[0] for files in ([own], [old, own], [own, old])] == [2, 1, 1]


def test_every_file_of_pins_is_audited():
    (named,) = re.findall(r"^PINNED := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    pinned = [path for path in in_the_tree() if path.suffix == ".txt" and b"--hash=sha256:" in path.read_bytes()]
    assert set(named.split()) == {str(path.relative_to(ROOT)) for path in pinned}


KEYS = re.compile(
    rb"\b(AKIA|ASIA)[A-Z0-9]{16}\b|\badce_[A-Za-z0-9_-]{43}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    rb"|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[abprs]-[A-Za-z0-9-]{20,}|\bhooks\.slack\.com/services/T[A-Z0-9]{6,}/B"
    rb"|\bsk_live_[A-Za-z0-9]{20,}|\bAIza[A-Za-z0-9_-]{35}\b"
)
"""What keys look like: of AWS, of ADCE itself, of a certificate, of GitHub, Slack, Stripe and Google."""
EXAMPLES = {b"AKIAIOSFODNN7EXAMPLE"}
"""Keys that AWS's own documentation shows, which open nothing."""


def in_the_tree() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - whichever git there is
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_file_of_the_tree_holds_what_looks_like_a_key():
    found = {
        f"{path.relative_to(ROOT)}: {match[0][:12].decode()}..."
        for path in in_the_tree()
        for match in KEYS.finditer(path.read_bytes())
        if match[0] not in EXAMPLES
    }
    assert found == set()


@pytest.mark.parametrize(
    "key", ["AKIA" + "A" * 16, "adce_" + "a" * 43, "-----BEGIN RSA " + "PRIVATE KEY-----", "ghp_" + "a" * 36]
)
def test_a_key_that_somebody_leaves_would_be_found(key: str):
    assert KEYS.search(f"secret = '{key}'".encode())
