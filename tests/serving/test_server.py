"""The service as a process."""

import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from arena_preference.serving import ServiceSettings, serve

PAIR = {"prompt": "Why?", "a": "Because of this.", "b": "No."}
SCRIPT = """
import logging
from types import SimpleNamespace
import numpy as np
from arena_preference.serving import ServiceSettings, serve

class SlowJudge:
    manifest = SimpleNamespace(run_id="2026")

    def predict_pairs(self, pairs, *, context):
        print(len(pairs), flush=True)
        input()
        return np.full((len(pairs), 3), 1 / 3)

logging.basicConfig(level=logging.INFO)
serve(SlowJudge(), ServiceSettings(port=0))
"""


@pytest.mark.slow
def test_sigterm_finishes_what_has_come_and_nothing_more() -> None:
    with (
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        ThreadPoolExecutor() as pool,
    ):
        log = []
        while not (found := re.search(r"running on (http://127\.0\.0\.1:\d+)", "".join(log))):
            log.append(process.stderr.readline())
            assert log[-1], log
        reader = threading.Thread(target=lambda: log.extend(process.stderr))
        reader.start()
        with httpx.Client(base_url=found[1], timeout=60) as client:
            while client.get("/ready").status_code != 200:
                pass
            first = pool.submit(client.post, "/v1/compare", json=PAIR)
            assert process.stdout.readline() == "1\n"
            second = pool.submit(client.post, "/v1/compare", json=PAIR)
            while "queue_length 1.0" not in client.get("/metrics").text:
                pass
            process.send_signal(signal.SIGTERM)
            while not any("Shutting down" in line for line in log):
                pass
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{found[1]}/health")
            process.stdin.write("\n\n")
            process.stdin.flush()
            assert [answer.result().status_code for answer in (first, second)] == [200, 200]
        process.wait(60)
        reader.join()
    # Uvicorn ends as the signal would have ended it, after everything is done.
    assert process.returncode == -signal.SIGTERM
    assert not [line for line in log if "ERROR" in line or "Traceback" in line]


def test_a_model_that_cannot_be_loaded_ends_the_service() -> None:
    def load() -> None:
        raise FileNotFoundError("There is no 'nowhere'.")

    with pytest.raises(FileNotFoundError, match="nowhere"):
        serve(load, ServiceSettings(port=0, token=None))
