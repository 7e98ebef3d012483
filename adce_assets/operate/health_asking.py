"""The URL of a health server in, what it says out: for who stands at another machine, or does not want to look anew."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from adce_assets.errors import ServiceError, printable
from adce_assets.operate.health_answers import Problem, WellOrNot

DEADLINE_S = 10.0
MOST_BYTES = 4 * 1024 * 1024
VALID = "http://127.0.0.1:8080, or where else `adce health serve` listens"


def ask(url: str, token: str | None) -> WellOrNot:
    """Ask a server for its health, with a token if there is one; it is not followed elsewhere.

    Raises:
        ServiceError: it does not answer, wants another token, or what it says is not of a health server.
    """
    status, body = _answered(url, token)
    try:
        return WellOrNot.model_validate(body)
    except ValidationError:
        pass
    try:
        problem = Problem.model_validate(body)
    except ValidationError as error:
        raise ServiceError(f"what answers ({status}) is no health server", where=url, valid=VALID) from error
    hint = "ADCE_TOKEN holds the secret of `adce token issue`" if status in {401, 403} else printable(problem.hint)
    raise ServiceError(f"{status}: {printable(problem.error)}", where=url, hint=hint)


def _answered(url: str, token: str | None) -> tuple[int, Any]:
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        parts = urlsplit(url)
        kind = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}[parts.scheme]
        connection = kind(parts.hostname or "", parts.port, timeout=DEADLINE_S)
        connection.request("GET", f"{parts.path.rstrip('/')}/health", headers=headers)
        answer = connection.getresponse()
        body = json.loads(answer.read(MOST_BYTES))
        connection.close()
    except (KeyError, ValueError) as error:
        raise ServiceError("no health server answers in this way", where=printable(url), valid=VALID) from error
    except (OSError, http.client.HTTPException) as error:
        hint = "`adce start` starts it on this machine, `adce health serve` it alone"
        raise ServiceError(f"no answer: {type(error).__name__}", where=url, hint=hint) from error
    return answer.status, body
