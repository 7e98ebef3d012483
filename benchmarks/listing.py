"""Measure a full listing of the lake against a plain boto3 paginator loop over the same loopback server.

    python benchmarks/listing.py [--small]

The server is a process of its own that answers ListObjectsV2 for made keys, and can wait before each page. Each of the
two clients runs in a fresh process; imports, boto3's reading of its models and a first page are not counted. boto3 is
measured on its first `BOTO_PAGES` pages and scaled; of CPU the least of three runs counts for each. Prints one JSON
object; exits 1 when a promise is broken.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

OBJECTS = 172_754
SMALL = 50_754
FOLDERS = ("box_scores", "nba_api_comprehensive/play_by_play", "pbp", "schedule", "shot_charts", "team_stats")
LATENCY = 0.05
WORKERS = 16
BOTO_PAGES = 20
ROUNDS = 3
CPU_PROMISED = 1 / 8
WALL_PROMISED = {True: 1 / 6, False: 1 / 10}
"""A small lake has few pages to share out, and the first ones are asked for one after the other."""
REQUESTS_PROMISED = 1.02
PAGE = 1_000
MOMENT = "2024-05-06T22:37:48.000Z"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/nowhere/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def keys(count: int) -> list[str]:
    """Make keys in folders of uneven size, as a lake of games has them."""
    shares = (25, 4, 25, 6, 15, 25)
    made = [
        f"{folder}/{400_000_000 + 37 * number}.json"
        for folder, share in zip(FOLDERS, shares, strict=True)
        for number in range(count * share // 100)
    ]
    made += [f"scripts/{number:06d}.py" for number in range(count - len(made))]
    return sorted(made)


@dataclass
class Server:
    """Answers ListObjectsV2 about sorted ASCII keys."""

    keys: list[str]
    latency: float

    def __post_init__(self) -> None:
        self.rows = [
            f"<Contents><Key>{key}</Key><LastModified>{MOMENT}</LastModified><ETag>&quot;{number:032x}&quot;</ETag>"
            f"<Size>{1_000 + number}</Size><StorageClass>STANDARD</StorageClass></Contents>".encode()
            for number, key in enumerate(self.keys)
        ]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until it ends."""
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            await asyncio.sleep(self.latency)
            asked = {name: values[0] for name, values in parse_qs(urlsplit(head.split()[1].decode()).query).items()}
            body = self.page(asked)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
        writer.close()

    def page(self, asked: dict[str, str]) -> bytes:
        """Write a page; of a delimiter's it names the top folders, which is all that the benchmark asks for."""
        start, stop = self._bounds(asked)
        names: list[str] = []
        rows: list[bytes] = []
        if "delimiter" in asked:
            names, after = sorted({key.partition("/")[0] + "/" for key in self.keys}), stop
        else:
            after = min(stop, start + PAGE)
            rows = self.rows[start:after]
        token = f"<NextContinuationToken>{after}</NextContinuationToken>" if after < stop else ""
        head = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>lake</Name><Prefix></Prefix>{token}<KeyCount>{len(rows) + len(names)}</KeyCount>"
            "<MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>"
            f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>"
        )
        folders = "".join(f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in names)
        return head.encode() + b"".join(rows) + folders.encode() + b"</ListBucketResult>"

    def _bounds(self, asked: dict[str, str]) -> tuple[int, int]:
        prefix = asked.get("prefix", "")
        stop = bisect_right(self.keys, prefix + "\U0010ffff") if prefix else len(self.keys)
        if "continuation-token" in asked:
            return int(asked["continuation-token"]), stop
        return max(bisect_right(self.keys, asked.get("start-after", "")), bisect_right(self.keys, prefix)), stop


async def serve(count: int, latency: float) -> None:
    server = Server(keys(count), latency)
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


@contextmanager
def serving(count: int, latency: float) -> Iterator[str]:
    command = [sys.executable, __file__, "--serve", str(count), str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = server.stdout.readline() if server.stdout else ""
            yield f"http://127.0.0.1:{port.strip()}"
        finally:
            server.terminate()


def list_with_boto3(count: int) -> dict[str, float]:
    import boto3

    client = boto3.client("s3")
    client.list_objects_v2(Bucket="lake")
    cpu, wall, found, pages = time.process_time(), time.perf_counter(), [], 0
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="lake"):
        found += [(item["Key"], item["Size"], item["LastModified"], item["ETag"]) for item in page.get("Contents", ())]
        pages += 1
        if pages == BOTO_PAGES:
            break
    scale = count / len(found)
    return {
        "cpu": (time.process_time() - cpu) * scale,
        "wall": (time.perf_counter() - wall) * scale,
        "pages_measured": pages,
    }


def list_with_adce(count: int) -> dict[str, float]:
    from adce_assets.lake import listing
    from adce_assets.lake.store import open_store

    store = open_store("s3://lake")
    expected = keys(count)
    next(store.parts())
    cpu, wall = time.process_time(), time.perf_counter()
    taken = listing.take(store, workers=WORKERS, hints=expected[listing.HINT_EVERY - 1 :: listing.HINT_EVERY])
    spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "requests": taken.requests}
    if taken.objects["key"].to_pylist() != expected:
        sys.exit("the listing is not the lake")
    without = listing.take(store, workers=WORKERS)
    return {**spent, "requests_without_hints": without.requests}


MEASURES = {"boto3": list_with_boto3, "adce": list_with_adce}


def measured(what: str, count: int, latency: float) -> dict[str, float]:
    with serving(count, latency) as url:
        command = [sys.executable, __file__, "--measure", what, str(count)]
        environment = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": url, **ENVIRONMENT}
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(finished.stderr)
    return json.loads(finished.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help=f"list {SMALL:,} keys instead of {OBJECTS:,}")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(serve(int(chosen.serve[0]), float(chosen.serve[1])))
    if chosen.measure:
        print(json.dumps(MEASURES[chosen.measure[0]](int(chosen.measure[1]))))
        return 0
    return compare(SMALL if chosen.small else OBJECTS)


def compare(count: int) -> int:
    rounds = {what: [measured(what, count, 0) for _ in range(ROUNDS)] for what in MEASURES}
    at_once = {what: min(found, key=lambda spent: spent["cpu"]) for what, found in rounds.items()}
    delayed = {what: measured(what, count, LATENCY) for what in MEASURES}
    told = {
        "schema": 1,
        "keys": count,
        "boto3": f"measured on its first {BOTO_PAGES} pages, and scaled to all",
        "cpu_seconds": {what: round(found["cpu"], 3) for what, found in at_once.items()},
        "cpu_ratio": at_once["adce"]["cpu"] / at_once["boto3"]["cpu"],
        "latency_seconds": LATENCY,
        "workers": WORKERS,
        "wall_seconds": {what: round(found["wall"], 3) for what, found in delayed.items()},
        "wall_ratio": delayed["adce"]["wall"] / delayed["boto3"]["wall"],
        "requests": delayed["adce"]["requests"],
        "requests_without_hints": delayed["adce"]["requests_without_hints"],
        "requests_promised": REQUESTS_PROMISED * -(-count // PAGE)
        + len({key.partition("/")[0] for key in keys(count)}),
        "cpu_ratio_promised": CPU_PROMISED,
        "wall_ratio_promised": WALL_PROMISED[count == SMALL],
    }
    print(json.dumps(told, indent=1))
    kept = (
        told["cpu_ratio"] <= CPU_PROMISED,
        told["wall_ratio"] <= WALL_PROMISED[count == SMALL],
        max(told["requests"], told["requests_without_hints"]) <= told["requests_promised"],
    )
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
