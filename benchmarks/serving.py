"""Measure the HTTP service: pairs per second, latency and memory, without and with the encoder.

    python benchmarks/serving.py                                      trains both models on the demo battles first
    python benchmarks/serving.py --data DIR --encoder-data DIR        on data folders of earlier runs, or one of them
    python benchmarks/serving.py --data DIR --seconds 1 --requests 50 a short trial

Starts the service with its default settings on a free port of 127.0.0.1, in a process of its own. The clients are
tasks of this process: each keeps one connection open, sends one battle of test.csv to POST /v1/compare, and sends the
next when it has the answer. All clients take their battles from one cycle through the file, so battles that are scored
together differ. After a warm-up with each battle once, by 64 clients, each number of clients sends for as many seconds.

Latency is from sending a request to the last byte of its answer. "429" counts answers that the queue is full, "504"
those that a request was not scored within 30 seconds; the client waits as long as Retry-After says and sends the
request again, which its latency includes. As the queue holds 64 requests, 64 clients do not fill it. "batch" is the
mean number of requests scored in one call, from /metrics. "cores" are processor seconds per second, of the service and
of the clients: clients near 1 would be the bottleneck. Memory is the resident set of the service: when the model is
loaded, after the warm-up and all numbers of clients, and after as many further requests of 64 clients as --requests
says. The encoder runs on the device that the project chooses, a GPU where there is one.
"""

import argparse
import asyncio
import json
import logging
import multiprocessing
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import psutil

from arena_preference.battles import TEXT_COLUMNS

PROJECT: Final = Path(__file__).parents[1]
CLIENTS: Final = (1, 8, 64)
REPEATED: Final = (429, 504)
MIB: Final = 2**20
_POLL_SECONDS: Final = 0.1


class Answer(NamedTuple):
    """What the service answered."""

    status: int
    retry_after: int
    body: bytes


class Connection:
    """A connection that stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect to the service."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, request: bytes) -> Answer:
        """Send a request and wait for its answer."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status, fields = int(head.split(b" ", 2)[1]), dict(re.findall(rb"\r\n([^:]+): ([^\r]*)", head))
        body = await self._reader.readexactly(int(fields[b"content-length"]))
        return Answer(status, int(fields.get(b"retry-after", 0)), body)

    async def close(self) -> None:
        """Disconnect."""
        self._writer.close()
        await self._writer.wait_closed()


def make_request(line: str, body: bytes = b"") -> bytes:
    """A request as it is sent; ``line`` is its method and path."""
    head = (
        f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def read_requests(raw_dir: Path) -> list[bytes]:
    """One request per battle of test.csv, in the competition's schema."""
    battles = pd.read_csv(raw_dir / "test.csv")[list(TEXT_COLUMNS)].set_axis(["prompt", "a", "b"], axis=1)
    return [
        make_request("POST /v1/compare", json.dumps({name: json.loads(cell) for name, cell in row.items()}).encode())
        for row in battles.to_dict("records")
    ]


async def get(port: int, path: str) -> Answer:
    """Send a request of its own connection."""
    connection = await Connection.open(port)
    answer = await connection.send(make_request(f"GET {path}"))
    await connection.close()
    return answer


def read_batches(port: int) -> np.ndarray:
    """Requests that were scored so far, and calls that scored them."""
    text = asyncio.run(get(port, "/metrics")).body.decode()
    numbers = dict(re.findall(r"^arena_preference_batch_requests_(sum|count) (.+)$", text, re.MULTILINE))
    return np.array([float(numbers["sum"]), float(numbers["count"])])


def repeat_until(end: float, requests: Iterator[bytes]) -> Iterator[bytes]:
    """Go on with requests until an instant."""
    while time.perf_counter() < end:
        yield next(requests)


async def send_all(port: int, n_clients: int, requests: Iterable[bytes]) -> tuple[list[float], Counter[int]]:
    """Send requests by several clients; return seconds of each, and how often they were repeated after a status."""
    connections = [await Connection.open(port) for _ in range(n_clients)]
    waiting = iter(requests)
    seconds: list[float] = []
    repeated: Counter[int] = Counter()

    async def run_client(connection: Connection) -> None:
        for request in waiting:
            start = time.perf_counter()
            while (answer := await connection.send(request)).status in REPEATED:
                repeated[answer.status] += 1
                await asyncio.sleep(answer.retry_after)
            if answer.status != 200:
                raise RuntimeError(f"The service answered {answer.status}: {answer.body.decode()}")
            seconds.append(time.perf_counter() - start)

    await asyncio.gather(*map(run_client, connections))
    await asyncio.gather(*(connection.close() for connection in connections))
    return seconds, repeated


def measure(service: psutil.Process, port: int, n_clients: int, requests: Iterable[bytes]) -> dict[str, Any]:
    """Send requests by several clients; return a row of the table."""
    batches, start = read_batches(port), time.perf_counter()
    cpu = np.array([sum(process.cpu_times()[:2]) for process in (service, psutil.Process())])
    latencies, repeated = asyncio.run(send_all(port, n_clients, requests))
    elapsed = time.perf_counter() - start
    cpu = np.array([sum(process.cpu_times()[:2]) for process in (service, psutil.Process())]) - cpu
    n_requests, n_calls = read_batches(port) - batches
    percentiles = np.percentile(latencies, [50, 95, 99]) * 1000
    return {
        "clients": n_clients,
        "requests": len(latencies),
        "pairs/s": round(len(latencies) / elapsed, 1),
        **{f"p{q} ms": round(value, 1) for q, value in zip((50, 95, 99), percentiles, strict=True)},
        **{str(status): repeated[status] for status in REPEATED},
        "batch": round(n_requests / n_calls, 1),
        "cores service": round(cpu[0] / elapsed, 2),
        "cores clients": round(cpu[1] / elapsed, 2),
    }


def run_service(data: Path, log: Path) -> None:
    """Serve the newest model of a data folder until a signal ends it."""
    from arena_preference.judge import Judge
    from arena_preference.serving import ServiceSettings, serve

    logging.basicConfig(filename=log, level=logging.INFO)
    serve(lambda: Judge.load(data), ServiceSettings(port=0, token=None))


def wait_until_ready(process: BaseProcess, log: Path) -> int:
    """Wait until the model is loaded; return the port."""
    while process.is_alive():
        time.sleep(_POLL_SECONDS)
        found = re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text() if log.exists() else "")
        if found and asyncio.run(get(int(found[1]), "/ready")).status == 200:
            return int(found[1])
    sys.exit(f"The service has ended:\n{log.read_text()}")


def benchmark(name: str, data: Path, requests: list[bytes], seconds: float, n_requests: int) -> None:
    """Start the service of a model, measure it and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "service.log"
        process = multiprocessing.get_context("spawn").Process(target=run_service, args=(data, log))
        process.start()
        try:
            port = wait_until_ready(process, log)
            service = psutil.Process(process.pid)
            loaded = service.memory_info().rss
            asyncio.run(send_all(port, max(CLIENTS), requests))
            endless = cycle(requests)
            rows = [
                measure(service, port, n_clients, repeat_until(time.perf_counter() + seconds, endless))
                for n_clients in CLIENTS
            ]
            before = service.memory_info().rss
            asyncio.run(send_all(port, max(CLIENTS), islice(endless, n_requests)))
            after = service.memory_info().rss
        finally:
            process.terminate()
            process.join()
    print(f"\n{name}\n{pd.DataFrame(rows).to_string(index=False)}")
    print(
        f"memory of the service: {loaded / MIB:.0f} MiB loaded, {before / MIB:.0f} MiB before and "
        f"{after / MIB:.0f} MiB after {n_requests} requests",
        flush=True,
    )


def train(data: Path, *, encoder: bool) -> Path:
    """Train on the demo battles; return the data folder."""
    stages = "--pipelines=ingestion,features,embedding,finetuning,modelling"
    params = f"data_root={data},modelling.train_sizes=[],embedding.encoder.enabled={str(encoder).lower()}"
    command = [sys.executable, "-m", "kedro", "run", stages, "--tags=train", f"--params={params}"]
    subprocess.run(command, cwd=PROJECT, env={**os.environ, "KEDRO_DISABLE_TELEMETRY": "1"}, check=True)
    return data


def read_processor() -> str:
    """Name of the processor."""
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.processor()


def main() -> None:
    """Train where there is no model, and measure both."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--data", type=Path, help="a data folder of a model without encoder")
    cli.add_argument("--encoder-data", type=Path, help="a data folder of a model with encoder")
    cli.add_argument("--raw-dir", type=Path, default=PROJECT / "data" / "01_raw" / "demo", help="has test.csv to send")
    cli.add_argument("--seconds", type=float, default=10, help="for each number of clients")
    cli.add_argument("--requests", type=int, default=10_000, help="between the two readings of memory")
    arguments = cli.parse_args()
    folders = {"without encoder": arguments.data, "with encoder": arguments.encoder_data}
    requests = read_requests(arguments.raw_dir)
    with tempfile.TemporaryDirectory() as folder:
        if not any(folders.values()):
            folders = {
                name: train(Path(folder) / name.replace(" ", "_"), encoder=name == "with encoder") for name in folders
            }
        print(
            f"{read_processor()}, {len(os.sched_getaffinity(0))} cores for service and clients, {len(requests)} battles"
        )
        for name, data in folders.items():
            if data:
                benchmark(name, data, requests, arguments.seconds, arguments.requests)


if __name__ == "__main__":
    main()
