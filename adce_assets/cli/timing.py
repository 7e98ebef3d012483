"""What is done at which time in, the rate and the time left out, with how sure that is.

How it is drawn is not known here.
"""

from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean, stdev

WINDOWS = 32
"""Parts of the time so far that are remembered at most; then two become one."""
FEWEST = 4
"""Parts without which nobody can tell how much they differ."""
SURE = 1.645
"""Standard deviations to either side between which nine of ten lie."""


@dataclass(frozen=True, slots=True)
class Left:
    """Seconds left, and the fewest and the most of nine cases of ten; None where nobody can tell."""

    seconds: float
    fewest: float | None = None
    most: float | None = None


@dataclass(slots=True)
class Timing:
    """How fast something goes.

    Attributes:
        began: When (seconds, of which only differences count).
        done: How much was done by the newest moment that was told.
        before: How much was done when it began; it says nothing of the rate.
        width: Seconds of a part of the time.
        marks: How much was done at the end of each part.
    """

    began: float
    done: int = 0
    now: float = 0.0
    before: int = 0
    width: float = 1.0
    marks: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin to count."""
        self.now, self.before = self.began, self.done

    def tell(self, now: float, done: int) -> None:
        """Take note of how much is done by a moment; until then it was as much as was told last."""
        while now >= self.began + self.width * (len(self.marks) + 1):
            self.marks.append(self.done)
            if len(self.marks) == WINDOWS:
                self.marks, self.width = self.marks[1::2], self.width * 2
        self.now, self.done = now, done

    @property
    def rate(self) -> float:
        """Units per second; 0 while nothing is done."""
        return (self.done - self.before) / (self.now - self.began) if self.now > self.began else 0.0

    def left(self, total: int | None) -> Left | None:
        """Say how long the rest takes at the rate so far; None while nobody can tell, or nothing is left."""
        rest = (total or 0) - self.done
        if self.rate <= 0 or rest <= 0:
            return None
        if len(self.marks) < FEWEST:
            return Left(rest / self.rate)
        parts = [after - before for before, after in zip([self.before, *self.marks], self.marks, strict=False)]
        if not fmean(parts):
            return Left(rest / self.rate)
        off = SURE * stdev(parts) / sqrt(len(parts)) / fmean(parts)
        return Left(
            rest / self.rate, rest / (self.rate * (1 + off)), rest / (self.rate * (1 - off)) if off < 1 else None
        )
