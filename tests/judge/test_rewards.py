"""The examples of docs/rewards.md, executed with a tiny model, a small judge and few steps in place of the reader's."""

import importlib.util
import json
import re
import runpy
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pandas as pd
import pytest
import uvicorn

from arena_preference import Judge
from arena_preference.serving import ServiceSettings, create_app

from ..tiny_models import save_causal_model

PAGE = Path(__file__).parents[2] / "docs" / "rewards.md"
MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
TWO_STEPS = "max_steps=2, use_cpu=True, logging_steps=1"
PROMPT, RESPONSE, REFERENCE = "Name three rivers. ", "The Rhine, the Elbe and the Danube.", "The Rhine."

# trl 1.16 calls what transformers 5.24 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


def read_blocks(heading: str) -> list[str]:
    """The Python code in a section of the page."""
    page = PAGE.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("causal")
    save_causal_model(folder)
    return folder


class Example:
    """Code of the page in a folder of its own."""

    def __init__(self, folder: Path, names: dict[str, Path]) -> None:
        self._script = folder / "example.py"
        self._names = names

    def write(self, code: str, **arguments: str) -> Path:
        """Write the script with other names, and with other arguments in place of those of these keywords."""
        for name, stand_in in self._names.items():
            code = code.replace(f'"{name}"', repr(str(stand_in)))
        for keyword, argument in arguments.items():
            code, count = re.subn(rf"\b{keyword}=\w+", argument, code)
            assert count == 1, keyword
        self._script.write_text(code, encoding="utf-8")
        return self._script

    def run(self, code: str, **arguments: str) -> dict[str, Any]:
        """Execute the script and return its variables."""
        return runpy.run_path(str(self.write(code, **arguments)))


@pytest.fixture
def example(tmp_path: Path, data: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Example:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return Example(tmp_path, {"data": data, MODEL: model})


@pytest.mark.parametrize("form", ["messages", "texts with references"])
def test_grpo_logs_the_rewards_of_the_judge(example: Example, judge: Judge, form: str) -> None:
    code, with_references = read_blocks("GRPO with TRL")
    if form != "messages":
        code, count = re.subn(r"^dataset = .*\n", lambda _: with_references, code, flags=re.MULTILINE)
        assert count == 1
    trainer = example.run(
        code,
        num_generations="num_generations=4",
        per_device_train_batch_size="per_device_train_batch_size=4",
        max_completion_length="max_completion_length=16",
        max_steps=TWO_STEPS,
    )["trainer"]
    steps = [step for step in trainer.state.log_history if "reward" in step]
    assert [step["step"] for step in steps] == [1, 2]
    for step in steps:
        logged = pd.read_parquet(f"grpo/completions/completions_{step['step']:05d}.parquet")
        rewards = logged["reward"].to_numpy()
        assert len(set(rewards)) == 4
        assert step["reward"] == pytest.approx(rewards.mean())
        prompts, completions = (
            [cell if isinstance(cell, str) else cell.tolist() for cell in logged[column]]
            for column in ("prompt", "completion")
        )
        if form == "messages":
            references = None
            assert step["reward"] == pytest.approx(0.5)
        else:
            of_prompts = {row["prompt"]: row["references"] for row in trainer.train_dataset}
            references = [of_prompts[prompt] for prompt in prompts]
        # TRL keeps float32.
        assert rewards == pytest.approx(judge.reward(prompts, completions, references), abs=1e-6)


def test_the_best_of_n_is_what_the_judge_ranks_first(example: Example, judge: Judge) -> None:
    (code,) = read_blocks("Best of n")
    found = example.run(code, num_return_sequences="num_return_sequences=4", max_new_tokens="max_new_tokens=16")
    assert len(set(found["responses"])) == 4
    assert found["best"] == judge.rank(found["prompt"][0]["content"], found["responses"]).order[0]


def test_dpo_reads_the_pairs(example: Example) -> None:
    pairs = [
        {"prompt": PROMPT, "chosen": RESPONSE, "rejected": REFERENCE, "margin": 0.3},
        {"prompt": "What is 2 + 2?", "chosen": "4", "rejected": "I do not know.", "margin": 0.2},
    ]
    Path("pairs.jsonl").write_text("".join(f"{json.dumps(pair)}\n" for pair in pairs))
    (code,) = read_blocks("Pairs for DPO")
    trainer = example.run(code, max_steps=TWO_STEPS)["trainer"]
    assert [step["step"] for step in trainer.state.log_history if "loss" in step] == [1, 2]


def test_openrlhf_loads_the_function_and_asks_for_one_completion_at_a_time(example: Example, judge: Judge) -> None:
    code, _ = read_blocks("OpenRLHF")
    # As OpenRLHF does.
    spec = importlib.util.spec_from_file_location("reward_func", example.write(code))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    answer = module.reward_func([f"{PROMPT}{RESPONSE}<|im_end|>"], [PROMPT], [REFERENCE])
    expected = judge.rank(PROMPT, [RESPONSE, REFERENCE]).win_probabilities[0]
    assert answer["rewards"].tolist() == answer["scores"].tolist() == pytest.approx([expected])
    with pytest.raises(ValueError, match=r"single completion.*references"):
        module.reward_func([f"{PROMPT}{RESPONSE}<|im_end|>"], [PROMPT], [None])


@pytest.fixture
def address(judge: Judge) -> Iterator[str]:
    """A service of the judge."""
    app = create_app(judge, ServiceSettings(token=None))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        while not is_ready(address):
            time.sleep(0.01)
        yield address
    finally:
        server.should_exit = True
        thread.join()


def is_ready(address: str) -> bool:
    try:
        urlopen(f"{address}/ready").close()  # noqa: S310
    except HTTPError as error:
        error.close()
        return False
    return True


def test_the_service_has_the_rewards_for_openrlhf(example: Example, judge: Judge, address: str) -> None:
    _, code = read_blocks("OpenRLHF")
    assert "http://127.0.0.1:8000/" in code
    found = example.run(code.replace("http://127.0.0.1:8000", address))
    expected = judge.rank(PROMPT, [RESPONSE, REFERENCE]).win_probabilities[0]
    assert found["rewards"] == pytest.approx([expected])
