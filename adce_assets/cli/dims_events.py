"""Events that Dagster does not see: `adce dims event`, and the hook of git that `adce dims install-hook` writes."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adce_assets.cli import dims_options, options
from adce_assets.cli.dims_options import opened
from adce_assets.cli.dims_verifying import exit_code, told_of, write_verification
from adce_assets.cli.output import talk, write_json

if TYPE_CHECKING:
    from adce_assets.settings import Settings

HOOK = "post-commit"
EVENT = "git_post_commit"
MARK = "# written by `adce dims install-hook`"
LOG, MOST_BYTES = "post-commit.log", 262_144
"""What hooks say, one below the other; the next one begins it anew when it has grown so large."""
SECONDS = 20
"""How long git may take to say where its hooks are."""
SCRIPT = """#!/bin/sh
{mark}; run it again after the installation has moved
unset $(git rev-parse --local-env-vars)
{variables}
mkdir -p {folder}
[ ! -f {log} ] || [ "$(wc -c <{log})" -lt {most} ] || : >{log}
nohup {python} -m adce_assets.cli dims event {event} --source {source} </dev/null >>{log} 2>&1 &
"""


@click.command("event", epilog="Example: `adce dims event s3_upload_complete --source nightly`.")
@click.argument("name")
@click.option("--source", default="command", show_default=True, metavar="NAME", help="What it is told by, or of.")
@dims_options.by
@options.as_json
@click.pass_context
def event(ctx: click.Context, name: str, source: str, by: str, *, as_json: bool) -> None:
    """Say that something has happened: the metrics that `events` of inventory/config.yaml names are measured anew.

    The same event of the same source then rests for its cooldown, for every process that shares the history.

    \b
    Exit codes: as of `adce dims verify`; 0 while it rests.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.dims import events

    with opened() as place:
        outcome = events.happened(place, name, source, by=by)
        done = outcome.verification
        told = None if done is None else told_of(place, done)
    if as_json:
        rests = {"event": name, "source": source, "ran": outcome.ran, "until": outcome.until.isoformat()}
        write_json({"schema": 1, **rests, "verification": told})
    elif told is not None:
        write_verification(told, as_json=False)
    elif outcome.ran:
        talk(f"`{name}` refreshes no metric that is switched on")
    else:
        talk(f"`{name}` of `{source}` rests until {outcome.until:%Y-%m-%d %H:%M:%S} UTC")
    ctx.exit(0 if done is None else exit_code(done))


@click.command("install-hook", epilog="Example: `adce dims install-hook`, where the home is a repository.")
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of the repository (default: the folder that is measured).",
)
@click.option("--replace", is_flag=True, help="Put it in the place of another hook, which is lost.")
@options.as_json
def install_hook(repository: Path | None, *, replace: bool, as_json: bool) -> None:
    """Write the hook by which each commit refreshes the metrics over code and documents, in the background.

    A commit neither waits for it nor fails with it. The hook knows this installation by its home, lake and state;
    databases and credentials it finds in the environment of the commit. What it said stands in
    `.adce/post-commit.log` of the home. A repository that is not the measured one is refused.
    """
    from adce_assets.errors import AdceError

    with opened() as place:
        settings, root = place.project.settings, place.world.root
        is_idle = not place.catalogue.of_event(EVENT)
    folder = repository or root
    _check_measured(folder, root)
    file = _asked(folder, "--git-path", "hooks") / HOOK
    before = file.read_text("utf-8", "replace") if file.exists() else None
    if before is not None and MARK not in before and not replace:
        hint = f"call from there `adce dims event {EVENT} --source git`, or give `--replace`, and it is lost"
        raise AdceError("there is another hook", where=str(file), hint=hint)
    script = _script(settings)
    changed = script != before
    if changed:
        _write(file, script)
    if as_json:
        write_json({"schema": 1, "hook": str(file), "changed": changed})
    else:
        talk(f"{'written' if changed else 'unchanged'}: {file}")
    if is_idle:
        talk(f"`{EVENT}` refreshes no metric that is switched on: see `profiles` and `events` of inventory/config.yaml")


def _check_measured(folder: Path, root: Path) -> None:
    """Refuse a repository whose commits move nothing that is measured; its other working trees are the same one."""
    from adce_assets.errors import AdceError

    own = _asked(folder, "--git-common-dir").resolve()
    try:
        measured = _asked(root, "--git-common-dir").resolve()
    except AdceError:
        measured = None
    if own != measured:
        hint = f"metrics over code and documents are measured in {root}: `project:` in inventory/config.yaml names it"
        raise AdceError("commits of this repository move no metric", where=str(folder), hint=hint)


def _asked(repository: Path, *question: str) -> Path:
    """Ask git where something of a repository is; `core.hooksPath` may have put its hooks anywhere."""
    from adce_assets.errors import AdceError

    call = ["git", "-C", str(repository), "rev-parse", *question]
    try:
        asked = subprocess.run(call, capture_output=True, text=True, check=True, timeout=SECONDS)  # noqa: S603 - no shell
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        hint = "give a folder of the repository as `--repository`"
        raise AdceError(f"git does not know it: {said.strip()}", where=str(repository), hint=hint) from error
    return repository.absolute() / asked.stdout.removesuffix("\n")


def _script(settings: "Settings") -> str:
    values = {"ADCE_HOME": str(settings.home), "ADCE_LAKE": settings.configured_lake, "ADCE_STATE": settings.state_url}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in values.items() if value]
    return SCRIPT.format(
        mark=MARK,
        variables="\n".join(exports),
        folder=shlex.quote(str(settings.work_folder)),
        python=shlex.quote(sys.executable),
        event=EVENT,
        source="git",
        log=shlex.quote(str(settings.work_folder / LOG)),
        most=MOST_BYTES,
    )


def _write(file: Path, script: str) -> None:
    """Put the hook in its place as a whole: git may run it at any moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_name(f"{file.name}.{os.getpid()}")
    made.write_text(script, "utf-8")
    made.chmod(0o755)
    made.replace(file)
