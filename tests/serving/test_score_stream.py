import json
import socket

import httpx
from fastapi.testclient import TestClient


def battle(number: int) -> dict[str, object]:
    return {"id": f"b{number}", "prompt": f"Why {number}?", "response_a": "x" * (number % 7 + 1), "response_b": "No."}


def to_lines(*rows: object) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


def score(client: TestClient, content: object, query: str = "") -> list[dict[str, object]]:
    answer = client.post(f"/v1/score{query}", content=content)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_lines_are_scored_in_their_order(client: TestClient, judge) -> None:
    answers = score(client, to_lines(*map(battle, range(600))))
    assert [answer["id"] for answer in answers] == [f"b{number}" for number in range(600)]
    ((a, b, tie),) = judge.predict_pairs([("Why 5?", ["xxxxxx"], ["No."])])
    assert answers[5] == {"id": "b5", "a": a, "b": b, "tie": tie}
    assert [size for _, size in judge.calls] == [256, 256, 88, 1]


def test_a_bad_line_is_answered_in_its_place(client: TestClient) -> None:
    bad = ["nonsense", "[1]", {"prompt": "Why?", "response_a": "x"}, '{"id": 1, "prompt": "q"', "[" * 5000]
    content = to_lines(battle(0), bad[0], bad[1], "", battle(1), bad[2], bad[3], bad[4], battle(2)).rstrip("\n")
    answers = score(client, content)
    assert [answer.get("id") or answer["line"] for answer in answers] == ["b0", 2, 3, "b1", 6, 7, 8, "b2"]
    assert "response_b" in str(answers[4]["error"])
    assert "arena_preference_bad_lines_total 5.0" in client.get("/metrics").text


def test_an_error_of_one_battle_is_not_that_of_the_others(client: TestClient) -> None:
    rows = [battle(0), {**battle(1), "response_a": "a bug"}, battle(2)]
    answers = score(client, to_lines(*rows))
    assert [answer.get("id") or answer["line"] for answer in answers] == ["b0", 2, "b2"]
    assert answers[1]["error"].startswith("internal error")


def test_lines_may_have_any_format_of_the_files(client: TestClient) -> None:
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    row = {"conversation_a": messages, "conversation_b": messages, "winner": "tie"}
    assert score(client, to_lines(row, row))[1]["id"] == "2"
    nectar = {"prompt": "Why?", "answers": [{"answer": text, "rank": rank} for rank, text in enumerate("xyz", 1)]}
    assert "error" in score(client, to_lines(nectar))[0]
    assert "docs/data.md" in str(score(client, to_lines({"x": 1}))[0]["error"])


def test_the_context_is_passed_on(client: TestClient, judge) -> None:
    score(client, to_lines(battle(1)), "?context=batch")
    assert judge.calls == [("pairs, batch", 1)]
    assert client.post("/v1/score?context=all", content="").json()["field"] == "context"


def test_lines_and_texts_have_a_limit(make_client) -> None:
    with make_client(max_line_bytes=200, max_lines=4, max_characters=50) as client:
        long = json.dumps({**battle(0), "response_b": "x" * 200})
        pieces = (f"{long}\n".encode()[start : start + 64] for start in range(0, len(long) + 1, 64))
        answers = score(client, pieces)
        assert answers == [{"line": 1, "error": "longer than 200 bytes"}]
        assert "response_a" in str(score(client, to_lines({**battle(0), "response_a": "x" * 51}))[0]["error"])
        answers = score(client, to_lines(*map(battle, range(6))))
        assert [answer.get("id") or answer["line"] for answer in answers] == ["b0", "b1", "b2", "b3", 5]
        assert "4 lines" in str(answers[-1]["error"])


def test_an_empty_body_has_an_empty_answer(client: TestClient) -> None:
    assert score(client, "") == score(client, "\n\r\n") == []


def test_a_stream_waits_for_room_in_the_queue_and_reports_what_was_not_scored(make_client, judge) -> None:
    with make_client(timeout=0.2) as client:
        judge.free.clear()
        answers = score(client, to_lines(battle(0), battle(1)))
        assert [answer["line"] for answer in answers] == [1, 2]
        judge.free.set()


def test_answers_come_while_lines_are_sent(start_server, judge) -> None:
    url = httpx.URL(start_server(judge))
    lines = [to_lines(*map(battle, range(start, end))).encode() for start, end in ((0, 256), (256, 257))]
    with socket.create_connection((url.host, url.port), timeout=20) as connection:
        head = b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"%x\r\n%s\r\n" % (len(lines[0]), lines[0]))
        received = b""
        while b'"b255"' not in received:
            received += connection.recv(65536)
        connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(lines[1]), lines[1]))
        while b'"b256"' not in received:
            received += connection.recv(65536)


def test_a_client_that_sends_everything_first_is_answered(start_server, judge) -> None:
    # More than the buffers of the connection hold.
    rows = [{**battle(number), "id": f"{number:0200d}"} for number in range(30_000)]
    with httpx.Client(base_url=start_server(judge), timeout=60) as client:
        answers = score(client, to_lines(*rows))
    assert len(answers) == 30_000
