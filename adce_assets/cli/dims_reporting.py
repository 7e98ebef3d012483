"""`adce dims report`: what is known of the metrics, in the forms that people and programs read."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adce_assets.cli import dims_options
from adce_assets.cli.dims_options import opened
from adce_assets.cli.output import talk, write_file

if TYPE_CHECKING:
    from adce_assets.dims.telling import Told


def _markdown(told: "Told") -> str:
    from adce_assets.dims.outputs.documents import markdown

    return markdown(told)


def _json(told: "Told") -> str:
    from adce_assets.dims.outputs.documents import document

    return json.dumps({"schema": 1, **document(told)}, indent=1, ensure_ascii=False, allow_nan=False)


def _html(told: "Told") -> str:
    from adce_assets.dims.outputs.dashboard import dashboard

    return dashboard(told)


def _notebook(told: "Told") -> str:
    from adce_assets.dims.outputs.notebook import notebook

    return notebook(told)


def _prometheus(told: "Told") -> str:
    from adce_assets.dims.outputs.prometheus import prometheus

    return prometheus(told)


FORMATS: Mapping[str, Callable[["Told"], str]] = {
    "markdown": _markdown,
    "json": _json,
    "html": _html,
    "notebook": _notebook,
    "prometheus": _prometheus,
}


@click.command("report", epilog="Example: `adce dims report --format html -o metrics.html`, then open it in a browser.")
@click.option("--format", "form", type=click.Choice(tuple(FORMATS)), help="How (default: markdown).")
@click.option("--json", "as_json", is_flag=True, help="Short for `--format json`.")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write a file (default: to stdout)."
)
@dims_options.days
def report(form: str | None, output: Path | None, days: int, *, as_json: bool) -> None:
    """Write what is known of all metrics, with their courses and what waits for a person; nothing is measured.

    `html` is one page that needs no network, `notebook` opens in Jupyter, `prometheus` is its text format.
    """
    from adce_assets.dims.telling import tell

    if as_json and form not in {None, "json"}:
        raise click.UsageError(f"`--json` is short for `--format json`: leave it or `--format {form}` out")
    with opened() as place:
        told = tell(place, days=days)
    text = FORMATS["json" if as_json else form or "markdown"](told).rstrip("\n") + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        write_file(output, text)
        talk(f"written: {output}")
