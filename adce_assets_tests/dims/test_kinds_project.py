"""Files, texts, documents and commits are measured as other programs count them, whatever lies beside them."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adce_assets.dims import globs, lookup, texts, tree
from adce_assets.dims.metrics import Value
from adce_assets.dims.world import World
from adce_assets.errors import MetricError
from adce_assets_tests.dims.small_lake import ADAPTER, CONTRACT, measured

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
IDENTITY = {"NAME": "Ann", "EMAIL": "ann@example.org"}


@pytest.fixture(scope="module")
def project_world(workshop: "Workshop") -> World:
    project = workshop.project(CONTRACT, now=NOW)
    return World(project, project.settings.home)


@pytest.fixture
def world(project_world: World, tmp_path: Path) -> World:
    """A world whose folder is empty."""
    root = tmp_path / "root"
    root.mkdir()
    return replace(project_world, root=root)


def put(world: World, **files: bytes | str) -> None:
    for name, body in files.items():
        write(world.root / name, body)


def write(path: Path, body: bytes | str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return path


def why_not(world: World, kind: str, **parameters: Any) -> str:
    """Measure what cannot be; return what is said of it."""
    with pytest.raises(MetricError) as refused:
        measured(world, kind, **parameters)
    return str(refused.value)


# Files


@pytest.fixture
def tree_of_files(world: World) -> World:
    for path in (
        "a.py",
        "b.txt",
        "src/c.py",
        "src/deep/er/d.py",
        "src/deep/e.pyc",
        "src/.venv/f.py",
        ".github/workflows/g.md",
        "docs/h.md",
        "docs/i.MD",
        "docs/[x].md",
        "two words/j.py",
        "src.py/k.txt",
    ):
        write(world.root / path, path * 3)
    (world.root / "empty").mkdir()
    return world


@pytest.mark.parametrize(
    ("include", "exclude", "found"),
    [
        (["**/*.py"], [], {"a.py", "src/c.py", "src/deep/er/d.py", "two words/j.py"}),
        (["*.py"], [], {"a.py"}),
        (["src/**"], [], {"src/c.py", "src/deep/er/d.py", "src/deep/e.pyc"}),
        (["src/**/*.py", "**/c.py"], [], {"src/c.py", "src/deep/er/d.py"}),
        (["**/deep/**/*.py"], [], {"src/deep/er/d.py"}),
        (["**/*.py"], ["src/**"], {"a.py", "two words/j.py"}),
        (["**/*.py"], ["**/deep/**", "a.*"], {"src/c.py", "two words/j.py"}),
        ([".github/**/*.md"], [], {".github/workflows/g.md"}),
        (["src/.venv/*"], [], {"src/.venv/f.py"}),
        (["docs/?.md"], [], {"docs/h.md"}),
        (["docs/[[]x].md"], [], {"docs/[x].md"}),
        (["docs/[!a-g].md"], [], {"docs/h.md"}),
        (["b.txt"], [], {"b.txt"}),
        (["empty/**"], [], set()),
        (["*/*/*.md"], [], set()),
    ],
)
def test_globs_find_files(tree_of_files: World, include: list[str], exclude: list[str], found: set[str]):
    asked = tree.Asked(include, exclude)
    assert {file.path for file in tree.walk(tree_of_files.root, asked)} == found
    assert measured(tree_of_files, "files", include=include, exclude=exclude) == len(found)
    length = sum((tree_of_files.root / path).stat().st_size for path in found)
    assert measured(tree_of_files, "file_bytes", include=include, exclude=exclude) == length


def test_hidden_files_are_found_when_they_are_asked_for(tree_of_files: World):
    everything = [path for path in tree_of_files.root.rglob("*") if path.is_file()]
    assert measured(tree_of_files, "files", include=["**"], hidden=True) == len(everything)
    shown = [path for path in everything if "/." not in str(path.relative_to(tree_of_files.root.parent))]
    assert measured(tree_of_files, "files", include=["**"]) == len(shown)


PARTS = st.sampled_from(["a", "b", "ab", "c.py", "x.y"])
MAGIC = st.sampled_from(["a", "*", "**", "?", "a*", "*.py", "[ab]", "**"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(glob=st.lists(MAGIC, min_size=1, max_size=4), path=st.lists(PARTS, min_size=1, max_size=4))
def test_a_glob_means_the_paths_that_an_expression_of_it_matches(glob: list[str], path: list[str]):
    reached = globs.begin(("/".join(glob),), hidden=False)
    could = True
    for name in path:
        could = could and reached.may_match_below
        reached = reached.below(name)
    assert reached.is_matched == _means(glob, path)
    assert could or not reached.is_matched


def _means(glob: list[str], path: list[str]) -> bool:
    """Match a path in the plainest way: by trying how many names each part stands for."""
    if not glob or not path:
        return not glob and not path
    if glob[0] == "**":
        if len(glob) == 1:
            return True
        return _means(glob[1:], path) or _means(glob, path[1:])
    return fnmatchcase(path[0], glob[0]) and _means(glob[1:], path[1:])


@pytest.mark.parametrize(
    "glob",
    ["/etc/passwd", "../x", "a/../../x", "a/..", "./a", "a//b", "a/", "", "~/x", ":(attr:x)a", "a**", "a\\b", "a\0b"],
)
def test_no_path_leads_out_of_the_folder(glob: str):
    for entry in (
        {"kind": "files", "include": [glob]},
        {"kind": "files", "include": ["a"], "exclude": [glob]},
        {"kind": "git", "paths": [glob]},
        {"kind": "document", "file": f"{glob}/d.json", "path": "a"},
        {"kind": "sync_status", "folder": glob},
    ):
        with pytest.raises(ValidationError):
            ADAPTER.validate_python(entry)


def test_links_are_not_followed_wherever_they_lead(world: World, tmp_path: Path):
    secret = write(tmp_path / "secret" / "s.txt", "1\n2\n").parent
    put(world, **{"in/a.txt": "x", "in/b.txt": "y"})
    (world.root / "out").symlink_to(secret)
    (world.root / "in/link.txt").symlink_to(secret / "s.txt")
    (world.root / "in/own.txt").symlink_to(world.root / "in/a.txt")
    (world.root / "in/round").symlink_to(world.root)
    assert measured(world, "files", include=["**/*.txt"]) == 2
    for kind in ("files", "file_bytes", "lines", "file_age"):
        assert why_not(world, kind, include=["out/*.txt"]).startswith("out: is a symbolic link")
        assert why_not(world, kind, include=["in/link.txt"]).startswith("in/link.txt: is a symbolic link")
    (world.root / "d.json").symlink_to(write(tmp_path / "secret" / "d.json", '{"a": 1}'))
    assert "is a symbolic link" in why_not(world, "document", file="d.json", path="a")


def test_a_folder_that_becomes_a_link_while_it_is_looked_at_is_not_entered(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    secret = write(tmp_path / "secret" / "s.txt", "x").parent
    folder = world.root / "folder"
    folder.mkdir()
    opened = os.open

    def swapping(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "folder" and not folder.is_symlink():
            folder.rmdir()
            folder.symlink_to(secret)
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", swapping)
    assert why_not(world, "files", include=["**/*.txt"]).startswith("folder: cannot be read")


def test_a_pipe_is_no_file_and_nobody_waits_for_it(world: World):
    os.mkfifo(world.root / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as listening:
        monkey = os.open(world.root, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{monkey}/s.txt")
        os.close(monkey)
        put(world, **{"a.txt": "1\n"})
        assert measured(world, "files", include=["*.txt"]) == 1
        assert measured(world, "lines", include=["*.txt"]) == 1


@pytest.mark.parametrize("kind", ["files", "file_bytes", "lines", "file_age"])
def test_a_folder_or_file_that_is_named_and_not_there_is_no_zero(world: World, kind: str):
    put(world, **{"there/a.txt": "x"})
    assert why_not(world, kind, include=["docs/**/*.md"]).startswith("docs: is not there")
    assert why_not(world, kind, include=["there/a.txt", "there/gone.py"]).startswith("there/gone.py: is not there")
    assert why_not(world, kind, include=["there/a.txt/*.md"]).startswith("there/a.txt: cannot be read")


def test_a_root_that_is_not_there_is_no_zero(world: World):
    gone = replace(world, root=world.root / "gone")
    assert why_not(gone, "files", include=["**"]).endswith("gone: is not there")


def test_a_folder_that_cannot_be_looked_into_is_no_zero(world: World, monkeypatch: pytest.MonkeyPatch):
    put(world, **{"closed/a.txt": "x"})
    opened = os.open

    def refusing(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "closed":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refusing)
    assert why_not(world, "files", include=["**"]) == "closed: cannot be read: Permission denied"


def test_a_tree_without_an_end_is_refused(world: World):
    folder = os.open(world.root, os.O_RDONLY)
    for _ in range(tree.DEEPEST + 3):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    assert "lies too deep" in why_not(world, "files", include=["**"])
    assert measured(world, "files", include=["**"], exclude=["d/d/**"]) == 0


def test_a_tree_of_too_many_names_is_refused(world: World, monkeypatch: pytest.MonkeyPatch):
    put(world, a="", b="", c="")
    monkeypatch.setattr(tree, "MOST_SEEN", 2)
    assert "holds more than 2 names" in why_not(world, "files", include=["*"])


def test_names_of_any_bytes_are_counted_and_can_be_told(world: World):
    write(Path(os.fsdecode(os.fsencode(world.root) + b"/\xff\x1b[31m\n.md")), b"\0")
    assert measured(world, "files", include=["*.md"]) == 1
    told = why_not(world, "lines", include=["*.md"])
    assert "is no text" in told
    assert told.replace("\n", "").isprintable()
    told.encode()


def test_bytes_are_told_in_a_unit(world: World):
    put(world, **{"a.bin": b"x" * 3_000_000, "b/c.bin": b"x" * 145_728})
    assert measured(world, "file_bytes", include=["**"], scale="MiB", digits=2) == 3.0
    assert measured(world, "file_bytes", include=["*"], scale="MB") == 3.0


def test_the_age_of_a_file_is_that_of_its_last_writing(world: World):
    for name, hours in (("a.md", 5), ("b.md", 48), ("c.txt", 1)):
        at = NOW.timestamp() - 3600 * hours
        os.utime(write(world.root / name), (at, at))
    assert measured(world, "file_age", include=["*.md"], span="hours") == 5.0
    assert measured(world, "file_age", include=["*.md"], which="oldest") == 2.0
    assert "no file is of this name" in why_not(world, "file_age", include=["*.csv"])


# Texts


@pytest.mark.parametrize(
    ("body", "count"),
    [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n", 2), (b"a\r\nb\r\n", 2), (b"\xff\n", 1)],
)
def test_lines_are_counted_as_grep_does(world: World, body: bytes, count: int):
    put(world, **{"a.txt": body, "b.txt": body})
    assert measured(world, "lines", include=["a.txt"]) == count
    assert measured(world, "lines", include=["*.txt"]) == 2 * count
    counted = subprocess.run(
        [shutil.which("grep") or "grep", "-a", "-c", "", "a.txt"], cwd=world.root, capture_output=True, check=False
    )
    assert int(counted.stdout) == count


def test_lines_of_a_large_file_are_counted_across_its_pieces(world: World):
    body = b"".join(b"%d\n" % number * (number % 7) for number in range(300_000))
    assert len(body) > 2 * tree.PIECE
    put(world, **{"a.txt": body})
    assert measured(world, "lines", include=["a.txt"]) == body.count(b"\n")
    assert measured(world, "matches", include=["a.txt"], pattern="99$") == len(re.findall(rb"99\n", body))


def test_what_is_no_text_is_refused_skipped_or_read(world: World):
    put(world, **{"a.txt": "1\n2\n", "b.txt": b"\x7fELF\0\n\n\n"})
    assert why_not(world, "lines", include=["*.txt"]).startswith("b.txt: is no text")
    assert measured(world, "lines", include=["*.txt"], binary="skip") == 2
    assert measured(world, "lines", include=["*.txt"], binary="read") == 5


def test_lines_of_no_file_are_no_zero(world: World):
    assert "no file is of this name" in why_not(world, "lines", include=["*.py"])
    assert "no file is of this name" in why_not(world, "matches", include=["*.py"], pattern="a")


def test_a_file_that_is_too_large_is_not_read(world: World):
    with write(world.root / "huge.txt").open("wb") as file:
        os.truncate(file.fileno(), 1 << 42)
    began = time.perf_counter()
    assert "too much to read" in why_not(world, "lines", include=["*"], binary="read")
    assert "too much to read" in why_not(world, "matches", include=["*"], binary="read", pattern="a")
    assert time.perf_counter() - began < 1
    assert measured(world, "file_bytes", include=["*"], scale="TiB") == 4.0


@pytest.mark.parametrize("pattern", ["^###", "###$", "a|b", r"\bGap\b", "(?i)gap", "é", "^$", "^#+ "])
def test_matches_are_the_lines_in_which_an_expression_is_found(world: World, pattern: str):
    text = "# Gap\n### one\n\nbegin ###\r\n  ### in\n#### four\nGaps\nGAP é\n\nlast a"
    put(world, **{"a.md": text})
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    assert measured(world, "matches", include=["*.md"], pattern=pattern) == sum(
        re.search(pattern, line) is not None for line in lines
    )


def test_an_expression_that_takes_others_forever_takes_no_time(world: World):
    put(world, **{"a.txt": "a" * 100_000 + "!"})
    began = time.perf_counter()
    assert measured(world, "matches", include=["a.txt"], pattern="^(a|a|a?)*$") == 0
    assert time.perf_counter() - began < 5


def test_an_expression_that_is_none_is_said_to_be(world: World):
    put(world, **{"a.txt": "a"})
    assert "the pattern is none of RE2" in why_not(world, "matches", include=["*"], pattern="(a")
    assert "neither look-around" in why_not(world, "matches", include=["*"], pattern="(?=a)")


def test_a_line_without_an_end_is_refused(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(texts, "LONGEST_LINE", 1000)
    put(world, **{"a.txt": "a" * 2000})
    assert "too long a line" in why_not(world, "matches", include=["*"], pattern="a")


# Documents

DATA = {"a": {"b": 3, "c": [1, 2, 3]}, "name": "v1.2", "f": 2.5, "yes": True, "none": None, "long": "x" * 300, "": {}}


@pytest.mark.parametrize("name", ["d.json", "d.yaml", "deep/d.YML", ".hidden.json"])
@pytest.mark.parametrize(
    ("path", "value"),
    [("a.b", 3), ("length(a.c)", 3), ("f", 2.5), ("name", "v1.2"), ("a.c[-1]", 3), ("sum([a.b, f])", 5.5)],
)
def test_a_value_of_a_document_keeps_its_type(world: World, name: str, path: str, value: Value):
    put(world, **{name: json.dumps(DATA)})  # which is YAML too
    found = measured(world, "document", file=name, path=path)
    assert (type(found), found) == (type(value), value)


def test_a_day_in_a_document_is_its_text(world: World):
    put(world, **{"d.yaml": "day: 2025-01-15\n1: key\non: push\n"})
    assert measured(world, "document", file="d.yaml", path="day") == "2025-01-15"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a", "a dict of 2 was found"),
        ("a.c", "a list of 3 was found"),
        ("nothing", "nothing was found"),
        ("none", "nothing was found"),
        ("yes", "`true` was found"),
        ("long", "a text of 300 letters"),
        ("length(f)", "cannot be looked up"),
        ("to_string(a) | length(@) | [@]", "a list of 1 was found"),
    ],
)
def test_what_is_no_value_is_refused(world: World, path: str, said: str):
    put(world, **{"d.json": json.dumps(DATA)})
    told = why_not(world, "document", file="d.json", path=path)
    assert told.startswith("d.json: ")
    assert said in told


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("d.json", b"", "is no JSON"),
        ("d.json", b'{"a": 1', "is no JSON"),
        ("d.json", b"\xff\xfe", "is no JSON"),
        ("d.json", b"[" * 100_000, "is no JSON"),
        ("d.json", b'{"a": NaN}', "`nan` was found"),
        ("d.json", b'{"a": 1' + b"0" * 400 + b"}", "a number of 1329 bits was found"),
        ("d.yaml", b"a: [1", "is no YAML"),
        ("d.yaml", b"a: 1\n---\na: 2\n", "is no YAML"),
        ("d.yaml", b"a: !!python/object/apply:os.system ['touch pwned']", "is no YAML"),
        ("d.yaml", b"a: \x07", "is no YAML"),
        ("d.yaml", b"[" * 100_000, "nested more than"),
        ("d.yaml", b"a: " + b"- " * 3000, "is no YAML"),
        ("d.yaml", b"a: 2025-99-99", "is no YAML"),
        ("d.yaml", b"", "nothing was found"),
    ],
)
def test_a_damaged_document_is_no_value(world: World, name: str, body: bytes, said: str):
    put(world, **{name: body})
    assert said in why_not(world, "document", file=name, path="a")
    assert not (world.root / "pwned").exists()


def test_documents_that_unfold_without_end_are_given_up(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lookup, "CPU_S", 1)
    monkeypatch.setattr(lookup, "MEMORY", 1 << 28)
    bomb = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 50)}]\n" for n in range(1, 9))
    put(world, **{"d.yaml": bomb, "e.yaml": "x: &x {n: 7}\ny: *x\n", "f.json": "{}"})
    assert measured(world, "document", file="e.yaml", path="y.n") == 7
    assert "too much" in why_not(world, "document", file="d.yaml", path="length(a8[][][][][][])")
    assert "too much" in why_not(world, "document", file="f.json", path="|".join(["[@,@]"] * 40) + "|to_string(@)")


def test_a_document_that_is_too_large_is_not_read(world: World):
    put(world, **{"d.json": b" " * (lookup.MOST + 1)})
    assert f"has {lookup.MOST + 1} bytes" in why_not(world, "document", file="d.json", path="a")
    (world.root / "folder.json").mkdir()
    assert "is no file" in why_not(world, "document", file="folder.json", path="a")


@pytest.mark.parametrize("entry", [{"file": "d.txt", "path": "a"}, {"file": "*.json", "path": "a"}])
@pytest.mark.parametrize("path", ["a", "a[", "(" * 400, "nofunction("])
def test_what_names_no_document_or_value_is_refused_when_it_is_read(entry: dict[str, str], path: str):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({"kind": "document", **entry, "path": path})
    if path != "a":
        with pytest.raises(ValidationError):
            ADAPTER.validate_python({"kind": "document", "file": "d.json", "path": path})


# Commits


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
