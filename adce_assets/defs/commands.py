"""An existing program of the kind `command` in, a session of Dagster Pipes around each of its calls out.

A program that knows Pipes is told what the call is about and may log as it runs; one that does not is run without a
session. What either writes to its output stands in the run's log. What a program reports never makes a materialisation:
that is made from what is found in the lake. How a process runs, and what is found, is the business of `scrapers`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import dagster as dg
from dagster_pipes import PipesDefaultMessageWriter
from pydantic import BaseModel, ConfigDict, ValidationError

from adce_assets.loop.project import Project
from adce_assets.scrapers.command import Launched, Programs
from adce_assets.scrapers.processes import LINE, Ended, Listener, run

MESSAGES, MESSAGE = 10_000, 64 * 1024
"""Messages of a call, and bytes of a message, that are taken in; what is beyond is thrown away."""


@contextmanager
def programs(
    context: dg.AssetExecutionContext, project: Project, folders: Sequence[Path], *, run_id: str
) -> Iterator[Programs]:
    """Lend the programs of the installation, each call of them in a session of Pipes."""
    yield Programs(
        folders=folders,
        store=project.lake,
        run_id=run_id,
        clock=project.clock,
        kept=project.settings.secrets,
        launch=lambda launched: launch(context, launched),
    )


def launch(context: dg.AssetExecutionContext, launched: Launched) -> Ended:
    """Run a call's process, in a session of its own if it knows what that is.

    Raises:
        OSError: it could not be started.
    """
    if launched.pipes:
        ended = _in_session(context, launched)
    else:
        ended = run(launched.process, Listener(say=context.log.info, redacted=launched.redacted))
    context.log.info("the program ended with code %d after %.1f s", ended.code, ended.seconds)
    if ended.unsaid:
        context.log.warning("%d byte(s) of its output were too much to be kept", ended.unsaid)
    return ended


def _in_session(context: dg.AssetExecutionContext, launched: Launched) -> Ended:
    process = launched.process
    reader = BoundedReader(context, process.folder / "pipes-messages", launched.redacted)
    injector = dg.PipesFileContextInjector(str(process.folder / "pipes-context"))
    of_op = context.op_execution_context  # an asset's own context warns of what a session reads of it
    with dg.open_pipes_session(of_op, injector, reader, extras=dict(launched.told)) as session:
        environment = {**process.environment, **session.get_bootstrap_env_vars()}
        listener = Listener(say=context.log.info, watch=reader.take, redacted=launched.redacted)
        return run(replace(process, environment=environment), listener)


class _Params(BaseModel):
    """What is read of a message's parameters; the rest may be anything."""

    model_config = ConfigDict(frozen=True, strict=True)

    message: str = ""
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    asset_key: str = ""
    exception: dict[str, Any] | None = None


class _Message(BaseModel):
    """A message of Pipes; those of other methods are passed over."""

    model_config = ConfigDict(frozen=True, strict=True)

    method: str
    params: _Params | None = None


class BoundedReader(dg.PipesMessageReader):
    """Reads the messages of one process from a file of its own, as long as they are messages and not too many.

    Whatever a process writes there, it can neither fill the memory nor end the run.
    """

    def __init__(self, context: dg.AssetExecutionContext, file: Path, redacted: Callable[[str], str]) -> None:
        self._context, self._file, self._redacted = context, file, redacted
        self._handler: dg.PipesMessageHandler | None = None
        self._stream: BinaryIO | None = None
        self._taken = self._refused = 0

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[dict[str, Any]]:
        """Say where messages are to be written, and take in the last of them at the end."""
        self._handler = handler
        with self._file.open("xb"), self._file.open("rb") as self._stream:
            yield {PipesDefaultMessageWriter.FILE_PATH_KEY: str(self._file)}
        if self._refused:
            self._context.log.warning("%d message(s) of the program are no messages of Pipes", self._refused)

    def take(self) -> None:
        """Take in the messages that have been written as a whole since the last time."""
        while self._stream is not None and self._taken < MESSAGES:
            place = self._stream.tell()
            line = self._stream.readline(MESSAGE)
            if not line.endswith(b"\n") and len(line) < MESSAGE:
                self._stream.seek(place)
                return
            self._taken += 1
            self._hand_on(line)

    def _hand_on(self, line: bytes) -> None:
        try:
            message = _Message.model_validate_json(line)
        except ValidationError:
            self._refused += 1
            return
        params = message.params or _Params()
        if message.method in {"opened", "closed"} and self._handler is not None:
            self._handler.handle_message({"__dagster_pipes_version": "0.1", "method": message.method, "params": {}})
        if message.method == "closed" and params.exception is not None:
            self._context.log.error("the program failed: %s", self._shown(str(params.exception.get("message"))))
        elif message.method == "log":
            self._context.log.log(params.level, self._shown(params.message))
        elif message.method.startswith("report_"):
            self._context.log.info("the program sends `%s` %s", message.method, self._shown(params.asset_key))

    def _shown(self, text: str) -> str:
        text = self._redacted(text)[:LINE]
        return "".join(letter if letter.isprintable() else " " for letter in text).strip()

    @property
    def expected_writer_count(self) -> int:
        """Say that one process writes; what stands in the base class warns whenever it is asked."""
        return 1

    def no_messages_debug_text(self) -> str:
        """Say why there may be none."""
        return "Its entry says `pipes: true`; a program that knows nothing of Dagster Pipes sends no messages."
