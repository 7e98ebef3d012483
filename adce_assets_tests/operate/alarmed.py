"""An installation that has alerts, and what is wrong in it."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
from werkzeug import Request, Response

from adce_assets.autonomous import Alerts
from adce_assets.operate import alert_book
from adce_assets.operate.causes import Cause, Severity
from adce_assets.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {"SLACK_URL": "", "HOOK_KEY": "a key of some length", "MAIL_PASSWORD": "pass word & more"}


def alarmed(home: Path, *channels: dict[str, Any], database: str | None = None, **told: Any) -> Settings:
    """Make settings with these channels, whose causes are told at once; secrets can be added to."""
    if not (home / "config").exists():
        (home / "config").mkdir(parents=True)
        for name in ("autonomous_config.yaml", "reconciliation_config.yaml"):
            (home / "config" / name).write_text((ROOT / "config" / name).read_text())
    rules = Alerts.model_validate({"channels": channels, "after_minutes": 0, **told})
    shipped = load_settings({"ADCE_HOME": str(home)})
    autonomous = shipped.autonomous.model_copy(update={"alerts": rules})
    return replace(shipped, autonomous=autonomous, configured_database=database, secrets=dict(SECRETS).get)


def slack(settings: Settings, url: str) -> Settings:
    """Give the channels of Slack a URL."""
    return replace(settings, secrets={**SECRETS, "SLACK_URL": url}.get)


def hook(url: str, name: str = "hook", **told: Any) -> dict[str, Any]:
    return {"kind": "webhook", "name": name, "url": url, "secret": "HOOK_KEY", "allow_private": True, **told}


def cause(code: str = "cycle_late", subject: str = "", **others: Any) -> Cause:
    told: dict[str, Any] = {"severity": Severity.WARNING, "what": "it is late", "hint": "`adce status`", **others}
    return Cause(code, subject, **told)


class Receiver:
    """What a server got, in its order, and what it answers: 200 but where a test says otherwise."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.asked = 0

    def __call__(self, request: Request) -> Response:
        self.asked += 1
        status = self.answers.pop(0) if self.answers else 200
        if status < 300:
            self.got.append(json.loads(request.data))
        return Response("as you like", status=status)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(one["kind"], one["code"], one["subject"]) for message in self.got for one in message["alerts"]]


def emptied(url: str) -> str:
    """Take a book out of its database, and return its URL."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        names = ", ".join(table.name for table in alert_book.metadata.sorted_tables)
        cursor.execute(f"DROP TABLE IF EXISTS {names}")
    return url
