import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest


def pair(number: int) -> dict[str, str]:
    return {"prompt": f"Why {number}?", "a": "x" * (number + 1), "b": "No."}


def wait_for(condition) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen")


def queue_length(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("arena_preference_queue_length ")).split()[1])


@pytest.fixture
def pool():
    with ThreadPoolExecutor(32) as pool:
        yield pool


def post_while_busy(client: httpx.Client, judge, pool: ThreadPoolExecutor, requests):
    """Send requests while the judge is busy with another one, and return what they will be answered."""
    judge.free.clear()
    first = pool.submit(client.post, "/v1/compare", json=pair(0))
    wait_for(lambda: judge.calls)
    answers = [pool.submit(client.post, path, json=body) for path, body in requests]
    return first, answers


def test_requests_that_wait_together_are_one_call(make_client, judge, pool) -> None:
    requests = [("/v1/compare", pair(number)) for number in range(10)]
    requests += [("/v1/rank", {"prompt": "Why?", "responses": ["x", "y" * number]}) for number in range(1, 4)]
    with make_client() as client:
        alone = [client.post(path, json=body).json() for path, body in requests]
        judge.calls.clear()
        _, answers = post_while_busy(client, judge, pool, requests)
        wait_for(lambda: queue_length(client) == len(requests))
        judge.free.set()
        together = [answer.result().json() for answer in answers]
        assert sorted(judge.calls[1:]) == [("pairs, none", 10), ("rank, batch", 3)]
    assert together == alone


def test_a_call_has_so_many_pairs_at_most(make_client, judge, pool) -> None:
    with make_client(batch_pairs=4) as client:
        _, answers = post_while_busy(client, judge, pool, [("/v1/compare", pair(number)) for number in range(10)])
        wait_for(lambda: queue_length(client) == 10)
        judge.free.set()
        assert all(answer.result().status_code == 200 for answer in answers)
    assert [size for _, size in judge.calls] == [1, 4, 4, 2]


def test_an_error_of_one_request_is_not_that_of_the_others(make_client, judge, pool) -> None:
    bodies = [pair(1), {**pair(2), "b": "a bug"}, pair(3)]
    with make_client() as client:
        _, answers = post_while_busy(client, judge, pool, [("/v1/compare", body) for body in bodies])
        wait_for(lambda: queue_length(client) == 3)
        judge.free.set()
        assert [answer.result().status_code for answer in answers] == [200, 500, 200]


def test_a_full_queue_answers_at_once(make_client, judge, pool) -> None:
    with make_client(queue_size=2) as client:
        _, answers = post_while_busy(client, judge, pool, [("/v1/compare", pair(number)) for number in range(2)])
        wait_for(lambda: queue_length(client) == 2)
        refused = client.post("/v1/compare", json=pair(3))
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "1"
        judge.free.set()
        assert all(answer.result().status_code == 200 for answer in answers)


def test_what_was_not_begun_in_time_is_dropped(make_client, judge, pool) -> None:
    with make_client(timeout=0.2, queue_size=2) as client:
        first, answers = post_while_busy(client, judge, pool, [("/v1/compare", pair(number)) for number in (1, 2)])
        assert [answer.result().status_code for answer in (first, *answers)] == [504, 504, 504]
        # Those that nobody waits for make room.
        assert client.post("/v1/compare", json=pair(3)).status_code == 504
        judge.free.set()
        wait_for(lambda: queue_length(client) == 0)
        assert client.post("/v1/compare", json=pair(4)).status_code == 200
    assert len(judge.calls) == 2


def test_what_a_client_that_left_had_asked_is_dropped(start_server, judge, pool) -> None:
    address = start_server(judge)
    judge.free.clear()
    with httpx.Client(base_url=address, timeout=30) as client:
        first = pool.submit(client.post, "/v1/compare", json=pair(0))
        wait_for(lambda: judge.calls)
        body = json.dumps(pair(1)).encode()
        with socket.create_connection((client.base_url.host, client.base_url.port)) as leaving:
            head = f"POST /v1/compare HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            leaving.sendall(head.encode() + body)
            wait_for(lambda: queue_length(client) == 1)
        wait_for(lambda: 'route="/v1/compare",status="499"' in client.get("/metrics").text)
        judge.free.set()
        assert first.result().status_code == 200
    assert judge.calls == [("pairs, none", 1)]


def test_the_end_waits_for_what_has_come(make_client, judge, pool) -> None:
    with make_client() as client:
        first, answers = post_while_busy(client, judge, pool, [("/v1/compare", pair(1))])
        wait_for(lambda: queue_length(client) == 1)
        threading.Timer(0.2, judge.free.set).start()
    assert [answer.result().status_code for answer in (first, *answers)] == [200, 200]
