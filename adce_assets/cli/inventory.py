"""`adce inventory`: have AWS write inventory reports of the lake, and see which is in force and how old it is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import click

from adce_assets.cli import options
from adce_assets.cli.main import LATE
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.configuration import Scanning
    from adce_assets.lake.s3_inventory import Wanted
    from adce_assets.loop.project import Project
    from adce_assets.settings import Settings

COLUMNS = (
    Column("what", "what"),
    Column("as of", "as_of"),
    Column("age h", "age_hours", numeric=True),
    Column("detail", "detail"),
)
CONFIGURE = "Set in config/reconciliation_config.yaml:"

SAMPLE_COLUMNS = (
    Column("prefix", "prefix"),
    Column("of", "what"),
    Column("estimate", "value", numeric=True),
    Column("at least", "low", numeric=True),
    Column("at most", "high", numeric=True),
)


@click.group()
def command() -> None:
    """Have AWS write inventory reports of the lake, and see which is in force."""


def _prefix(_ctx: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    from adce_assets.configuration import check_prefix

    try:
        return None if given is None else check_prefix(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _id(_ctx: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    from adce_assets.lake.s3_inventory import ID_FORM

    if given is not None and not ID_FORM.fullmatch(given):
        message = f"`{given}` is no id; valid: up to 64 letters, digits, `.`, `-` and `_`"
        raise click.BadParameter(message)
    return given


def _account(_ctx: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    from adce_assets.lake.s3_inventory import ACCOUNT_FORM

    if given is not None and not ACCOUNT_FORM.fullmatch(given):
        message = f"`{given}` is no account of AWS; valid: twelve digits"
        raise click.BadParameter(message)
    return given


@command.command("setup", epilog="Example: `adce inventory setup --dry-run` shows what would be put.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["Parquet", "ORC", "CSV"], case_sensitive=False),
    default="Parquet",
    show_default=True,
    help="The format of the reports.",
)
@click.option(
    "--frequency",
    type=click.Choice(["Daily", "Weekly"], case_sensitive=False),
    default="Daily",
    show_default=True,
    help="How often AWS writes a report; weekly is on Sundays.",
)
@click.option(
    "--versions",
    type=click.Choice(["Current", "All"], case_sensitive=False),
    default="Current",
    show_default=True,
    help="The versions of an object that a report names; the loop needs the current one alone.",
)
@click.option(
    "--prefix",
    metavar="P",
    callback=_prefix,
    help="Where in the lake AWS writes the reports (default: `s3.inventory_prefix`).",
)
@click.option(
    "--id",
    "config_id",
    metavar="ID",
    callback=_id,
    help="The configuration's id (default: `s3.inventory_id`, else `adce` and the lake's prefix).",
)
@click.option(
    "--account",
    metavar="NUMBER",
    callback=_account,
    help="The account that owns the bucket (default: the one of the credentials).",
)
@click.option("--replace", "overwrite", is_flag=True, help="Overwrite another configuration of the same id.")
@click.option("--dry-run", is_flag=True, help="Put nothing; show the configuration and the policy.")
@options.as_json
def setup(
    file_format: Literal["Parquet", "ORC", "CSV"],
    frequency: Literal["Daily", "Weekly"],
    versions: Literal["Current", "All"],
    prefix: str | None,
    config_id: str | None,
    account: str | None,
    *,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Have AWS write inventory reports of the lake, and print the bucket policy that AWS needs for it.

    What was put is read back and compared; run again, it changes nothing. The policy is printed and not put: a bucket
    has one policy, and what stands in it is not for ADCE to replace.
    """
    from adce_assets.lake.s3_inventory import UNKNOWN_ACCOUNT, Configurations, Wanted, default_id
    from adce_assets.settings import load_settings

    configured = load_settings()
    scanning, lake_url = configured.reconciliation.s3, _project(configured, prefix).lake.url
    configurations = Configurations(lake_url)
    wanted = Wanted(
        lake_url=lake_url,
        reports=prefix or scanning.inventory_prefix,
        config_id=config_id or scanning.inventory_id or default_id(lake_url),
        file_format=file_format,
        frequency=frequency,
        versions=versions,
    )
    document = wanted.document(configurations.partition)
    changed = not dry_run and configurations.put(document, replace=overwrite)
    owner = account or configurations.account()
    policy = wanted.policy(owner or UNKNOWN_ACCOUNT, configurations.partition)
    if as_json:
        needed = _greatest_age_hours(wanted)
        told = {"changed": changed, "dry_run": dry_run, "account": owner, "max_age_hours_needed": needed}
        write_json({"schema": 1, **told, "configuration": document, "policy": policy})
        return
    talk(f"the inventory configuration `{wanted.config_id}` {_outcome(changed=changed, dry_run=dry_run)}:")
    talk(json.dumps(document, indent=1, ensure_ascii=False))
    for line in _next_steps(wanted, owner, scanning):
        talk(line)
    write_json(policy)


@command.command("status", epilog="Example: `adce inventory status --exit-code` exits with 2 when a report is overdue.")
@click.option("--exit-code", is_flag=True, help="Exit with 2 when the report is late or there is none.")
@options.as_json
@click.pass_context
def status(ctx: click.Context, *, exit_code: bool, as_json: bool) -> None:
    """Show the last inventory, the newest report of AWS, and when the next is due."""
    from adce_assets.cli.installation import state
    from adce_assets.lake.store import open_store
    from adce_assets.loop import report_status
    from adce_assets.settings import load_settings

    settings = load_settings()
    told = report_status.look(open_store(settings.lake_url), state(), settings.reconciliation.s3, settings.clock())
    if as_json:
        write_json({"schema": 1, **told})
    else:
        write_table(COLUMNS, list(_rows(told)))
        for line in _remarks(told):
            talk(line)
    if exit_code and told["late"] is not False:
        ctx.exit(LATE)


@command.command("sample", epilog="Example: `adce inventory sample` estimates how many objects a large lake has.")
@options.as_json
def sample(*, as_json: bool) -> None:
    """Estimate how much the lake holds, from a share of the requests of a full listing; no gap is made from it."""
    from adce_assets.loop.inventory import take
    from adce_assets.loop.project import open_project
    from adce_assets.settings import load_settings

    told = take(open_project(load_settings()), mode="sample").document
    if as_json:
        write_json(told)
        return
    amounts = {**told["by_prefix"], "the lake": told["total"]}
    rows = [
        {"prefix": name, "what": what, **amount[what]}
        for name, amount in amounts.items()
        for what in ("objects", "size")
    ]
    write_table(SAMPLE_COLUMNS, rows)
    talk(f"{told['requests']:,} of about {told['requests_of_all']:,} requests; the bounds hold 19 times of 20")


def _project(settings: "Settings", prefix: str | None) -> "Project":
    """Open the project as it will be with reports below `prefix`; one that would hide data is refused."""
    from adce_assets.loop.project import open_project

    scanning = settings.reconciliation.s3
    chosen = scanning.model_copy(update={"inventory_prefix": prefix or scanning.inventory_prefix})
    return open_project(replace(settings, reconciliation=settings.reconciliation.model_copy(update={"s3": chosen})))


def _outcome(*, changed: bool, dry_run: bool) -> str:
    if dry_run:
        return "would be put"
    return "has been put, and the server keeps it" if changed else "is there already; nothing was changed"


def _next_steps(wanted: "Wanted", owner: str | None, scanning: "Scanning") -> Iterator[str]:
    """Say what a person has to do before there are reports, and before the loop finds them."""
    from adce_assets.lake.s3_inventory import UNKNOWN_ACCOUNT

    yield "AWS writes reports once the bucket's policy has the statement below; the first takes up to 48 hours."
    if owner is None:
        yield f"The account is not known: replace `{UNKNOWN_ACCOUNT}` by the bucket owner's, or give `--account`."
    if wanted.reports != scanning.inventory_prefix:
        yield f"{CONFIGURE} `s3.inventory_prefix: {wanted.reports}`; without it no report is found."
    if scanning.inventory_id not in {None, wanted.config_id}:
        yield f"{CONFIGURE} `s3.inventory_id: {wanted.config_id}`; without it no report is found."

    needed = _greatest_age_hours(wanted)
    if scanning.max_age_hours < needed:
        yield (
            f"{CONFIGURE} `s3.max_age_hours: {needed:g}`, now {scanning.max_age_hours:g}; a {wanted.frequency.lower()} "
            "report may become that old before the next is there, and `inventory_is_recent` would fail."
        )


def _greatest_age_hours(wanted: "Wanted") -> float:
    from adce_assets.lake.report_schedule import greatest_age

    return greatest_age("weekly" if wanted.frequency == "Weekly" else "daily").total_seconds() / 3600


def _rows(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Draw up the table: the inventory in force, the newest report, the next one."""
    inventory, report, upcoming = told["inventory"], told["report"], told["next_report"]
    if inventory:
        detail = f"mode {inventory['mode']}, {inventory['objects'] or 0:,} objects"
        yield {"what": "inventory", "as_of": inventory["as_of"], "age_hours": inventory["age_hours"], "detail": detail}
    if report:
        size = f"{report['files']:,} files of {report['bytes']:,} bytes"
        detail = f"{report['id']}, {report['format']}, {size}, {_use(report)}"
        yield {"what": "report", "as_of": report["created_at"], "age_hours": report["age_hours"], "detail": detail}
    if upcoming:
        schedule = told["schedule"]
        detail = (
            f"{schedule['frequency']} (known from the {schedule['known_from']}), "
            f"delivered by {upcoming['delivered_by']}"
        )
        yield {"what": "next report", "as_of": upcoming["begins_at"], "age_hours": None, "detail": detail}


def _use(report: dict[str, Any]) -> str:
    if report["in_force"]:
        return "in force"
    return "older than the last listing" if report["older_than_listing"] else "would be read with `--mode aws`"


def _remarks(told: dict[str, Any]) -> Iterator[str]:
    """Say what is not as it should be."""
    if told["inventory_fault"]:
        yield f"no inventory is in force: {told['inventory_fault']}"
    for row in (told["inventory"] or {}).get("vanished", ()):
        lost = f"{row['source'] or 'the lake'}: {row['before']:,} objects before, {row['now']:,} now"
        yield f"objects have vanished from {lost}; if they are gone for good: `adce reconcile --accept-loss`"
    if told["report_fault"]:
        yield f"no report can be read: {told['report_fault']}"
    if told["report"] and not told["next_report"]:
        yield "when the next report is due is not known"
    if told["schedule"]["enabled"] is False:
        yield "the bucket's inventory configuration is switched off: AWS writes no more reports"
    if told["late"]:
        yield "the report is late: older than twice the time between two, and a day"
