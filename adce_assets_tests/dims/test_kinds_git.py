"""Commits are counted as git was told of them, and no repository starts anything, whatever its configuration says."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adce_assets.dims.world import World
from adce_assets_tests.dims.measuring import why_not, write
from adce_assets_tests.dims.small_lake import ADAPTER, measured

IDENTITY = {"NAME": "Ann", "EMAIL": "ann@example.org"}


STARTING = (
    *(f"core.{name}" for name in ("fsmonitor", "pager", "editor", "sshCommand", "askPass", "gitProxy")),
    *(f"diff.{name}" for name in ("external", "evil.textconv", "evil.command")),
    *(f"filter.evil.{name}" for name in ("smudge", "clean", "process")),
    *(f"remote.origin.{name}" for name in ("uploadpack", "receivepack")),
    *("core.alternateRefsCommand", "gpg.program", "pager.rev-list", "pager.log", "interactive.diffFilter"),
    *("credential.helper", "sequence.editor", "uploadpack.packObjectsHook"),
)
"""Settings that are programs."""


class Repository:
    """A git repository, made by git itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, day: str = "2025-01-01T00:00:00Z", author: str = "Ann", **more: str) -> str:
        who = {f"GIT_{role}_{name}": text for role in ("AUTHOR", "COMMITTER") for name, text in IDENTITY.items()}
        dates = {"GIT_AUTHOR_DATE": day, "GIT_COMMITTER_DATE": day, "GIT_AUTHOR_NAME": author}
        quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
        started = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(
            started, env={**quiet, **who, **dates, **more}, check=True, capture_output=True, text=True
        ).stdout

    def commit(self, message: str, day: str, *, file: str = "a.txt", author: str = "Ann") -> None:
        write(self.folder / file, f"{message} {day}")
        self.git("add", ".")
        self.git("commit", "-q", "-m", message, day=f"{day}T10:00:00Z", author=author)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("repository"))
    made.commit("rec_1: a book", "2024-12-01", author="Bob")
    made.commit("docs: more\n\nsee rec_2 below", "2024-12-31", file="docs/b.md")
    made.commit("code [rec_3]", "2025-01-01", file="src/deep/c.py")
    made.commit("the day before", "2024-11-30", file="src/d.py", author="Bob")  # by a clock that was wrong
    made.commit("code", "2025-01-10", file="src/deep/c.py")
    return made


@pytest.fixture
def with_commits(world: World, repository: Repository) -> World:
    return replace(world, root=repository.folder)


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 5),
        ({"since": "2025-01-01"}, 2),
        ({"until": "2024-12-31"}, 3),
        ({"since": "2024-12-31", "until": "2025-01-01"}, 2),
        ({"matching": "rec_"}, 3),
        ({"matching": "^rec_[0-9]"}, 1),
        ({"matching": "rec_3|day"}, 2),
        ({"matching": "-n1"}, 0),
        ({"author": "Bob"}, 2),
        ({"author": "Bob", "matching": "rec_", "since": "2024-12-01"}, 1),
        ({"paths": ["docs/**"]}, 1),
        ({"paths": ["**/*.py"]}, 3),
        ({"paths": ["src/*.py", "docs/*.md"]}, 2),
        ({"since": "2026-01-01"}, 0),
    ],
)
def test_commits_are_counted(with_commits: World, asked: dict[str, Any], count: int):
    assert measured(with_commits, "git", **asked) == count


def test_the_age_of_a_commit_is_since_the_newest_of_them(with_commits: World):
    assert measured(with_commits, "git", value="age") == pytest.approx(5 + 2 / 24)
    assert measured(with_commits, "git", value="age", author="Bob", span="hours", digits=1) == 45 * 24 + 2
    assert "there is no such commit" in why_not(with_commits, "git", value="age", author="Eve")


def test_a_day_ends_where_the_next_one_begins(world: World):
    repository = Repository(world.root)
    write(world.root / "a.txt", "a")
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", "at midnight", day="2025-01-02T01:00:00+01:00")
    assert measured(world, "git", until="2025-01-01") == 0
    assert measured(world, "git", since="2025-01-02", until="2025-01-02") == 1


def test_what_a_hook_was_given_of_another_repository_is_not_listened_to(
    with_commits: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    other = tmp_path / "other"
    other.mkdir()
    Repository(other).commit("one", "2025-01-01")
    for name, text in {"GIT_DIR": f"{other}/.git", "GIT_INDEX_FILE": "x", "GIT_TRACE": str(tmp_path / "trace")}.items():
        monkeypatch.setenv(name, text)
    assert measured(with_commits, "git") == 5
    assert not (tmp_path / "trace").exists()


def test_a_folder_without_a_repository_of_its_own_has_no_commits(with_commits: World, world: World):
    assert "not a git repository" in why_not(world, "git")
    inside = replace(with_commits, root=with_commits.root / "src")
    assert "git" in why_not(inside, "git")
    gone = replace(with_commits, root=with_commits.root / "gone")
    assert "git cannot be started here" in why_not(gone, "git")


def test_a_repository_without_a_commit_has_no_zero(world: World):
    Repository(world.root)
    assert "git fails (128): fatal: bad revision 'HEAD'" in why_not(world, "git")


def test_a_shallow_clone_is_not_counted(repository: Repository, world: World):
    repository.git("clone", "-q", "--depth", "1", repository.folder.as_uri(), str(world.root / "clone"))
    assert "is a shallow clone" in why_not(replace(world, root=world.root / "clone"), "git")


def test_an_expression_that_git_does_not_understand_is_said_to_be(with_commits: World):
    assert "git fails (128)" in why_not(with_commits, "git", matching="(")


def test_days_that_are_the_wrong_way_round_are_refused_when_they_are_read():
    with pytest.raises(ValidationError, match="no later day"):
        ADAPTER.validate_python({"kind": "git", "since": "2025-01-02", "until": "2025-01-01"})


def test_git_that_is_not_installed_is_said_to_be(with_commits: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "git is not installed" in why_not(with_commits, "git")


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Callable[..., Repository]]:
    """Make repositories that start a program, which leaves a trace, wherever git lets one."""
    trace = tmp_path / "trace"
    program = write(tmp_path / "program", f"#!/bin/sh\necho \"$0 $@\" >> '{trace}'\nexit 1\n")
    program.chmod(0o755)

    def make(name: str) -> Repository:
        (tmp_path / name).mkdir()
        made = Repository(tmp_path / name)
        made.commit("one", "2025-01-01")
        made.commit("two", "2025-01-02")
        for setting in STARTING:
            made.git("config", setting, str(program))
        for setting, value in {
            "log.showSignature": "true",
            "alias.rev-list": f"!{program}",
            "alias.rev-parse": f"!{program}",
            "remote.origin.url": f"ext::{program}",
            "protocol.allow": "always",
            "protocol.ext.allow": "always",
            "core.hooksPath": str(tmp_path / "hooks"),
        }.items():
            made.git("config", setting, value)
        for hook in (
            "post-checkout",
            "pre-auto-gc",
            "post-index-change",
            "fsmonitor-watchman",
            "reference-transaction",
        ):
            write(tmp_path / "hooks" / hook, program.read_bytes()).chmod(0o755)
        write(made.folder / ".gitattributes", "* diff=evil filter=evil\n")
        write(made.folder / ".git/info/attributes", "* diff=evil filter=evil\n")
        return made

    yield make
    assert not trace.exists(), trace.read_text()


def test_a_hostile_repository_starts_programs_where_git_is_asked_in_the_usual_way(tmp_path: Path, hostile: Any):
    repository, trace = hostile("usual"), tmp_path / "trace"
    _lose(repository, repository.git("rev-parse", "HEAD~").strip(), str(tmp_path))
    for question in (["status"], ["rev-list", "HEAD"]):
        with suppress(subprocess.CalledProcessError):
            repository.git(*question)
        assert "program" in trace.read_text()
        trace.unlink()


def test_a_hostile_repository_starts_nothing(world: World, hostile: Callable[..., Repository]):
    repository = hostile("first")
    asked = {"matching": "o", "author": "Ann", "paths": ["**/*.txt"]}
    assert measured(replace(world, root=repository.folder), "git", **asked) == 2


@pytest.mark.parametrize("url", ["ext::{program}", "file://{folder}", "ssh://host/x", "{folder}"])
def test_objects_that_are_missing_are_not_fetched_by_what_a_repository_says(
    world: World, hostile: Callable[..., Repository], tmp_path: Path, url: str
):
    repository = hostile("second")
    first = repository.git("rev-parse", "HEAD~").strip()
    _lose(repository, first, url.format(program=tmp_path / "program", folder=tmp_path))
    assert "git fails" in why_not(replace(world, root=repository.folder), "git")


def _lose(repository: Repository, commit: str, url: str) -> None:
    """Take a commit away that git then believes to be at a URL."""
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": url,
    }.items():
        repository.git("config", name, value)
    (repository.folder / ".git/objects" / commit[:2] / commit[2:]).unlink()


def test_objects_that_lie_elsewhere_are_only_read(world: World, hostile: Callable[..., Repository], tmp_path: Path):
    repository = hostile("third")
    objects = repository.folder / ".git/objects"
    objects.rename(tmp_path / "elsewhere")
    write(objects / "info/alternates", f"{tmp_path}/elsewhere\n")
    assert measured(replace(world, root=repository.folder), "git") == 2


def test_a_git_that_does_not_end_is_ended_with_all_that_it_started(
    with_commits: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pids = tmp_path / "pids"
    write(tmp_path / "bin/git", f"#!/bin/sh\nsleep 600 &\necho $$ $! > {pids}\nwait\n").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr("adce_assets.dims.commits.SECONDS", 0.3)
    assert "git is not done after 0.3 s" in why_not(with_commits, "git")
    for pid in pids.read_text().split():
        assert _is_gone(int(pid))


def _is_gone(pid: int) -> bool:
    """Tell whether a process is there no more, but as one that nobody has asked after."""
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] in {"Z", "X"}


def test_what_git_says_that_is_no_commit_is_refused(
    with_commits: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    script = '#!/bin/sh\ncase "$*" in *rev-parse*) printf "false\\n\\n";; *) echo garbage;; esac\n'
    write(tmp_path / "bin/git", script).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    assert "git tells of no commit" in why_not(with_commits, "git")


def test_a_commit_of_the_far_future_has_no_age(world: World):
    repository = Repository(world.root)
    repository.commit("one", "2025-01-01")
    tree_id = repository.git("rev-parse", "HEAD^{tree}").strip()
    body = f"tree {tree_id}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> {2**60} +0000\n\nfar\n"
    path = write(world.root / "commit", body)
    made = repository.git("hash-object", "-t", "commit", "-w", "--literally", str(path)).strip()
    repository.git("update-ref", "HEAD", made)
    assert "in no year" in why_not(world, "git", value="age")
