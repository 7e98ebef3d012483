"""Wanted keys in, calls of an existing program out; and what the program has put into the lake, as collected documents.

The program writes into the lake itself, in whatever way it likes, and need know nothing of ADCE. That it ended well
proves nothing: each key is looked up before and after the call, and what is there is audited like any other document.
What must not become data is taken away from its key, which is then missing and asked for again.
Where programs may lie is said in `programs`, how a process runs in `processes`; how Dagster listens, in its own room.
"""

import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from adce_assets.errors import ConditionFailedError, ConfigurationError, ProgramError, VerifyError
from adce_assets.fetch.audit import audit
from adce_assets.fetch.requirements import Arrival
from adce_assets.fetch.secrets import SHORTEST, Redactor, Secrets
from adce_assets.fetch.staging import QUARANTINE
from adce_assets.lake.store import LakeStore, StoredObject, vacate
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Collected, Failed, Wanted
from adce_assets.scrapers.markers import Said, markers, said_since
from adce_assets.scrapers.planning import PLAIN
from adce_assets.scrapers.processes import Ended, Listener, Process, run
from adce_assets.scrapers.programs import Command, located

log = logging.getLogger(__name__)

LONGEST = 100_000
"""Bytes of a command line; the kernel allows 131,072 for one argument."""
FIELD = 1_000
"""Bytes of it that are kept for each field of one value: a lake's URL, a folder, a season."""
KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./=+@:-]{0,899}")
"""A key that may stand in an argument: none that looks like an option, or like two of a list."""
GIVEN = ("lake", "folder", "run")
"""What arguments may name beside the fields of keys: the lake's URL, the call's own folder, the run."""
PATH = "/usr/local/bin:/usr/bin:/bin"
PIECE = 8 * 1024 * 1024
"""Larger documents are kept in a file while they are looked at."""

Told = Mapping[str, str | Sequence[str]]
"""What a call is about, for programs that ask: fields of one value, lists of all values, the keys, lake and run."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the program, and the keys that it is for."""

    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class Launched:
    """What is to be started for a call, what nobody may read in its output, and whether it speaks Dagster Pipes."""

    process: Process
    told: Told
    redacted: Callable[[str], str]
    pipes: bool


def launch(launched: Launched) -> Ended:
    """Run a call's process, its output in the log."""
    return run(launched.process, Listener(say=log.info, redacted=launched.redacted))


@dataclass(slots=True)
class Programs:
    """Who is asked: the programs of this installation.

    Attributes:
        folders: Where they may lie.
        store: The lake that they write into.
        run_id: Names the run to them.
        clock: The time (UTC).
        kept: Variables and secrets by name.
        launch: Starts one and waits for its end.
        requests: How many calls there were.
        retries: None: what has failed is tried again by a later run.
        waited_s: Nothing: no host is asked by ADCE itself.
    """

    folders: Sequence[Path]
    store: LakeStore
    run_id: str
    clock: Callable[[], datetime]
    kept: Secrets
    launch: Callable[[Launched], Ended] = launch
    requests: int = 0
    retries: int = 0
    waited_s: float = 0.0


def plan(entry: ScraperEntry, wanted: Sequence[Wanted], now: datetime) -> Iterator[Call | Failed]:  # noqa: ARG001 - as `Kind` has it
    """Divide keys into calls: alike in the fields that stand for one value, and not too many for a command line.

    Raises:
        ConfigurationError: the arguments name what no key has, or a key is of a data set that is not yielded.
    """
    command = command_of(entry)
    groups: dict[tuple[str, ...], list[Wanted]] = {}
    for one in wanted:
        if one.data_set not in entry.yields:
            raise ConfigurationError(f"the scraper does not yield `{one.data_set}`", valid=", ".join(entry.yields))
        single, _ = _fields(command, one)
        try:
            _check(one, command)
        except VerifyError as error:
            yield Failed(one, error, "")
        else:
            groups.setdefault(tuple(one.entity[name] for name in single), []).append(one)
    for group in groups.values():
        yield from map(Call, _batches(command, group))


def command_of(entry: ScraperEntry) -> Command:
    """Return how an entry of this kind calls its program; ConfigurationError where it does not say."""
    if entry.command is None:
        raise ConfigurationError("the entry does not say which program to call", valid="`command` with a `program`")
    return entry.command


def arguments(command: Command, wanted: Sequence[Wanted], given: Mapping[str, str]) -> list[str]:
    """Fill the argument templates for the keys of one call; ``given`` are the values of `GIVEN`."""
    values = dict(given)
    values |= {name: value if isinstance(value, str) else ",".join(value) for name, value in told(command, wanted)}
    return [text.format_map(values) for text in command.arguments]


def told(command: Command, wanted: Sequence[Wanted]) -> Iterator[tuple[str, str | list[str]]]:
    """Name what a call is about: what its keys have in common, and lists of what they have not."""
    single, several = _fields(command, wanted[0])
    yield "keys", [one.key for one in wanted]
    for name in single:
        yield name, wanted[0].entity[name]
    for name in several:
        yield name, list(dict.fromkeys(one.entity[name[:-1]] for one in wanted))


def _fields(command: Command, one: Wanted) -> tuple[list[str], list[str]]:
    """Tell which fields of the arguments stand for one value of a key's, and which for those of all keys."""
    single = [name for name in command.fields if name in one.entity]
    rest = [name for name in command.fields if name not in {*single, *GIVEN, "keys"}]
    unknown = [name for name in rest if not (name.endswith("s") and name[:-1] in one.entity)]
    if unknown:
        raise ConfigurationError(
            f"nothing fills `{{{unknown[0]}}}`",
            where=f"the arguments of `{command.program}`",
            valid=", ".join(f"{{{name}}}" for name in (*GIVEN, "keys", *one.entity)) + ", and with an `s` for a list",
        )
    return single, rest


def _check(one: Wanted, command: Command) -> None:
    """Refuse a key that would say something else in a command line than it is."""
    single, several = _fields(command, one)
    for name in (*single, *(name[:-1] for name in several)):
        if not PLAIN.fullmatch(one.entity[name]):
            raise VerifyError(f"{one.entity[name][:60]!r} cannot be asked for", where=f"`{name}`", valid=PLAIN.pattern)
    if "keys" in command.fields and not KEY.fullmatch(one.key):
        raise VerifyError(f"{one.key[:60]!r} cannot stand in a list of keys", valid=KEY.pattern)


def _batches(command: Command, group: Sequence[Wanted]) -> Iterator[tuple[Wanted, ...]]:
    _, several = _fields(command, group[0])
    listed = [name for text in command.arguments for name in (*several, "keys") if f"{{{name}}}" in text]
    batch: list[Wanted] = []
    length = fixed = sum(len(text) + 1 for text in command.arguments) + FIELD * len(command.fields)
    for one in group:
        longer = sum(len(one.key if name == "keys" else one.entity[name[:-1]]) + 1 for name in listed)
        if batch and (len(batch) == command.keys_per_call or length + longer > LONGEST):
            yield tuple(batch)
            batch, length = [], fixed
        batch.append(one)
        length += longer
    yield tuple(batch)


def answer(entry: ScraperEntry, call: Call, programs: Programs, folder: Path) -> Iterator[Collected | Failed]:
    """Call the program for those keys that nobody has written meanwhile, and look at each of them afterwards.

    Raises:
        ConfigurationError: the program may not be started, or a secret that it needs is kept nowhere.
        LakeError: the lake could not be read.
    """
    before = {one.key: programs.store.head(one.key) for one in call.wanted}
    for one in call.wanted:
        there = before[one.key]
        if there is not None and one.etag is None:
            yield _collected(entry, one, there, programs, folder)
    still = [one for one in call.wanted if before[one.key] is None or one.etag is not None]
    if not still:
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix="before-") as aside:
        lay_there = (before[one.key] for one in still)
        old = {there.key: _file(programs.store, there, Path(aside)) for there in lay_there if there is not None}
        with tempfile.TemporaryDirectory(dir=folder, prefix="call-") as own:
            how, said = _called(command_of(entry), still, programs, Path(own))
        for one in still:
            there = programs.store.head(one.key)
            if there is None or there == before[one.key]:
                yield Failed(one, ProgramError(_unwritten(one, how, said, there)), "")
                continue
            written = _collected(entry, one, there, programs, folder, said.warnings)
            if _must_not_be_data(written):
                _take_away(programs, there, written.body, old.get(one.key))
            yield written


def _must_not_be_data(written: Collected) -> bool:
    """Tell whether what a program wrote came too late or fails the audit; whoever promotes it will say more of it."""
    if written.wanted.out_of_time(written.fetched_at):
        return True
    arrival = Arrival(at=written.fetched_at, headers={})
    try:
        audit(written.body, written.requirements, written.wanted.entity, arrival=arrival)
    except VerifyError:
        return True
    return False


def _take_away(programs: Programs, there: StoredObject, body: bytes | Path, old: Path | None) -> None:
    """Empty a key under which a program has put what must not stay; of that, and of what lay there, copies are kept.

    The old version does not go back under the key: it would bear the time of now, and pass for as fresh as that.
    """
    store, place = programs.store, f"{QUARANTINE}{programs.run_id}/{there.key}"
    for name, kept in {place: body, f"{place}.before": old}.items():
        with suppress(ConditionFailedError):  # an earlier call of this run has kept one already
            if kept is not None:
                store.put_if_absent(name, kept)
    if store.head(there.key) == there:
        vacate(store, there.key)
    log.warning("%s must not stay as the program wrote it: it is taken away", there.key)


def _called(command: Command, wanted: Sequence[Wanted], programs: Programs, own: Path) -> tuple[str, Said]:
    """Call the program for these keys, in a folder of its own; return how it ended, in words, and what it said."""
    given = {"lake": programs.store.url, "folder": str(own), "run": programs.run_id}
    hidden = Redactor()
    environment = _environment(command, programs, own, hidden)
    line = [str(located(command.program, programs.folders)), *arguments(command, wanted, given)]
    process = Process(line, environment, own, command.seconds(len(wanted)))
    cells = {(one.source, one.data_type, one.season) for one in wanted}
    before = markers(programs.store, cells)
    programs.requests += 1
    try:
        about = {**dict(told(command, wanted)), **given}
        ended = programs.launch(Launched(process, about, hidden.text, command.pipes))
    except OSError as error:
        return f"`{command.program}` could not be started ({error.strerror})", Said()
    said = said_since(programs.store, before, markers(programs.store, cells))
    for warning in said.warnings:
        log.warning("%s: %s", command.program, warning)
    return _how(command, ended), said


def _environment(command: Command, programs: Programs, own: Path, hidden: Redactor) -> dict[str, str]:
    """Make the whole environment of a program: what each is given, and what its entry names."""
    environment = {"PATH": PATH, "HOME": str(own), "TMPDIR": str(own), "LANG": "C.UTF-8"}
    environment |= {"ADCE_LAKE": programs.store.url, "ADCE_RUN": programs.run_id}
    for name in (*command.environment, *command.secrets):
        value = programs.kept(name)
        if value is None and name in command.secrets:
            raise ConfigurationError(f"no secret is kept under `{name}`", where=f"`{command.program}` needs it")
        environment |= {} if value is None else {name: value}
    for name in command.secrets:
        _check_secret(command, name, environment[name])
        hidden.learn(environment[name])
    return environment


def _check_secret(command: Command, name: str, value: str) -> None:
    """Refuse what could not be kept out of a log: too short to be told from other text, or of several lines."""
    if not (value.isascii() and value.isprintable() and len(value) >= SHORTEST):
        raise ConfigurationError(
            f"the secret `{name}` cannot be passed on",
            where=f"`{command.program}` needs it",
            valid=f"printable ASCII, {SHORTEST} letters or more",
        )


def _how(command: Command, ended: Ended) -> str:
    last = f" ({ended.last[-1]})" if ended.last and not ended.is_well else ""
    if not ended.in_time:
        return f"`{command.program}` was stopped after {ended.seconds:.0f} s{last}"
    if ended.code < 0:
        return f"`{command.program}` was killed by signal {-ended.code}{last}"
    return f"`{command.program}` ended " + ("well" if ended.is_well else f"with code {ended.code}{last}")


def _unwritten(one: Wanted, how: str, said: Said, there: StoredObject | None) -> str:
    """Say why a key counts as not collected."""
    parts = [how, "and has not written the key" if there is None else "and has not written the key anew"]
    parts += ["although its completion marker names it"] if one.key in said.claimed else []
    parts += [f"but `{min(said.claimed)}`"] if said.claimed and one.key not in said.claimed else []
    parts += [f"(its completion marker reports a failure: {', '.join(said.failed)})"] if said.failed else []
    return " ".join(parts)


def _collected(
    entry: ScraperEntry,
    one: Wanted,
    there: StoredObject,
    programs: Programs,
    folder: Path,
    warnings: tuple[str, ...] = (),
) -> Collected:
    """Hand on what lies under a key, as something that must not be replaced; it came when it was written there."""
    requirements = entry.yields[one.data_set].requirements
    url = f"{programs.store.url}/{one.key}"
    body = _body(programs.store, there, folder)
    came = min(there.last_modified, programs.clock())
    return Collected(replace(one, etag=None), body, url, came, requirements, warnings=warnings)


def _body(store: LakeStore, there: StoredObject, folder: Path) -> bytes | Path:
    """Read an object, into a file if it is large."""
    return store.get(there.key) if there.size <= PIECE else _file(store, there, folder)


def _file(store: LakeStore, there: StoredObject, folder: Path) -> Path:
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        for start in range(0, there.size, PIECE):
            file.write(store.get(there.key, start=start, length=PIECE))
    return Path(file.name)
