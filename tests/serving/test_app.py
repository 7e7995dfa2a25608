import json
import logging
import threading
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

PAIR = {"prompt": "Why?", "a": "Because of this.", "b": "No."}


def error_of(client: TestClient, path: str, body: object, status: int) -> dict[str, str]:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_compare_returns_the_probabilities_of_the_judge(client: TestClient, judge) -> None:
    ((a, b, tie),) = judge.predict_pairs([("Why?", "Because of this.", "No.")])
    assert client.post("/v1/compare", json=PAIR).json() == {"a": a, "b": b, "tie": tie, "winner": "a"}


def test_compare_says_why_if_asked(client: TestClient) -> None:
    (reason,) = client.post("/v1/compare", json={**PAIR, "explain": True}).json()["why"]
    assert reason == {"text": "A is longer", "side": "a", "contribution": 0.5, "feature": "characters__reldiff"}


def test_turns_and_messages_are_conversations(client: TestClient) -> None:
    turns = {"prompt": ["Hi", "Why?"], "a": ["Hello", "So."], "b": [None, "No."]}
    assert client.post("/v1/compare", json=turns).status_code == 200
    user, assistant = ({"role": role, "content": "Hi"} for role in ("user", "assistant"))
    messages = {"prompt": [user, assistant, user], "a": [assistant], "b": "Hm"}
    assert client.post("/v1/compare", json=messages).status_code == 200


def test_rank_orders_responses(client: TestClient, judge) -> None:
    answer = client.post("/v1/rank", json={"prompt": "Why?", "responses": ["no", "because", "so it"]}).json()
    assert answer["order"] == [1, 2, 0]
    assert answer["matrix"][1][2] > answer["matrix"][2][1]
    assert judge.calls == [("rank, batch", 1)]


@pytest.mark.parametrize("context", ["none", "batch"])
def test_rank_passes_the_context_on(client: TestClient, judge, context: str) -> None:
    client.post("/v1/rank", json={"prompt": "Why?", "responses": ["no", "yes"], "context": context})
    assert judge.calls == [(f"rank, {context}", 1)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt": "Why?", "a": "x"}, "b"),
        ({**PAIR, "model": "x"}, "model"),
        ({**PAIR, "a": 4}, "a"),
        ({**PAIR, "b": ["x", 4]}, "b"),
        ({**PAIR, "prompt": []}, "prompt"),
        ({**PAIR, "prompt": None}, "prompt"),
        ({**PAIR, "prompt": [{"role": "assistant", "content": "x"}]}, "prompt"),
        ({**PAIR, "a": [{"role": "user", "content": "x"}]}, "a"),
        ({**PAIR, "context": "all"}, "context"),
        ([PAIR], "body"),
    ],
)
def test_an_invalid_comparison_is_rejected_with_the_field(
    client: TestClient, judge, body: dict[str, object], field: str
) -> None:
    error = error_of(client, "/v1/compare", body, 422)
    assert error["field"] == field
    assert field in error["error"]
    assert not judge.calls


def test_an_invalid_response_of_several_is_named(client: TestClient) -> None:
    assert error_of(client, "/v1/rank", {"prompt": "Why?", "responses": ["x", 4]}, 422)["field"] == "responses[1]"
    assert error_of(client, "/v1/rank", {"prompt": "Why?", "responses": ["x"]}, 422)["field"] == "responses"


@pytest.mark.parametrize("content", ['{"prom', "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass")])
def test_what_is_not_json_is_rejected(client: TestClient, content: str) -> None:
    answer = client.post("/v1/compare", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert set(answer.json()) <= {"error", "field"}


def test_half_a_character_is_a_text(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    assert client.post("/v1/compare", content=json.dumps({**PAIR, "a": "x\ud83e"}), headers=headers).status_code == 200
    answer = client.post("/v1/compare", content=json.dumps({**PAIR, "\ud83e": 1}), headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "body")


def test_deep_nesting_is_rejected(client: TestClient) -> None:
    nested: object = "x"
    for _ in range(500):
        nested = [nested]
    assert error_of(client, "/v1/compare", {**PAIR, "a": nested}, 422)["field"] == "a"


def test_texts_and_bodies_have_a_limit(make_client) -> None:
    with make_client(max_characters=20, max_body_bytes=1000) as client:
        assert error_of(client, "/v1/compare", {**PAIR, "b": "x" * 21}, 413)["field"] == "b"
        assert error_of(client, "/v1/compare", {**PAIR, "prompt": ["x" * 15, "y" * 15]}, 413)["field"] == "prompt"
        assert error_of(client, "/v1/compare", {**PAIR, "b": "x" * 2000}, 413)["field"] == "body"
        chunks = (b'{"prompt":', b'"' + b"x" * 2000)
        assert client.post("/v1/compare", content=iter(chunks)).status_code == 413


def test_the_pairs_of_a_request_have_a_limit(make_client) -> None:
    with make_client(max_pairs=3) as client:
        assert client.post("/v1/rank", json={"prompt": "Why?", "responses": ["x"] * 3}).status_code == 200
        error = error_of(client, "/v1/rank", {"prompt": "Why?", "responses": ["x"] * 4}, 422)
        assert error["field"] == "responses"
        assert "6 pairs" in error["error"]
        assert error_of(client, "/rerank", {"query": "Why?", "texts": ["x"] * 4}, 422)["field"] == "texts"


def test_rerank_answers_in_the_form_of_text_embeddings_inference(client: TestClient) -> None:
    answer = client.post("/rerank", json={"query": "Why?", "texts": ["no", "because"], "truncate": True}).json()
    assert [result["index"] for result in answer] == [1, 0]
    assert answer[0]["score"] + answer[1]["score"] == pytest.approx(1)
    answer = client.post("/rerank", json={"query": "Why?", "texts": ["no", "because"], "return_text": True}).json()
    assert answer[0].keys() == {"index", "score", "text"}


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_rerank_answers_in_the_form_of_cohere(client: TestClient, path: str) -> None:
    body = {"model": "any", "query": "Why?", "documents": ["no", {"text": "because"}, "so it is"], "top_n": 2}
    (first, second) = client.post(path, json=body).json()["results"]
    assert (first["index"], second["index"]) == (2, 1)
    assert first.keys() == {"index", "relevance_score"}
    (first, _) = client.post(path, json={**body, "return_documents": True}).json()["results"]
    assert first["document"] == {"text": "so it is"}


def test_rerank_wants_one_of_both_forms(client: TestClient) -> None:
    assert "texts or documents" in error_of(client, "/rerank", {"query": "Why?"}, 422)["error"]
    error_of(client, "/rerank", {"query": "Why?", "texts": ["x"], "documents": ["x"]}, 422)
    assert error_of(client, "/rerank", {"query": "Why?", "texts": []}, 422)["field"] == "texts"
    raw = {"query": "Why?", "texts": ["x", "y"], "raw_scores": True}
    assert error_of(client, "/rerank", raw, 422)["field"] == "raw_scores"


def test_reward_takes_the_completion_out_of_the_query(client: TestClient) -> None:
    body = {"query": ["Q: Why? A: So.", "Q: Why? A: Because."], "prompts": ["Q: Why? A: "] * 2, "labels": ["", None]}
    rewards = [float(len("So.")), float(len("Because."))]
    extra_logs = {"win_probability": rewards}
    assert client.post("/reward", json=body).json() == {"rewards": rewards, "scores": rewards, "extra_logs": extra_logs}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prompts": ["Q", "Z"], "labels": ["x", "x"]}, "query[1]"),
        ({"prompts": ["Q"]}, "prompts"),
        ({"labels": ["x"]}, "labels"),
        ({"query": ["Qa", "Zb"], "prompts": ["Q", "Z"]}, "labels[0]"),
        ({"labels": ["x", None]}, "labels[1]"),
        ({"query": []}, "query"),
    ],
)
def test_reward_rejects_what_cannot_be_compared(client: TestClient, change: dict[str, object], field: str) -> None:
    assert error_of(client, "/reward", {"query": ["Qa", "Qb"], "prompts": ["Q", "Q"], **change}, 422)["field"] == field


def test_one_completion_with_a_label_has_a_reward(client: TestClient) -> None:
    body = {"query": ["Qab"], "prompts": ["Q"], "labels": ["reference"]}
    assert client.post("/reward", json=body).json()["rewards"] == [2.0]


def test_the_model_is_described(client: TestClient) -> None:
    answer = client.get("/model").json()
    assert answer["run_id"] == "2026-01-01T00.00.00.000Z"
    assert answer["metrics"] == {"log_loss": 0.99}
    assert answer["sha256"] == {"preference_model": "ab" * 32}


def test_the_service_is_healthy_before_it_is_ready(make_client, judge) -> None:
    may_load = threading.Event()

    def load() -> object:
        assert may_load.wait(20)
        return judge

    with make_client(load, wait=False) as client:
        assert client.get("/health").status_code == 200
        for answer in (client.get("/ready"), client.post("/v1/compare", json=PAIR), client.post("/v1/score")):
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
        may_load.set()
        while client.get("/ready").status_code != 200:
            pass
        assert client.post("/v1/compare", json=PAIR).status_code == 200


def test_a_model_that_cannot_be_loaded_is_reported(make_client, caplog: pytest.LogCaptureFixture) -> None:
    def load() -> object:
        raise FileNotFoundError("There is no 'nowhere'.")

    with make_client(load) as client:
        assert "failed" in client.get("/ready").json()["error"]
    assert "nowhere" in caplog.text


def test_the_interface_is_described_without_another_site(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/compare", "/v1/rank", "/v1/score", "/rerank", "/reward", "/model", "/metrics"} <= set(paths)
    for path in ("/", "/page.js", "/page.css", "/docs", "/docs.js"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "http://" not in answer.text
        assert "https://" not in answer.text


def test_metrics_count_requests_pairs_and_batches(client: TestClient) -> None:
    client.post("/v1/compare", json=PAIR)
    client.post("/v1/rank", json={"prompt": "Why?", "responses": ["x", "yy", "z"]})
    client.post("/v1/compare", json={})
    client.get("/secret-path")
    text = client.get("/metrics").text
    for line in (
        'arena_preference_requests_total{route="/v1/compare",status="200"} 1.0',
        'arena_preference_requests_total{route="/v1/compare",status="422"} 1.0',
        'arena_preference_requests_total{route="other",status="404"} 1.0',
        'arena_preference_request_seconds_count{route="/v1/rank"} 1.0',
        "arena_preference_pairs_total 4.0",
        "arena_preference_batch_requests_count 2.0",
        "arena_preference_queue_length 0.0",
    ):
        assert line in text
    assert "secret" not in text


def test_no_text_is_logged(
    make_client: Callable[..., object], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = {"prompt": "secret", "a": "secret", "b": "secret"}
    with make_client() as client:
        client.post("/v1/compare", json=secret)
        client.post("/v1/compare", json={**secret, "a": 4})
        client.post("/v1/compare", json={**secret, "secret": 4})
        client.post("/v1/rank", json={"prompt": "secret", "responses": ["secret", "x"]})
        client.post("/v1/score", content='secret\n{"prompt": "secret"}')
        client.get("/secret?secret=secret")
        answer = client.post("/v1/compare", json={**secret, "a": "a bug"})
        assert answer.status_code == 500
        assert "secret" not in answer.text
    printed = capfd.readouterr()
    assert "/v1/compare 200" in caplog.text
    assert "KeyError in /v1/compare" in caplog.text
    # The test's own client logs the addresses that it asks for.
    records = [record for record in caplog.records if not record.name.startswith("http")]
    assert not [record for record in records if "secret" in f"{record.getMessage()} {record.exc_info}"]
    assert "secret" not in printed.out + printed.err


def test_an_error_does_not_echo_what_was_sent(client: TestClient) -> None:
    answer = client.post("/v1/compare", json={**PAIR, "context": "secret", "explain": "secret"})
    assert answer.status_code == 422
    assert "secret" not in json.dumps(answer.json())
