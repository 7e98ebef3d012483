"""Patterns in, texts that they match out: what templates are tried with before they meet a lake.

Only patterns that `templates.check_pattern` lets pass are understood. What is tried with the texts belongs to `faults`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase, digits, punctuation

from adce_assets.contract.templates import TOKEN

PREFERRED = (
    digits + ascii_lowercase + ascii_uppercase + punctuation,
    ascii_uppercase + ascii_lowercase + digits + punctuation,
)
"""The short text takes the first character of the first line that fits, the longer text of the second."""


@lru_cache(maxsize=1_000)
def samples(pattern: str) -> tuple[str, ...]:
    """Return a short text that the pattern matches and a longer one; only one when they are the same."""
    tokens = TOKEN.findall(pattern)
    return tuple(dict.fromkeys(_Writer(tokens, PREFERRED[longer], longer).text() for longer in (0, 1)))


@dataclass(slots=True)
class _Writer:
    """Write one text along the tokens of a pattern; ``longer`` repeats once more and takes the last alternative."""

    tokens: list[str]
    preferred: str
    longer: int
    place: int = 0

    def text(self) -> str:
        options = [self._sequence()]
        while self._next() == "|":
            self.place += 1
            options.append(self._sequence())
        return options[-1 if self.longer else 0]

    def _sequence(self) -> str:
        written = ""
        while self._next() not in {"", "|", ")"}:
            written += self._piece() * self._times()
        return written

    def _piece(self) -> str:
        piece = self._next()
        self.place += 1
        if piece == "(":
            self.place += len("?:")
            inner = self.text()
            self.place += len(")")
            return inner
        if piece[0] in "\\[":
            return next(one for one in self.preferred if re.fullmatch(piece, one, re.ASCII))
        return piece

    def _times(self) -> int:
        repeat = self._next()
        if repeat not in {"*", "+", "?"} and repeat[:1] != "{":
            return 1
        self.place += 1
        self.place += self._next() == "?"
        if repeat[0] != "{":
            least, most = {"*": (0, 2), "+": (1, 2), "?": (0, 1)}[repeat]
        else:
            first, comma, last = repeat[1:-1].partition(",")
            least = int(first)
            most = int(last) if last else least + len(comma)
        return min(most, least + self.longer)

    def _next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""
