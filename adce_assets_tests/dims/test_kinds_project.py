"""Files and texts are measured as other programs count them, whatever lies beside them."""

import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adce_assets.dims import globs, texts, tree
from adce_assets.dims.world import World
from adce_assets_tests.dims.measuring import NOW, put, why_not, write
from adce_assets_tests.dims.small_lake import ADAPTER, measured

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


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
