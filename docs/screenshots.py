"""Take the pictures of the documentation: pages of Dagster's UI, and those that ADCE writes, in headless Chromium.

    python docs/screenshots.py docs/images --demo demo

Shows the demo of that folder (run `make demo LAKE=s3` first: the page of a lake in a folder says where it lies);
without `--demo`, the installation that the environment names.
Needs Chromium (`apt-get install chromium`); nothing is downloaded, and no page may reach beyond this machine.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Error, Page, Route, sync_playwright

from adce_assets.demo import home, stage
from adce_assets.settings import environment_for_child

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
SECONDS_TO_START = 90.0
WAIT_MS = 60_000
SETTLE_MS = 3_000
"""How long a page is given to lay itself out after its data have come."""
GROUPS = "/locations/adce_assets/asset-groups"


@dataclass(frozen=True, slots=True)
class Shot:
    """A page, the text that shows that it is there, and what is clicked before the picture is taken."""

    name: str
    path: str
    shows: str
    size: tuple[int, int]
    click: str = ""


SHOTS = (
    Shot("lineage_loop", f"{GROUPS}/loop/lineage", "task_queue", (1700, 780)),
    Shot("lineage_espn", f"{GROUPS}/espn/lineage", "play_by_play", (1300, 1140)),
    Shot("coverage_plots", "/assets/coverage_analysis?view=overview", "completeness_pct", (1500, 1100), click="Plots"),
)


@dataclass(frozen=True, slots=True)
class Written:
    """A page that a command writes to stdout, after commands that see to it that there is something to tell."""

    name: str
    command: tuple[str, ...]
    size: tuple[int, int]
    before: tuple[tuple[str, ...], ...] = ()


RECONCILE, VERIFY = ("reconcile", "--mode", "list"), ("dims", "verify", "--update")
"""A lake whose server has another address is another lake, of which nothing is known before it is reconciled."""
WRITTEN = (
    Written("dims_dashboard", ("dims", "report", "--format", "html"), (1350, 900), (RECONCILE, VERIFY)),
    Written("report", ("report", "--html"), (1350, 900)),
)


@contextmanager
def installation(demo: Path | None) -> Iterator[dict[str, str]]:
    """Lend the environment of a demo, with its servers running, or of this process."""
    if demo is None:
        yield dict(os.environ)
        return
    with stage.opened(home.open_home(demo)) as variables:
        yield environment_for_child(variables)


@contextmanager
def webserver(environment: Mapping[str, str]) -> Iterator[str]:
    """Run Dagster's web server on a free port; lend its URL once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("dagster-webserver"), "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        [*command, "-w", ROOT / "workspace.yaml"],
        env={**environment, "PYTHONWARNINGS": "ignore"},
        start_new_session=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return once the URL answers; exit when it does not."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    sys.exit(f"error: the web server did not answer at {url}")


def only_here(route: Route) -> None:
    """Let a page ask this machine and nobody else."""
    if route.request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
        route.continue_()
    else:
        route.abort()


def take(page: Page, base: str, shot: Shot, folder: Path) -> Path:
    """Open a page, wait until it shows what it should, and take its picture."""
    page.set_viewport_size({"width": shot.size[0], "height": shot.size[1]})
    page.goto(base + shot.path, wait_until="domcontentloaded", timeout=WAIT_MS)
    page.get_by_text(shot.shows).first.wait_for(timeout=WAIT_MS)
    if shot.click:
        page.get_by_text(shot.click).first.click()
    page.wait_for_timeout(SETTLE_MS)
    path = folder / f"{shot.name}.png"
    page.screenshot(path=path)
    return path


def take_written(page: Page, written: Written, environment: Mapping[str, str], folder: Path, *, is_demo: bool) -> Path:
    """Let a command write its page, and take its picture; of a demo all can be measured, elsewhere the page tells."""
    adce = [Path(sys.executable).with_name("adce")]
    for command in written.before:
        subprocess.run([*adce, *command], env=environment, stdout=subprocess.DEVNULL, check=is_demo)
    drawn = subprocess.run([*adce, *written.command], env=environment, stdout=subprocess.PIPE, check=True)
    page.set_viewport_size({"width": written.size[0], "height": written.size[1]})
    page.set_content(drawn.stdout.decode())
    path = folder / f"{written.name}.png"
    page.screenshot(path=path)
    return path


def main() -> int:
    """Take every picture; the first that cannot be taken ends the run."""
    parser = argparse.ArgumentParser(description="Take the pictures of the README.")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--demo", type=Path, help="the folder of a demo (default: what the environment names)")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    with installation(chosen.demo) as environment, webserver(environment) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        page = browser.new_page(device_scale_factor=2)
        page.route("**/*", only_here)
        for written in WRITTEN:
            print(take_written(page, written, environment, chosen.folder, is_demo=chosen.demo is not None))
        for shot in SHOTS:
            try:
                print(take(page, base, shot, chosen.folder))
            except Error as error:
                page.screenshot(path=chosen.folder / f"{shot.name}-failed.png")
                sys.exit(f"error: {shot.name}: {error}")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
