"""Small contracts, events and lakes drawn from a seed, and what plain loops say of them: for tests of the matching."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from adce_assets.contract.events import Event
from adce_assets.lake.store import KeyRange, StoredObject
from adce_assets.loop.ranges import WHOLE, Known, below
from adce_assets_tests.loop.hoops import AS_OF, NOW, TICK, held

HEAD = r"""
version: 1
leagues:
  hoops: {first_season: 2021-22, season_starts: 10}
ids:
  game: {pattern: 'g\d{4}'}
schedules:
  games: {league: hoops, id: game}
dimensions:
  award: {values: [mvp, roy]}
sources:
  official:
    description: d
    league: hoops
    schedule: games
    data_types:
"""
SEASONS = ("2021-22", "2022-23", "2023-24")
FIELDS = {"season": "{season}", "game": "{game_id}", "dated": "{date_compact}-{game_id}", "award": "{award}"}
FIELDS["both"] = "{season}-{award}"
EACH = {"season": "season", "game": "game", "dated": "game", "award": "award", "both": "season, award"}


@dataclass(frozen=True)
class Type:
    """A data type that was drawn."""

    name: str
    kind: str
    templates: tuple[str, ...]
    changes: str
    min_bytes: int
    freshness: timedelta
    grace: timedelta

    def declared(self) -> str:
        """Write it as the contract has it."""
        whole = ", seasons: all" if self.kind == "award" else ""
        days, hours = self.freshness / timedelta(days=1), self.grace / timedelta(hours=1)
        return (
            f"      {self.name}: {{description: d, for_each: [{EACH[self.kind]}], changes: {self.changes},"
            f" templates: {list(self.templates)}, min_bytes: {self.min_bytes},"
            f" freshness_days: {days}, grace_hours: {hours}{whole}}}\n"
        )


@dataclass
class Small:
    """A contract, its events and a lake, with what is known since when."""

    types: list[Type]
    events: list[Event]
    looks: list[Known]
    suspects: list[str]
    objects: dict[str, StoredObject] = field(default_factory=dict)

    def looked(self, key: str) -> datetime | None:
        """Tell when a key was looked at last: the look that was laid on top counts."""
        for look in reversed(self.looks):
            if look.range.after < key and (look.range.until is None or key <= look.range.until):
                return look.as_of
        return None


@dataclass(frozen=True)
class Subject:
    """One thing that a data type expects an object of."""

    of: Type
    season: str
    places: tuple[str | None, ...]
    over: datetime | None
    number: int | None = None
    basis: str = "schedule"


def subjects(world: Small) -> Iterable[Subject]:
    for one in world.types:
        for season in ("all",) if one.kind == "award" else SEASONS:
            begins = datetime(int("2021" if season == "all" else season[:4]), 10, 1, tzinfo=UTC)
            for values, over, number, basis in _values(world, one, season, begins):
                yield Subject(one, season, _places(one, values), over, number, basis)


def _values(world: Small, one: Type, season: str, begins: datetime) -> Iterable[tuple[dict[str, str], Any, Any, str]]:
    if one.kind in {"game", "dated"}:
        for number, game in enumerate(world.events):
            if game.season == season and game.game_id is not None:
                day = {} if game.day is None else {"date_compact": game.day.strftime("%Y%m%d")}
                yield {"game_id": game.game_id, **day}, game.event_at, number, game.basis
        return
    for award in ("mvp", "roy") if "award" in EACH[one.kind] else ("",):
        yield {"season": season, "award": award}, begins, None, "contract"


def _places(one: Type, values: dict[str, str]) -> tuple[str | None, ...]:
    places: list[str | None] = []
    for text in one.templates:
        try:
            places.append(text.format(**values))
        except KeyError:
            places.append(None)
    return (None, *[None] * (len(places) - 1)) if places[0] is None else tuple(places)


def draw_small(seed: int) -> Small:
    """Draw a world in which something of everything happens."""
    chance = random.Random(seed)
    types = []
    for number, kind in enumerate(chance.sample(list(FIELDS), chance.randint(1, 4))):
        texts = [f"t{number}v{version}/{FIELDS[kind]}.json" for version in range(chance.randint(1, 3))]
        if kind == "dated":
            texts[1:] = [text.replace("{date_compact}-", "") for text in texts[1:]]
        changes = chance.choice(["until_final"] * (EACH[kind] == "game") + ["within_season", "always"])
        days, hours = chance.choice([1, 7, 2.5]), chance.choice([0, 12, 30])
        one = Type(
            f"t{number}", kind, tuple(texts), changes, chance.choice([1, 100]), timedelta(days), timedelta(hours=hours)
        )
        types.append(one)
    events = [
        Event(
            schedule="games",
            game_id=None if chance.random() < 0.1 else f"g{number:04d}",
            season=chance.choice(SEASONS),
            season_type="regular",
            day=chance.choice([None, date(2024, 1, 1) + timedelta(days=number)]),
            event_at=chance.choice([None, *[NOW - timedelta(hours=chance.randrange(80)) for _ in range(4)]]),
            status="final",
            confirmed_at=NOW,
            basis=chance.choice(["schedule", "schedule", "estimate"]),
        )
        for number in range(12)
    ]
    world = Small(types, events, [], [])
    _fill(world, chance)
    _look(world, chance)
    return world


def _fill(world: Small, chance: random.Random) -> None:
    for subject in subjects(world):
        for place in subject.places:
            if place is None or chance.random() < 0.5:
                continue
            moments = [
                NOW - timedelta(hours=chance.randrange(400)),
                (subject.over or NOW) + chance.choice([-TICK, 0 * TICK]),
            ]
            size = chance.choice([0, subject.of.min_bytes - 1, subject.of.min_bytes, 5000])
            world.objects[place] = StoredObject(place, size, f"e{len(world.objects)}", chance.choice(moments))
    for key in ("junk", "t0v0/", "t0v0/g9999.json", "t9v0/é", *(f"t1v1/g{n:04d}.json" for n in range(3))):
        world.objects.setdefault(key, held(key))
    world.suspects[:] = chance.sample(list(world.objects), len(world.objects) // 6)


def _look(world: Small, chance: random.Random) -> None:
    moments = [NOW, AS_OF, NOW - timedelta(hours=60)]
    ends = sorted(chance.sample(list(world.objects), 6))
    stretches = [below(f"t{chance.randrange(4)}v{chance.randrange(3)}/") for _ in range(3)]
    stretches += [KeyRange(ends[0], ends[3]), KeyRange(ends[4], None), KeyRange("", ends[1])]
    world.looks[:] = [
        Known(stretch, chance.choice(moments)) for stretch in chance.sample(stretches, chance.randint(1, 6))
    ]
    if chance.random() < 0.6:
        world.looks.insert(0, Known(WHOLE, chance.choice(moments)))


SAID = ("data_type", "season", "rank", "key", "event", "event_at", "due_at", "size", "last_modified", "etag")
SAID += ("is_here", "is_known", "was_due", "is_old")
"""What an answer tells of a place, in the words of the matching."""


@dataclass
class Answer:
    """What plain loops say of a world."""

    named: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    plain: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes: Counter[tuple[str, str]] = field(default_factory=Counter)
    nameless: Counter[tuple[str, str]] = field(default_factory=Counter)
    met: set[str | None] = field(default_factory=set)


def answer(world: Small) -> Answer:
    found = Answer()
    for subject in subjects(world):
        cell, own = (subject.of.name, subject.season), subject.places[0]
        found.met.update(subject.places)
        if own is None:
            found.nameless[cell] += 1
            continue
        for rank, place in enumerate(subject.places):
            if place is None:
                continue
            if rank == 0 and place in world.objects and _is_plain(world, subject, world.objects[place]):
                found.plain[cell] += 1
                found.bytes[cell] += world.objects[place].size
            elif rank == 0 or place in world.objects:
                found.named[place] = _row(world, subject, rank, place)
    return found


def _is_plain(world: Small, subject: Subject, one: StoredObject) -> bool:
    of = subject.of
    is_early = of.changes == "until_final" and subject.basis != "estimate" and subject.over is not None
    may_age = of.changes == "always" or (of.changes == "within_season" and subject.season in {"2023-24", "all"})
    return not (
        one.size < of.min_bytes
        or one.key in world.suspects
        or (is_early and subject.over is not None and one.last_modified < subject.over)
        or (may_age and one.last_modified < NOW - of.freshness)
    )


def _row(world: Small, subject: Subject, rank: int, place: str) -> tuple[Any, ...]:
    one = world.objects.get(place)
    due = None if subject.over is None else subject.over + subject.of.grace
    looks = [world.looked(place)]
    if one is None:
        looks = [world.looked(other) for other in subject.places if other is not None]
    seen = [look for look in looks if look is not None]
    as_of = min(seen) if len(seen) == len(looks) else None
    was_due = None if due is None or as_of is None else due <= as_of
    is_old = None if one is None or as_of is None else one.last_modified < as_of - subject.of.freshness
    told = (one.size, one.last_modified, one.etag) if one else (None, None, None)
    key = subject.places[0] if rank else None
    cell = (subject.of.name, subject.season, rank, key, subject.number)
    return (*cell, subject.over, due, *told, one is not None, as_of is not None, was_due, is_old)
