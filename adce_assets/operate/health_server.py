"""Looks at an installation in, answers over HTTP out: how it is, for people, monitors and whoever restarts things.

Every answer to a look is of what was seen last: no request touches the lake, the state or a database but that of the
tokens, and that once a second at most. What operators may ask for is done in `health_acts`, who they are is known in
`health_access`.
"""

import json
import logging
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from adce_assets.errors import AccessError, AdceError, NotLetInError, ServiceError
from adce_assets.operate import health_answers as answers
from adce_assets.operate import samples, telling
from adce_assets.operate.causes import Cause, Severity
from adce_assets.operate.health_access import AT_ONCE, Doors, Gate, names_of
from adce_assets.operate.health_acts import Acts
from adce_assets.operate.health_page import page_of
from adce_assets.operate.health_waiting import patient
from adce_assets.operate.looks import Look, Looks
from adce_assets.operate.tokens import Holder, Role
from adce_assets.settings import now

if TYPE_CHECKING:
    from uvicorn import Server

logger = logging.getLogger(__name__)

LOOKS_LATE = 3
"""Looks that may be late before the last one is not answered from any more."""
A_LOOK_S = 60.0
"""Seconds that a look and the sending of its alerts may take, however short the interval is."""
BEARER = HTTPBearer(auto_error=False, description="A secret of `adce token issue`.")
_Refusals: Mapping[int | str, dict[str, Any]] = {
    status: {"model": answers.Problem} for status in (401, 403, 409, 422, 503)
}
_LOOKING: Mapping[int | str, dict[str, Any]] = {status: _Refusals[status] for status in (401, 503)}


@dataclass(frozen=True, slots=True)
class Desk:
    """What a server answers from: what was seen, who may ask, what may be done, and how often is looked (seconds)."""

    looks: Looks
    doors: Doors
    acts: Acts
    every_s: float
    monotonic: Callable[[], float] = time.monotonic

    def latest(self) -> tuple[Look | None, Cause | None]:
        """Return the last look, and why it cannot be answered from, if so."""
        look, hint = self.looks.latest, "`adce logs --component health` says why"
        if look is None:
            return None, Cause("not_looked_yet", "", Severity.CRITICAL, "nobody has looked yet", hint)
        age = self.monotonic() - look.began
        if age > LOOKS_LATE * self.every_s + A_LOOK_S:
            what = f"the last look is {age:.0f} s old; wanted: one every {self.every_s:g} s"
            return look, Cause("look_late", "", Severity.CRITICAL, what, hint)
        return look, None


def application(desk: Desk) -> FastAPI:
    """Make the application of a desk."""
    made = FastAPI(
        title="ADCE health",
        version=version("adce"),
        description="How the loop is, and what an operator may ask of it.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    _tell(made, desk)
    _tell_more(made, desk)
    _tell_of_tasks(made, desk)
    _describe(made, desk)
    _act(made, desk)
    _explain(made)
    return made


def server(desk: Desk, address: str) -> "Server":
    """Make a server that lets nothing through that is not meant for this address; it is run with a socket."""
    import uvicorn

    class Ending(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            await run_in_threadpool(desk.acts.end)

    gate = Gate(application(desk), names=names_of(address), doors=desk.doors)
    return Ending(
        uvicorn.Config(
            gate,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            http=patient(),
            timeout_keep_alive=5,
            timeout_graceful_shutdown=5,
        )
    )


def listening(address: str, port: int) -> socket.socket:
    """Listen on an address; ServiceError says why that cannot be."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(AT_ONCE)
    except OSError as error:
        with closing(made):
            hint = "another program has it: choose another `health.port` in config/autonomous_config.yaml"
            raise ServiceError(f"cannot listen: {error.strerror}", where=f"{address}:{port}", hint=hint) from error
    return made


def _holder(doors: Doors, wanted: Role) -> Any:
    """Make what lets a request in that may do what needs a role."""

    async def let_in(shown: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]) -> Holder:
        return await doors.let_in(shown.credentials if shown else None, wanted)

    return Depends(let_in)


def _tell(made: FastAPI, desk: Desk) -> None:
    viewer = [_holder(desk.doors, Role.VIEWER)]

    @made.get("/live", response_model=answers.Alive)
    async def live() -> answers.Alive:
        """Say that the server answers. It takes no token, and looks at nothing: whoever restarts things asks this."""
        return answers.Alive()

    @made.get("/ready", dependencies=viewer, response_model=answers.Ready, responses=dict(_LOOKING))
    async def ready() -> Response:
        """Say whether there is a look that is young enough to answer from: 200 or 503."""
        is_ready = desk.latest()[1] is None
        return _answered(answers.Ready(ready=is_ready), HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)

    @made.get(
        "/health",
        dependencies=viewer,
        response_model=answers.WellOrNot,
        responses={401: _Refusals[401], 503: {"model": answers.WellOrNot}},
    )
    async def health() -> Response:
        """Say whether the loop does its work: 200, warnings and a full queue included, or 503 with what to do."""
        look, cause = desk.latest()
        if look is None or cause is not None:
            found = [cause, *(look.causes if look else ())] if cause else []
            return _json(telling.health(found, now()), HTTPStatus.SERVICE_UNAVAILABLE)
        return _json(look.health, HTTPStatus.OK if look.is_well else HTTPStatus.SERVICE_UNAVAILABLE)


def _tell_more(made: FastAPI, desk: Desk) -> None:
    viewer = [_holder(desk.doors, Role.VIEWER)]

    @made.get("/status", dependencies=viewer, response_model=answers.Status, responses=dict(_LOOKING))
    async def status() -> Response:
        """Say how the components stand, when the loop last came around, what is queued, and what is wrong."""
        look, cause = desk.latest()
        if look is None or not look.status:
            return _not_looked() if look is None else _untold()
        return _json(_late(look.status, cause) if cause else look.status)

    @made.get("/metrics", dependencies=viewer, response_class=Response, responses=dict(_LOOKING))
    async def metrics(request: Request) -> Response:
        """Write samples for Prometheus, as OpenMetrics where `Accept` names it; 503 where the look is too old."""
        (look, cause), form = desk.latest(), samples.chosen(request.headers.get("accept", ""))
        if look is None or cause is not None:
            return _problem(503, cause.what, cause.hint) if cause else _not_looked()
        return Response(look.metrics[form], media_type=form) if form in look.metrics else _untold()


def _tell_of_tasks(made: FastAPI, desk: Desk) -> None:
    viewer = [_holder(desk.doors, Role.VIEWER)]

    @made.get("/tasks", dependencies=viewer, response_model=answers.Tasks, responses=dict(_LOOKING))
    async def tasks(
        offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        priority: Literal["critical", "high", "medium", "low"] | None = None,
        source: Annotated[str | None, Query(max_length=100)] = None,
        season: Annotated[str | None, Query(max_length=20)] = None,
    ) -> Response:
        """List tasks of the queue, the most urgent first, a page at a time."""
        look, _ = desk.latest()
        if look is None or look.tasks is None:
            return (
                _not_looked() if look is None else _problem(503, "there is no queue yet", "`adce reconcile` makes it")
            )
        wanted = {name: value for name, value in _named(priority, source, season) if value is not None}
        found = look.tasks
        if wanted:
            found = [task for task in found if all(task[name] == value for name, value in wanted.items())]
        page, after = found[offset : offset + limit], offset + limit
        told = {"total_tasks": len(found), "offset": offset, "limit": limit, "tasks": page}
        return _json({"schema": 1, **told, "next_offset": after if after < len(found) else None})


def _named(*values: str | None) -> list[tuple[str, str | None]]:
    return list(zip(("priority", "source", "season"), values, strict=True))


def _describe(made: FastAPI, desk: Desk) -> None:
    viewer = [_holder(desk.doors, Role.VIEWER)]

    @made.get("/openapi.json", dependencies=viewer, include_in_schema=False)
    async def description() -> Response:
        return _json(made.openapi())

    @made.get("/docs", dependencies=viewer, include_in_schema=False)
    async def page() -> Response:
        return Response(page_of(made.openapi()), media_type="text/html; charset=utf-8")


def _act(made: FastAPI, desk: Desk) -> None:
    operator = _holder(desk.doors, Role.OPERATOR)
    acts, refusals = desk.acts, dict(_Refusals)

    @made.post("/start", response_model=answers.Changed, responses=refusals)
    def start(holder: Annotated[Holder, operator]) -> answers.Changed:
        """Let the daemon go on starting what is to be started."""
        return acts.start(holder)

    @made.post("/stop", response_model=answers.Changed, responses=refusals)
    def stop(holder: Annotated[Holder, operator]) -> answers.Changed:
        """Let the daemon end: what is under way is finished, nothing new begins, and the pages stay."""
        return acts.stop(holder)

    @made.post("/apply", status_code=HTTPStatus.ACCEPTED, response_model=answers.Applied, responses=refusals)
    def apply(holder: Annotated[Holder, operator], planned: answers.Planned) -> answers.Applied:
        """Apply a plan of the folder `plans`, as `adce apply` does: 202 once that has begun."""
        return acts.apply_plan(holder, planned.plan, planned.seal)

    @made.post("/approvals/{what}/accept", response_model=answers.Decided, responses=refusals)
    def accept(holder: Annotated[Holder, operator], what: str, noted: answers.Noted) -> answers.Decided:
        """Accept what waits for a person: work of the loop, or the move of a metric."""
        return acts.decide(holder, what, noted.note, accept=True)

    @made.post("/approvals/{what}/reject", response_model=answers.Decided, responses=refusals)
    def reject(holder: Annotated[Holder, operator], what: str, noted: answers.Noted) -> answers.Decided:
        """Reject it, and say why."""
        return acts.decide(holder, what, noted.note, accept=False)


def _explain(made: FastAPI) -> None:
    """Say in words what went wrong, and nothing of what is within."""

    @made.exception_handler(NotLetInError)
    async def not_let_in(_: Request, error: NotLetInError) -> Response:
        return _problem(error.status, error.what, error.hint, {"WWW-Authenticate": error.challenge})

    @made.exception_handler(AdceError)
    async def refused(_: Request, error: AdceError) -> Response:
        is_ours = isinstance(error, AccessError | ServiceError)
        what = f"{error.what}; valid: {error.valid}" if error.valid else error.what
        return _problem(503 if is_ours else 409, what, error.hint)

    @made.exception_handler(RequestValidationError)
    async def not_understood(_: Request, error: RequestValidationError) -> Response:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        return _problem(422, "; ".join(faults), "`/docs` shows what is taken")

    @made.exception_handler(HTTPStatus.BAD_REQUEST)
    @made.exception_handler(HTTPStatus.NOT_FOUND)
    @made.exception_handler(HTTPStatus.METHOD_NOT_ALLOWED)
    async def not_there(_: Request, error: HTTPException) -> Response:
        return _problem(error.status_code, str(error.detail), "`/docs` shows what there is", dict(error.headers or {}))

    @made.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> Response:
        return _problem(500, "this is a fault of ADCE", "`adce logs --component health` shows where it is")


def _late(status: bytes, cause: Cause) -> Mapping[str, Any]:
    """Say how the loop stood at a look that is too old to call it well."""
    told = json.loads(status)
    return told | {"well": False, "causes": [telling.cause_of(cause), *told["causes"]]}


def _not_looked() -> Response:
    return _problem(503, "nobody has looked yet", "ask again in a moment")


def _untold() -> Response:
    return _problem(503, "this cannot be told", "`adce logs --component health` says why; `/health` is told")


def _problem(status: int, error: str, hint: str, headers: Mapping[str, str] | None = None) -> Response:
    return _answered(answers.Problem(error=error, hint=hint), status, headers)


def _answered(answer: Any, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    return _json(answer.model_dump(mode="json", by_alias=True), status, headers)


def _json(
    document: Mapping[str, Any] | bytes, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Response(body, status, dict(headers or {}), "application/json")
