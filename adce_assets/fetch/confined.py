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
from typing import Any

from adce_assets import errors
from adce_assets.errors import DamagedDocumentError, OversizedDocumentError, VerifyError
from adce_assets.fetch.bodies import Body

CPU_S, WALL_S = 300, 900
MEMORY = 3 * 1024**3
MAX_ANSWER = 64 * 1024 * 1024
OUT_OF_TIME = frozenset({signal.SIGXCPU, signal.SIGKILL})
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
        OversizedDocumentError: it took more time or memory than it may.
    """
    if isinstance(body, bytes):
        with tempfile.TemporaryDirectory(prefix="adce-") as folder:
            path = Path(folder) / "body"
            path.write_bytes(body)
            return read(reader, path, asked, cpu_s=cpu_s, memory=memory)
    question = json.dumps([reader, str(body.resolve()), dict(asked), cpu_s, memory])
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "ARROW_DEFAULT_MEMORY_POOL": "system"}
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "adce_assets.fetch.confined"],
            input=question.encode(),
            capture_output=True,
            timeout=WALL_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OversizedDocumentError(f"reading it took more than {WALL_S} s") from error
    return _answer(done.returncode, done.stdout)


def _answer(code: int, output: bytes) -> Any:
    if -code in OUT_OF_TIME:
        raise OversizedDocumentError("reading it takes too much time")
    try:
        answer = json.loads(output) if len(output) <= MAX_ANSWER else {}
    except ValueError:
        answer = {}
    if "read" in answer:
        return answer["read"]
    if answer.get("class") == MEMORY_ERROR:
        raise OversizedDocumentError("reading it takes too much memory")
    if "class" not in answer:
        raise DamagedDocumentError(f"the reader of such files died of it ({code})")
    kind: type[VerifyError] = getattr(errors, answer["class"])
    raise kind(answer["what"], where=answer["where"])


def _main() -> None:
    """Be the process that reads."""
    reader, path, asked, cpu_s, memory = json.load(sys.stdin)
    module = importlib.import_module(reader)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
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
