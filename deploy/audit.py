"""Pins in, whether a weakness of one of them is known out; `make audit` runs it in an environment of its own.

pip-audit itself ends well when no service of advisories knows a single package, as behind a mirror: here that is told
apart from a clean bill of health.

Exit codes: 0 no weakness is known of any pin; 1 one is, or pip-audit failed; 2 nobody answered for some pins.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 20


def main(program: str, service: str, *files: str) -> int:
    """Ask the service about the pins of each file, and tell what it says; the worst that is known is the answer."""
    codes = [audit(program, service, file) for file in files]
    return 1 if 1 in codes else max(codes)


def audit(program: str, service: str, pins: str) -> int:
    """Ask the service about all pins of a file, and tell what it says."""
    asked = ["--disable-pip", "--require-hashes", "--progress-spinner=off", "-f=json", "-s", service, "-r", pins]
    try:
        done = subprocess.run([program, *asked], capture_output=True, text=True, check=False)
    except OSError as error:
        print(f"{pins}: nobody was asked: {error}", file=sys.stderr)
        return 2
    try:
        told = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        print(f"{pins}: nobody answered: pip-audit ended with {done.returncode}: {last[:300]}", file=sys.stderr)
        return 2
    weak, unknown = [one for one in told if one.get("vulns")], [one for one in told if "skip_reason" in one]
    print(f"{pins}:")
    tell(weak, unknown, len(told))
    return 1 if weak or (done.returncode and not unknown) else 2 if unknown or not told else 0


def tell(weak: Sequence[Mapping[str, Any]], unknown: Sequence[Mapping[str, Any]], total: int) -> None:
    """Say it to a person."""
    for one in weak:
        for known in one["vulns"]:
            mended = ", ".join(known.get("fix_versions", ())) or "no version yet"
            print(f"{one['name']} {one['version']}: {known['id']}; mended in: {mended}")
    if unknown:
        names = ", ".join(one["name"] for one in unknown[:SHOWN])
        print(f"nobody answered for {len(unknown)} of {total} packages, such as {names}", file=sys.stderr)
    print(f"{total - len(unknown)} of {total} packages were looked up, {len(weak)} with a known weakness")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
