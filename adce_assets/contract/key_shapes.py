"""Keys in, groups of keys that are written alike out: the texts that all of a group share, and columns of what varies.

Folder by folder, from the left: where few things stand side by side, each is a group of its own; where many do, they
are values of one column. What a column means, a year or a customer, is asked in `proposing`, not here.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MOST_AT_TOP, MOST_NAMES, MOST_OUTLINES, MOST_ENDINGS = 60, 6, 8, 24
"""Of how many names side by side each is a group: at the top, in a folder, of ways to write a name, and of endings."""

DAY, MONTH_OR_SEASON, NUMBER, WORD = "day", "month_or_season", "number", "word"
"""What a column holds, as it is written: ``2024-01-31``, ``2024-01``, digits, or anything."""

Outline = tuple[tuple[str, str], ...]
"""A part of a path: each piece is a kind of column and an empty text, or no kind and the text itself."""
Pieces = list[tuple[str, str]]

_DATES = r"(?P<day>(?<!\d)\d{4}-\d{2}-\d{2}(?!\d))|(?P<month_or_season>(?<!\d)\d{4}-\d{2}(?!\d|-\d))"
_ENDING = re.compile(r"(?:\.(?:[A-Za-z]{1,8}|[A-Za-z][A-Za-z0-9]{1,3}))+$")
_RUN, _DIGITS = r"[A-Za-z0-9]+", r"(?:\d+(?![A-Za-z0-9])|\d{4}(?=[QW]\d{1,2}(?![A-Za-z0-9])))"
_VALUE = r"(?<=[A-Za-z_]=)[A-Za-z](?!.*\d{4})[^=]*$"
"""What stands behind ``country=``: a value of it, however few there are."""
_LEVELS = (
    re.compile(rf"{_DATES}|(?P<number>(?<!\d){_DIGITS})|(?P<word>{_VALUE})"),
    re.compile(rf"{_DATES}|(?P<number>(?<!\d){_DIGITS})|(?P<word>{_VALUE}|[A-Za-z]+(?:[-_ ]?[A-Za-z]+)*)"),
    re.compile(rf"{_DATES}|(?P<number>(?<![A-Za-z0-9]){_DIGITS})|(?P<word>{_RUN}(?:[-_ ](?=\d*[A-Za-z]){_RUN})*)"),
    re.compile(rf"(?P<word>{_RUN}(?:[-_ ]{_RUN})*)"),
    re.compile(r"(?P<word>.+)"),
)
"""What varies in a part of a path, from the least that may to all of it."""


@dataclass(frozen=True, slots=True)
class Column:
    """What stands at one place of the keys of a group: how it is written, and its value in each key."""

    kind: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Keys that are written alike: texts that all share, and between them columns with a value for each key."""

    keys: tuple[str, ...]
    pieces: tuple[str | Column, ...]


def groups(keys: Sequence[str]) -> Iterator[Group]:
    """Put together the keys that are written alike; every key is in exactly one group."""
    by_depth: defaultdict[int, list[str]] = defaultdict(list)
    for key in keys:
        by_depth[key.count("/")].append(key)
    for _, found in sorted(by_depth.items()):
        for ending, alike in sorted(_by_ending(found).items()):
            paths = [key[: len(key) - len(ending)].split("/") for key in alike]
            yield from _descend(alike, paths, 0, [], ending)


def _by_ending(keys: list[str]) -> Mapping[str, list[str]]:
    """Divide keys by what their names end with, unless nearly everything ends otherwise."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        found[_ending(key)].append(key)
    return found if len(found) <= MOST_ENDINGS else {"": keys}


def _ending(key: str) -> str:
    """Return what the name of an object ends with, such as ``.csv.gz``; a name is never an ending alone."""
    name = key.rpartition("/")[2]
    found = _ENDING.search(name, 1)
    return found[0] if found else ""


def _descend(
    keys: list[str], paths: list[list[str]], depth: int, done: list[str | Column], ending: str
) -> Iterator[Group]:
    """Divide keys by how their path goes on at a depth; ``done`` is what was found of the path before."""
    if depth == len(paths[0]):
        yield Group(tuple(keys), (*done, ending))
        return
    begins = ["/"] if depth else []
    for outline, places in _outlines([path[depth] for path in paths], top=not depth).items():
        chosen = [place for place, _ in places]
        before = [_of(piece, chosen) for piece in done]
        columns = zip(*(values for _, values in places), strict=True)
        pieces = [text if not kind else Column(kind, next(columns)) for kind, text in outline]
        rest = [keys[place] for place in chosen], [paths[place] for place in chosen]
        yield from _descend(*rest, depth + 1, [*before, *begins, *pieces], ending)


def _of(piece: str | Column, chosen: Sequence[int]) -> str | Column:
    """Keep of a column what it says of the chosen keys."""
    return piece if isinstance(piece, str) else Column(piece.kind, tuple(piece.values[place] for place in chosen))


Places = list[tuple[int, tuple[str, ...]]]
"""Keys by their place in the list, each with the values of the columns of an outline."""


def _outlines(parts: Sequence[str], *, top: bool) -> Mapping[Outline, Places]:
    """Divide parts of paths by how they are written: as few outlines as can be told apart, with all that they say."""
    found: dict[Outline, Places] = {}
    for level, expression in enumerate(_LEVELS):
        read = {part: _outline(part, expression) for part in set(parts)}
        found = {}
        for place, part in enumerate(parts):
            outline, values = read[part]
            found.setdefault(outline, []).append((place, values))
        most = MOST_OUTLINES if level else MOST_AT_TOP if top else MOST_NAMES
        if len(found) <= most and not (level == 0 and _are_codes(found)) and _differ(found, read):
            return found
    return found


def _outline(part: str, expression: re.Pattern[str]) -> tuple[Outline, tuple[str, ...]]:
    """Read a part of a path: what stays, and the values of what varies."""
    pieces: Pieces = []
    values, end = [], 0
    for match in expression.finditer(part):
        if match.start() > end:
            pieces.append(("", part[end : match.start()]))
        pieces.append((match.lastgroup or WORD, ""))
        values.append(match[0])
        end = match.end()
    if end < len(part):
        pieces.append(("", part[end:]))
    return tuple(pieces), tuple(values)


def _are_codes(found: Mapping[Outline, Places]) -> bool:
    """Tell whether names that stand side by side are codes of things, as ``ENGM`` and ``ENFB``, or ``1a7389f7``."""
    texts = ["".join(text or "0" for _, text in outline) for outline in found]
    cores = [re.split(r"[-_=. ]", text)[-1] for text in texts]
    if len(cores) == 1:
        return False
    numbered = sum(bool(re.search(r"[0-9]", core)) for core in cores)
    alike = len({len(core) for core in cores}) == 1 and 2 * numbered > len(cores)
    return alike or all(re.fullmatch(r"(?=.*[A-Z])[A-Z0-9]{2,}", core) for core in cores)


def _differ(found: Mapping[Outline, Places], read: Mapping[str, tuple[Outline, tuple[str, ...]]]) -> bool:
    """Tell whether no part of a path can be read by the outline of another."""
    expressions = {outline: _expression(outline, places) for outline, places in found.items()}
    return not any(
        expression.fullmatch(part)
        for part, (mine, _) in read.items()
        for outline, expression in expressions.items()
        if outline != mine
    )


def _expression(outline: Outline, places: Places) -> re.Pattern[str]:
    """Write what an outline reads, with the letters that its columns have held."""
    columns = zip(*(values for _, values in places), strict=True)
    return re.compile("".join(re.escape(text) if not kind else pattern_of(next(columns)) for kind, text in outline))


def pattern_of(values: Sequence[str]) -> str:
    """Write the pattern of values like these: their kinds of letters, and as many as they have."""
    lengths = {len(value) for value in values}
    repeat = f"{{{lengths.pop()}}}" if len(lengths) == 1 else "+"
    letters = letters_of(values)
    if r"\." not in letters:
        return letters + repeat
    return letters_of([value[0] for value in values]) + letters + "*"  # no value is made of dots alone


def letters_of(values: Sequence[str]) -> str:
    """Write the class of the letters of values; where one of a kind is seen, all of the kind may come."""
    seen = "".join(sorted(set().union(*values)))
    if seen.isdecimal():
        return r"\d"
    kinds = "".join(kind for kind in ("A-Z", "a-z", "0-9") if re.search(f"[{kind}]", seen))
    others = "".join(letter if letter == "_" else f"\\{letter}" for letter in seen if not letter.isalnum())
    return f"[{kinds}{others}]"
