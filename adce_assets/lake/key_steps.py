"""Some keys in, evenly spaced places among keys like them out.

A key is read as a number whose digits are the letters that are seen at each place, or all of 0 to 9 where a digit is.
So a place a given distance further on can be named, though no key may lie there. For choosing where to look, and never
for saying what is there.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import prod

DIGITS = "0123456789"
_PLACES = 12
"""How many places behind what all the keys begin with are told apart."""


@dataclass(frozen=True, slots=True)
class KeySteps:
    """The letters that may stand at each place, in order."""

    letters: tuple[str, ...]

    @classmethod
    def of(cls, keys: Sequence[str]) -> "KeySteps":
        """Learn the letters from keys, of which there is at least one."""
        seen = [set(column) for column in zip_longest(*keys, fillvalue="")]
        alike = next((place for place, letters in enumerate(seen) if len(letters) > 1), len(seen))
        return cls(tuple(_letters(letters) for letters in seen[: alike + _PLACES]))

    @property
    def end(self) -> int:
        """The number behind all keys."""
        return prod(map(len, self.letters))

    def number(self, key: str) -> int:
        """Say where the key stands; one with other letters stands where they would."""
        number = 0
        for place, letters in enumerate(self.letters):
            digit = bisect_right(letters, key[place]) - 1 if place < len(key) else 0
            number = number * len(letters) + max(0, digit)
        return number

    def key(self, number: int) -> str:
        """Name the place of a number below `end`."""
        found = []
        for letters in reversed(self.letters):
            number, digit = divmod(number, len(letters))
            found.append(letters[digit])
        return "".join(reversed(found))


def _letters(seen: set[str]) -> str:
    present = seen - {""}
    return "".join(sorted(present | set(DIGITS) if present & set(DIGITS) else present))
