"""An S3 server that lets nobody do what a policy does not allow, as AWS would: moto behind a gate."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from adce_assets_tests.deploy.rights import Call, allows, call_of

DENIED = b"<Error><Code>AccessDenied</Code><Message>User is not authorized to perform it</Message></Error>"
Start = Callable[..., Any]


@dataclass
class Gate:
    """What is allowed, and what was asked for: let through and refused."""

    server: Any
    url: str = ""
    policy: Mapping[str, Any] | None = None
    passed: list[Call] = field(default_factory=list)
    refused: list[Call] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        method, query = environ["REQUEST_METHOD"], environ["QUERY_STRING"]
        call = call_of(method, f"{environ['PATH_INFO'].encode('latin-1').decode()}?{query}")
        if not self.lets(call.action, call.resource):
            self.refused.append(call)
            return _deny(environ, start)
        self.passed.append(call)
        status: list[Any] = []
        body = self.server(environ, lambda *answer, **_: status.extend(answer))
        if call.key and status[0].startswith("404") and not self.lets("s3:ListBucket", f"arn:aws:s3:::{call.bucket}"):
            return _deny(environ, start)  # whether an object is absent is told to those alone who may list
        start(*status)
        return body

    def lets(self, action: str, resource: str) -> bool:
        return self.policy is None or allows(self.policy, action, resource)

    @contextmanager
    def shut(self, policy: Mapping[str, Any]) -> Iterator[None]:
        """Allow no more than a policy does; outside of it everything is allowed, and forgotten."""
        self.passed.clear()
        self.refused.clear()
        self.policy = policy
        try:
            yield
        finally:
            self.policy = None


def _deny(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else DENIED
    start("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


@contextmanager
def running() -> Iterator[Gate]:
    """Lend a gate that stands open, on a port of its own."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    gate = Gate(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, gate, threaded=True)
    gate.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield gate
    server.shutdown()
    server.server_close()
    thread.join()
