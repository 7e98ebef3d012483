"""Pins in, whether a weakness of one of them is known out; `make audit` runs it in an environment of its own.

pip-audit itself leaves out what is not for the Python that runs it, and ends well when no service of advisories knows a
single package, as behind a mirror. Here every pin is asked about, whatever it is for, and one that nobody answered for
is told apart from a clean bill of health.

Exit codes: 0 no weakness is known of any pin; 1 one is, or pip-audit failed; 2 nobody answered for some pins.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SHOWN = 20
PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)(?:\s*;[^#]*?)?((?:\s+--hash=\S+)+)")
"""A name, a version, for what it is, and its hashes."""
Pin = tuple[str, str]
Sheet = dict[str, tuple[str, str]]
"""The version and the hashes of packages, by name."""
Told = Mapping[str, Any]


class UnansweredError(Exception):
    """Nobody answered; the text says why."""


def main(program: str, service: str, *files: str) -> int:
    """Ask the service about the pins of each file, and tell what it says; the worst that is known is the answer."""
    codes = [audit(program, service, file) for file in files]
    return 1 if 1 in codes else max(codes)


def audit(program: str, service: str, file: str) -> int:
    """Ask the service about all pins of a file, and tell what it says."""
    try:
        sheets = laid_out(Path(file).read_text("utf-8"))
    except (OSError, UnansweredError) as error:
        print(f"{file}: nobody was asked: {error}", file=sys.stderr)
        return 2
    told, has_failed = list[Told](), False
    for sheet in sheets:
        try:
            found, code = ask(program, service, sheet)
        except (OSError, UnansweredError) as error:
            print(f"{file}: nobody was asked, or answered: {error}", file=sys.stderr)
        else:
            told, has_failed = told + found, has_failed or bool(code)
    pins = [(name, version) for sheet in sheets for name, (version, _) in sheet.items()]
    answered = {(one["name"], one.get("version")) for one in told if "skip_reason" not in one}
    weak, unknown = [one for one in told if one.get("vulns")], [pin for pin in pins if pin not in answered]
    print(f"{file}:")
    tell(weak, unknown, len(pins))
    return 1 if weak or (has_failed and not unknown) else 2 if unknown or not pins else 0


def laid_out(text: str) -> list[Sheet]:
    """Lay pins out without what they are for, so that none is left out, and one version of a package a sheet."""
    sheets = list[Sheet]()
    for line in map(str.strip, text.replace("\\\n", " ").splitlines()):
        if not line or line.startswith("#"):
            continue
        found = PIN.fullmatch(line)
        if found is None:
            raise UnansweredError(f"`{line[:60]}` is no pin with its hashes")
        name = re.sub(r"[-_.]+", "-", found[1]).lower()
        sheet = next((one for one in sheets if name not in one), None)
        if sheet is None:
            sheets.append(sheet := {})
        sheet[name] = found[2], found[3].strip()
    return sheets


def ask(program: str, service: str, sheet: Sheet) -> tuple[list[Told], int]:
    """Have pip-audit ask about a sheet; return what it says of each package, and how it ended."""
    with TemporaryDirectory() as folder:
        pins = Path(folder) / "pins.txt"
        pins.write_text("".join(f"{name}=={version} {hashes}\n" for name, (version, hashes) in sheet.items()), "utf-8")
        asked = [
            "--disable-pip",
            "--require-hashes",
            "--progress-spinner=off",
            "-f=json",
            "-s",
            service,
            "-r",
            str(pins),
        ]
        done = subprocess.run([program, *asked], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)["dependencies"], done.returncode
    except (ValueError, KeyError, TypeError) as error:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UnansweredError(f"pip-audit ended with {done.returncode}: {last[:300]}") from error


def tell(weak: Sequence[Told], unknown: Sequence[Pin], total: int) -> None:
    """Say it to a person."""
    for one in weak:
        for known in one["vulns"]:
            mended = ", ".join(known.get("fix_versions", ())) or "no version yet"
            print(f"{one['name']} {one['version']}: {known['id']}; mended in: {mended}")
    if unknown:
        names = ", ".join(f"{name} {version}" for name, version in unknown[:SHOWN])
        print(f"nobody answered for {len(unknown)} of {total} packages, such as {names}", file=sys.stderr)
    print(f"{total - len(unknown)} of {total} packages were looked up, {len(weak)} with a known weakness")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
