"""The service of a trained model: whatever comes together, each request has the result that it has alone."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from arena_preference import Judge
from arena_preference.battles import LABEL_COLUMNS
from arena_preference.serving import ServiceSettings, create_app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def judge(trained: Path) -> Judge:
    return Judge.load(trained)


@pytest.fixture(scope="module")
def battles(raw_dir: Path) -> list[dict[str, object]]:
    (path,) = raw_dir.glob("test.*")
    return pd.read_csv(path).head(30).to_dict("records")


@pytest.fixture
def client(judge: Judge) -> Iterator[TestClient]:
    with TestClient(create_app(judge, ServiceSettings(token=None)), base_url="http://127.0.0.1") as client:
        while client.get("/ready").status_code != 200:
            pass
        yield client


def post_together(client: TestClient, path: str, bodies: list[dict[str, object]]) -> list[dict[str, object]]:
    # Some texts have been cut in the middle of a character, which only escaped JSON can hold.
    contents = map(json.dumps, bodies)
    headers = {"Content-Type": "application/json"}
    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(lambda content: client.post(path, content=content, headers=headers).json(), contents))


def test_comparisons_have_the_probabilities_of_the_judge(
    client: TestClient, judge: Judge, battles: list[dict[str, object]]
) -> None:
    names = {"prompt": "prompt", "a": "response_a", "b": "response_b"}
    bodies = [{name: json.loads(battle[column]) for name, column in names.items()} for battle in battles]
    # The same prompt several times: these battles may not become each other's company.
    bodies += [{**body, "a": body["b"], "b": body["a"]} for body in bodies]
    answers = post_together(client, "/v1/compare", bodies)
    for body, answer in zip(bodies, answers, strict=True):
        preference = judge.compare(**body)
        assert answer == {**preference.to_dict(), "winner": preference.winner}
    for answer, swapped in zip(answers[:30], answers[30:], strict=True):
        assert (answer["a"], answer["b"], answer["tie"]) == (swapped["b"], swapped["a"], swapped["tie"])


def test_rankings_and_rewards_are_those_of_the_judge(client: TestClient, judge: Judge) -> None:
    responses = ["Because it is hot.", "No idea.", "I'm sorry, I cannot say.", "It is hot, since the sun shines."]
    bodies = [
        {"prompt": "Why?", "responses": responses[:n], "context": c} for n in (2, 3, 4) for c in ("none", "batch")
    ]
    for body, answer in zip(bodies, post_together(client, "/v1/rank", bodies), strict=True):
        assert answer == judge.rank(**body).to_dict()
    prompts, labels = ["Why?", "Why?", "Why not?"], [None, None, "So."]
    queries = [f"{prompt} {response}" for prompt, response in zip(prompts, responses, strict=False)]
    answer = client.post("/reward", json={"query": queries, "prompts": prompts, "labels": labels}).json()
    completions = [f" {response}" for response in responses[:3]]
    assert answer["rewards"] == judge.reward(prompts, completions, references=labels)


def test_a_stream_has_the_predictions_of_the_file(
    client: TestClient, judge: Judge, battles: list[dict[str, object]]
) -> None:
    content = "".join(f"{json.dumps(battle)}\n" for battle in battles)
    answers = pd.DataFrame([json.loads(line) for line in client.post("/v1/score", content=content).text.splitlines()])
    expected = judge.predict(battles)
    assert answers["id"].tolist() == expected["id"].tolist()
    assert (answers[["a", "b", "tie"]].to_numpy() == expected[list(LABEL_COLUMNS)].to_numpy()).all()


def test_reasons_and_the_run_are_those_of_the_judge(client: TestClient, judge: Judge) -> None:
    body = {"prompt": "Why?", "a": "Because it is hot.", "b": "I'm sorry, I cannot say."}
    why = client.post("/v1/compare", json={**body, "explain": True}).json()["why"]
    assert why == [vars(reason) for reason in judge.explain(**body)]
    answer = client.get("/model").json()
    assert answer["run_id"] == judge.manifest.run_id
    assert answer["sha256"]["preference_model"] == judge.manifest.written["preference_model"].sha256
