"""What an entry says of its program in, the program's own file out, if it lies where programs may lie.

Only what a person put into the configured folders is ever started: a name that leads out of them, by ``..`` or by a
link, or a file that anybody on this machine may rewrite, is refused. How it is called is the business of `command`.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Formatter
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from adce_assets.errors import ConfigurationError

RESERVED = frozenset({"PATH", "HOME", "TMPDIR", "LANG", "ADCE_LAKE", "ADCE_RUN"})
"""Variables that every program is given, and that no entry changes; ``PATH`` may be named to pass on ADCE's own."""
LOADER = ("LD_", "DYLD_", "DAGSTER_PIPES_")
"""What variables begin with that decide which code a program runs, or whom it talks to."""


def _check_template(text: str) -> str:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        message = f"`{text}` is not a template: {error}"
        raise ValueError(message) from error
    for _, field, spec, conversion in parts:
        if field is not None and (not field.isidentifier() or spec or conversion):
            message = f"`{{{field}}}` is no field; write a name such as {{season}} or {{game_ids}}"
            raise ValueError(message)
    if "\0" in text:
        message = "an argument holds no NUL"
        raise ValueError(message)
    return text


def _check_variable(name: str) -> str:
    if name in RESERVED - {"PATH"} or name.startswith(LOADER):
        message = f"`{name}` is not passed on; every program is given {', '.join(sorted(RESERVED))}"
        raise ValueError(message)
    return name


ProgramName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$", max_length=200)
]
Argument = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_check_template)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100), AfterValidator(_check_variable)]


class Command(BaseModel):
    """How an entry of the kind ``command`` calls its program.

    Attributes:
        program: The file below one of the ``program_folders``; it is started itself, without a shell.
        arguments: Templates: a field of the key (``{season}``) calls the program once for each of its values, a field
            with an ``s`` behind it (``{game_ids}``) stands for all values of a call joined by commas.
        environment: Variables of ADCE's own environment that are passed on, by name.
        secrets: Secrets that are passed on as variables of their names; they are kept out of every log.
        keys_per_call: How many keys one call is asked for at most.
        seconds_per_key: What a call may take for each of its keys; then it is stopped.
        seconds_at_least: What any call may take.
        pipes: Whether the program is offered a session of Dagster Pipes; one that knows nothing of it needs none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    program: ProgramName
    arguments: Annotated[tuple[Argument, ...], Field(max_length=100)] = ()
    environment: tuple[Variable, ...] = ()
    secrets: tuple[Variable, ...] = ()
    keys_per_call: Annotated[int, Field(ge=1, le=10_000)] = 100
    seconds_per_key: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    seconds_at_least: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    pipes: bool = False

    @model_validator(mode="after")
    def _once(self) -> Self:
        if both := sorted(set(self.environment) & set(self.secrets)):
            message = f"`{both[0]}` is either a secret or not"
            raise ValueError(message)
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that the arguments name, each once."""
        named = (field for text in self.arguments for _, field, _, _ in Formatter().parse(text))
        return tuple(dict.fromkeys(field for field in named if field is not None))

    def seconds(self, keys: int) -> float:
        """Say how long a call for so many keys may take."""
        return max(self.seconds_at_least, self.seconds_per_key * keys)


def located(program: str, folders: Sequence[Path]) -> Path:
    """Find a program in the first folder that has it.

    Raises:
        ConfigurationError: none has it, or it may not be started from there.
    """
    for folder in folders:
        file = folder / program
        if os.path.lexists(file):
            if problem := next(_problems(folder, program), ""):
                raise ConfigurationError(problem, where=str(file), hint="see docs/commands.md: what may be started")
            return folder.resolve() / program
    raise ConfigurationError(
        f"no program is named `{program}`",
        where="`program_folders`",
        valid="a file below " + (", ".join(map(str, folders)) or "a configured folder; none is configured"),
    )


def _problems(folder: Path, program: str) -> Iterator[str]:
    """Yield why a program may not be started; the first is reason enough."""
    if {"", ".", ".."} & set(program.split("/")):
        yield "leads out of the folder of programs"
        return
    place = folder.resolve()
    for name in ("", *program.split("/")):
        place = place / name
        found = place.lstat()
        if stat.S_ISLNK(found.st_mode):
            yield f"`{place.name}` is a link: what it leads to may lie anywhere"
            return
        if found.st_mode & stat.S_IWOTH:
            yield f"`{place.name}` may be rewritten by anybody on this machine"
        if found.st_uid not in {0, os.geteuid()}:
            yield f"`{place.name}` belongs to another user"
    if not stat.S_ISREG(found.st_mode):
        yield "is no file"
    elif not os.access(place, os.X_OK):
        yield "is not executable"
