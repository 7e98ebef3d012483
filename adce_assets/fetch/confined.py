"""A hostile file and a reader in, the reader's answer out, from a process of its own with hard limits.

Parquet, SQLite and PDF are read by large libraries that trust their files: whatever one of them does with a crafted
file (crash, loop, take all memory), it does it to a process that is thrown away and that knows no secrets.
"""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from adce_assets import errors
from adce_assets.errors import DamagedDocumentError, OversizedDocumentError, ProgramError, VerifyError
from adce_assets.fetch.bodies import Body

CPU_S, WALL_S = 300, 900
GRACE_S = 5
"""From the signal that says whose time is over to the one that nobody survives, which may also be the system's."""
MEMORY = 3 * 1024**3
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes; a process can write no larger file."""
MEMORY_ERROR = "MemoryError"


def read(reader: str, body: Body, asked: Mapping[str, Any], *, cpu_s: int = CPU_S, memory: int = MEMORY) -> Any:
    """Call ``survey(path, asked)`` of a module in a process of its own; both ways only JSON passes.

    Args:
        reader: The module's name.
        body: The file; bytes are written to a temporary one first.
        asked: What the reader is told.
        cpu_s: Seconds of processor time it may take.
        memory: Bytes of address space it may take.

    Raises:
        VerifyError: of the class that the reader raised.
        DamagedDocumentError: the reader crashed.
        OversizedDocumentError: it took more time or memory than it may, or told too much.
        ProgramError: the system ended it; another time it may go well.
    """
    if isinstance(body, bytes):
        with tempfile.TemporaryDirectory(prefix="adce-") as folder:
            path = Path(folder) / "body"
            path.write_bytes(body)
            return read(reader, path, asked, cpu_s=cpu_s, memory=memory)
    question = json.dumps([reader, str(body.resolve()), dict(asked), cpu_s, memory])
    with tempfile.TemporaryFile(prefix="adce-") as told:
        code = _run(question.encode(), told)
        told.seek(0)
        return _answer(code, told.read(MAX_ANSWER + 1))


def _run(question: bytes, told: IO[bytes]) -> int:
    """Put the question to a new process, which has no environment of ours and imports nothing from where we work."""
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "ARROW_DEFAULT_MEMORY_POOL": "system"}
    try:
        return subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-m", "adce_assets.fetch.confined"],
            input=question,
            stdout=told,
            stderr=subprocess.DEVNULL,
            timeout=WALL_S,
            env=environment,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired as error:
        raise OversizedDocumentError(f"reading it took more than {WALL_S} s") from error


def _answer(code: int, output: bytes) -> Any:
    if -code == signal.SIGXCPU:
        raise OversizedDocumentError("reading it takes too much time")
    if -code == signal.SIGKILL:
        raise ProgramError(
            "the process that read it was killed", hint="systems do so when memory is short: run less at once"
        )
    if len(output) > MAX_ANSWER:
        raise OversizedDocumentError(f"its reader told more than {MAX_ANSWER} bytes")
    answer = _parsed(output)
    if "read" in answer:
        return answer["read"]
    if answer.get("class") == MEMORY_ERROR:
        raise OversizedDocumentError("reading it takes too much memory")
    kind = getattr(errors, str(answer.get("class")), None)
    if not (isinstance(kind, type) and issubclass(kind, VerifyError)):
        raise DamagedDocumentError(f"the reader of such files died of it ({code})")
    raise kind(str(answer.get("what")), where=str(answer.get("where")))


def _parsed(output: bytes) -> dict[str, Any]:
    """Read what the process told, which a hostile file may have dictated."""
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _main() -> None:
    """Be the process that reads."""
    reader, path, asked, cpu_s, memory = json.load(sys.stdin)
    module = importlib.import_module(reader)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + GRACE_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_ANSWER + 1, MAX_ANSWER + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        answer = {"read": module.survey(Path(path), asked)}
    except VerifyError as error:
        answer = {"class": type(error).__name__, "what": error.what[:500], "where": error.where[:200]}
    except MemoryError:
        answer = {"class": MEMORY_ERROR}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _main()
