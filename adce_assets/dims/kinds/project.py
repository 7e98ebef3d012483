"""Files, documents and the git history of the project's folder in, one value out.

Paths are relative to the world's root and never lead out of it; symbolic links are not followed. How files are found
is in `dims.tree`, how they are read in `dims.texts` and `dims.lookup`, and how git is asked in `dims.commits`.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from adce_assets.dims import commits, lookup, texts
from adce_assets.dims.globs import check_glob, check_path
from adce_assets.dims.kinds.kind import Kind, KindParameters
from adce_assets.dims.kinds.numbers import Digits, Scale, Span, age, scaled
from adce_assets.dims.metrics import Value
from adce_assets.dims.tree import Asked, walk
from adce_assets.dims.world import World
from adce_assets.errors import MetricError

Glob = Annotated[str, AfterValidator(check_glob)]
"""``*`` and ``?`` stand for letters of a name, ``**`` for any folders: ``docs/**/*.md``."""
Globs = Annotated[tuple[Glob, ...], Field(max_length=200)]
File = Annotated[str, AfterValidator(check_path), AfterValidator(lookup.check_file)]
Words = Annotated[str, Field(min_length=1, max_length=500)]


class OfFiles(KindParameters):
    """Which files: those that one of ``include`` names and none of ``exclude``.

    A folder or file that ``include`` names without a star must be there. What begins with a dot is ``hidden``, and
    left out unless it is asked for, here or by a dot in the glob.
    """

    include: Annotated[Globs, Field(min_length=1)]
    exclude: Globs = ()
    hidden: bool = False


class Files(OfFiles):
    """How many files there are."""

    kind: Literal["files"]


class FileBytes(OfFiles):
    """How long they are together, in a unit."""

    kind: Literal["file_bytes"]
    scale: Scale = "B"
    digits: Digits | None = None


class OfText(OfFiles):
    """Which texts; there must be one. ``binary`` files are refused, skipped or read like the others."""

    binary: texts.Binary = "refuse"


class Lines(OfText):
    """How many lines they have, one that does not end in a line feed too."""

    kind: Literal["lines"]


class Matches(OfText):
    """How many of their lines a regular expression matches somewhere, in RE2's syntax, such as ``^###``."""

    kind: Literal["matches"]
    pattern: Words


class FileAge(OfFiles):
    """How long ago the ``newest`` or ``oldest`` of them was written; there must be one."""

    kind: Literal["file_age"]
    which: Literal["newest", "oldest"] = "newest"
    span: Span = "days"
    digits: Digits | None = None


class Git(KindParameters):
    """How many commits lead to the one that is checked out, or how old the newest of them is.

    Of which all that is given holds: committed between the days ``since`` and ``until`` (UTC, both of them too), with a
    line of the message that ``matching`` matches, by an ``author``, touching one of ``paths``. The two are extended
    regular expressions.
    """

    kind: Literal["git"]
    value: Literal["commits", "age"] = "commits"
    since: date | None = None
    until: date | None = None
    matching: Words | None = None
    author: Words | None = None
    paths: Globs = ()
    span: Span = "days"
    digits: Digits | None = None

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.since and self.until and self.since > self.until:
            message = "`since` is no later day than `until`"
            raise ValueError(message)
        return self


class Document(KindParameters):
    """What a JMESPath expression finds in a YAML or JSON file: a number or a short text.

    YAML is read by the rules of 1.1: ``010`` is 8 and ``12:30:00`` is 45000. A key that stands twice is refused.
    """

    kind: Literal["document"]
    file: File
    path: Annotated[Words, AfterValidator(lookup.check_expression)]


def count(world: World, of: Files) -> int:
    """Count files."""
    return sum(1 for _ in walk(world.root, _asked(of)))


def length(world: World, of: FileBytes) -> int | float:
    """Add up how long files are."""
    return scaled(sum(file.size for file in walk(world.root, _asked(of))), of.scale, of.digits)


def lines(world: World, of: Lines) -> int:
    """Count lines."""
    return texts.lines(world.root, _asked(of), of.binary)


def matches(world: World, of: Matches) -> int:
    """Count lines that a pattern matches."""
    return texts.matches(world.root, _asked(of), of.binary, of.pattern)


def file_age(world: World, of: FileAge) -> float:
    """Say how long ago a file was written; MetricError where there is none."""
    choose = max if of.which == "newest" else min
    found = choose((file.modified for file in walk(world.root, _asked(of))), default=None)
    if found is None:
        raise MetricError("no file is of this name", where=", ".join(of.include))
    return _age(world, found, of)


def git(world: World, of: Git) -> int | float:
    """Count commits, or say how old the newest is; MetricError where there is no such commit."""
    which = commits.Which(of.since, of.until, of.matching, of.author, of.paths)
    if of.value == "commits":
        return commits.count(world.root, which)
    return _age(world, commits.newest(world.root, which), of)


def document(world: World, of: Document) -> Value:
    """Look a value up."""
    return lookup.look_up(world.root, of.file, of.path)


def _asked(of: OfFiles) -> Asked:
    return Asked(of.include, of.exclude, of.hidden)


def _age(world: World, since_1970: float, of: FileAge | Git) -> float:
    """Say how long ago a moment was, which a file or a commit may have put thousands of years away."""
    try:
        then = datetime.fromtimestamp(since_1970, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise MetricError("was written in no year that there is", where=of.kind) from error
    return age(world.project.clock(), then, of.span, of.digits)


KINDS = (
    Kind(Files, count),
    Kind(FileBytes, length),
    Kind(Lines, lines),
    Kind(Matches, matches),
    Kind(FileAge, file_age),
    Kind(Git, git),
    Kind(Document, document),
)
