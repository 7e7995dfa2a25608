"""An embedding run that is killed at any instant resumes from its last shard, and ends as if nothing had happened."""

import json
import multiprocessing
import os
import random
import re
import runpy
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from omegaconf import OmegaConf
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

WORDS = ["the", "river", "runs", "down", "to", "sea", "and", "keeps", "its", "name", "who", "gave", "it", "a", "boat"]
OTHER_SCRIPTS = "кошканрие猫はマットの上に座るالقطعىحصيرةθάλασ"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]

# The embedding stage in the order of its nodes, with the store and the tables as the only files. It stops before it
# saves a shard (counted from 0), or in the middle of a write (counted from 1), if the test asks for that.
RUN = """
import itertools, json, logging, sys, time
from pathlib import Path

import numpy as np
import pandas as pd
from fsspec.implementations.local import LocalFileOpener

from arena_preference.datasets import EmbeddingStoreDataset
from arena_preference.pipelines.embedding import create_pipeline
from arena_preference.pipelines.embedding.config import EmbeddingConfig

inputs, folder = Path(inputs), Path(folder)
sys.stdout = sys.stderr = (folder / "log").open("w", buffering=1)
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
dataset = EmbeddingStoreDataset(filepath=str(folder / "store"))
battles = pd.DataFrame(json.loads((inputs / "battles.json").read_text()))
data = {
    "train_battles": battles,
    "train_sampled_battles": battles,
    "params:embedding": EmbeddingConfig(**json.loads((inputs / "config.json").read_text())),
}
data |= dict.fromkeys(["embedding_store", "train_text_embeddings", "train_response_scores"], dataset.load())
shards, writes, write = itertools.count(), itertools.count(1), LocalFileOpener.write


def stop():
    (folder / "stopped").touch()
    time.sleep(600)


def write_half(opener, content):
    if next(writes) < stop_in_write:
        return write(opener, content)
    write(opener, content[: len(content) // 2])
    opener.f.flush()
    stop()


if stop_in_write:
    LocalFileOpener.write = write_half
for node in create_pipeline(splits=("train",)).nodes:
    for name, output in node.run({name: data[name] for name in node.inputs}).items():
        if name not in data:
            data[name] = output
            continue
        for shard in output:
            if next(shards) == stop_before_shard:
                stop()
            dataset.save(shard)
        data |= dict.fromkeys(["train_text_embeddings", "train_response_scores"], dataset.load())
data["train_embedding_features"].to_parquet(folder / "features.parquet")
projection = data["embedding_projection"]
(folder / "projection").write_bytes(b"".join(np.asarray(projection[name]).tobytes() for name in sorted(projection)))
print("model loaded:", "transformers.models.bert.modeling_bert" in sys.modules)
"""
# Imported once for all runs; the module of the model itself is not among them.
PRELOADED = ["arena_preference.pipelines.embedding.nodes", "pyarrow.parquet", "transformers.modeling_utils"]

pytestmark = pytest.mark.slow


class Outcome(NamedTuple):
    shards: dict[str, bytes]
    features: bytes
    projection: bytes
    log: str


class Fill:
    """Runs that fill one store, one after the other, each in a process of its own."""

    def __init__(self, inputs: Path, folder: Path) -> None:
        self.folder = folder
        self._inputs = inputs
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(PRELOADED)

    def kill_at(self, **stop: int) -> dict[Path, int]:
        """Kill a run where it stops, and return the shards that it leaves, with the time when each was written."""
        run = self._start(**stop)
        try:
            while not (self.folder / "stopped").exists():
                assert run.exitcode is None, self.log
                time.sleep(0.01)
        finally:
            # SIGKILL: nothing is cleaned up and nothing flushed.
            run.kill()
            run.join()
        return list_times(self.shards)

    def kill_after(self, seconds: float) -> dict[Path, int]:
        """Kill a run after some seconds, which may be after its end."""
        run = self._start()
        run.join(seconds)
        run.kill()
        run.join()
        return list_times(self.shards)

    def run_to_end(self) -> Outcome:
        run = self._start()
        run.join()
        assert run.exitcode == 0, self.log
        return Outcome(
            {path.name: path.read_bytes() for path in self.shards},
            (self.folder / "features.parquet").read_bytes(),
            (self.folder / "projection").read_bytes(),
            self.log,
        )

    def _start(self, **stop: int) -> multiprocessing.process.BaseProcess:
        script = self.folder / "run.py"
        script.write_text(RUN)
        self.log_file.write_text("")
        variables = {"inputs": str(self._inputs), "folder": str(self.folder)}
        variables |= {"stop_before_shard": None, "stop_in_write": None, **stop}
        run = self._processes.Process(target=runpy.run_path, args=(str(script), variables))
        run.start()
        return run

    @property
    def log_file(self) -> Path:
        return self.folder / "log"

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def shards(self) -> list[Path]:
        return sorted((self.folder / "store").glob("*/*.safetensors"))


def list_times(paths: list[Path]) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in paths}


def make_encoder(folder: Path) -> None:
    """Save an encoder that takes about a second for all texts."""
    characters = dict.fromkeys("abcdefghijklmnopqrstuvwxyz.,?" + OTHER_SCRIPTS)
    vocabulary = dict.fromkeys([*SPECIAL, *WORDS, *characters, *(f"##{character}" for character in characters)])
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **roles).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(ids), hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=192,
        max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)


def make_battles() -> list[dict[str, Any]]:
    rng = random.Random(0)  # noqa: S311

    def write(words: int) -> str:
        return " ".join(rng.choices([*WORDS, "кошка", "猫はマットの上", "القط", "θάλασσα", "👩‍💻"], k=words))

    prompts = [[write(rng.randint(1, 30))] for _ in range(60)]
    repeated = write(100)
    responses: list[list[str | None]] = [[write(rng.randint(0, 150)), None, ""] for _ in range(300)]
    responses[0] = [("The river runs down to the sea. " * 1563)[:50_000]]
    responses[1:5] = [[""], [None], ["猫"], [write(1)]]
    responses[5:60] = [[repeated]] * 55
    return [
        {"id": number, "prompt": rng.choice(prompts), "response_a": a, "response_b": b}
        for number, (a, b) in enumerate(zip(responses[::2], responses[1::2], strict=True))
    ]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    make_encoder(folder / "encoder")
    (folder / "battles.json").write_text(json.dumps(make_battles()))
    # Env test has float32, with which results are the same bytes in whatever order texts are embedded.
    conf = request.config.rootpath / "conf"
    files = [conf / env / "parameters_embedding.yml" for env in ("base", "test")]
    config = OmegaConf.to_container(OmegaConf.merge(*map(OmegaConf.load, files)))["embedding"]
    encoder = {"model": str(folder / "encoder"), "revision": None, "pooling": "mean", "normalize": True}
    config["encoder"].update(encoder, max_tokens=None, long_texts="windows", stride=8)
    config["inference"].update(device="cpu", workers=2, shard_characters=4000)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def undisturbed_fill(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Fill:
    return Fill(inputs, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="module")
def undisturbed(undisturbed_fill: Fill) -> Outcome:
    return undisturbed_fill.run_to_end()


@pytest.fixture
def fill(tmp_path: Path, inputs: Path) -> Fill:
    return Fill(inputs, tmp_path)


@pytest.fixture
def filled(fill: Fill, undisturbed: Outcome, undisturbed_fill: Fill) -> Fill:
    shutil.copytree(undisturbed_fill.folder / "store", fill.folder / "store")
    return fill


def count_vectors(shards: list[bytes]) -> int:
    return sum(json.loads(shard[8 : 8 + int.from_bytes(shard[:8], "little")])["keys"]["shape"][0] for shard in shards)


def assert_same_outcome(outcome: Outcome, undisturbed: Outcome) -> None:
    # A shard's name is the hash of its content: equal names are equal vectors.
    assert outcome.shards == undisturbed.shards
    assert outcome.features == undisturbed.features
    assert outcome.projection == undisturbed.projection


def assert_only_the_rest_was_embedded(outcome: Outcome, kept: dict[Path, int], undisturbed: Outcome) -> None:
    distinct = count_vectors(list(undisturbed.shards.values()))
    rest = distinct - count_vectors([path.read_bytes() for path in kept])
    assert count_vectors(list(outcome.shards.values())) == distinct
    assert re.search(rf"\b{rest}\b", outcome.log)
    assert list_times(list(kept)) == kept


def test_there_are_enough_shards_to_be_interrupted(undisturbed: Outcome) -> None:
    assert len(undisturbed.shards) >= 20


@pytest.mark.parametrize("saved", [0, 1, 8, 17])
def test_a_run_killed_after_some_shards_resumes_with_the_next(fill: Fill, undisturbed: Outcome, saved: int) -> None:
    kept = fill.kill_at(stop_before_shard=saved)
    assert len(kept) == saved
    outcome = fill.run_to_end()
    assert_only_the_rest_was_embedded(outcome, kept, undisturbed)
    assert_same_outcome(outcome, undisturbed)


@pytest.mark.parametrize(("write", "kept_shards"), [(1, 0), (2, 0), (9, 7)])
def test_a_run_killed_during_a_write_leaves_no_incomplete_shard(
    fill: Fill, undisturbed: Outcome, write: int, kept_shards: int
) -> None:
    # The first write is the JSON file that describes what the store holds.
    kept = fill.kill_at(stop_in_write=write)
    assert len(kept) == kept_shards
    (half,) = (path for path in (fill.folder / "store").glob("*/*") if path.suffix not in (".json", ".safetensors"))
    assert half.stat().st_size > 0
    outcome = fill.run_to_end()
    assert_only_the_rest_was_embedded(outcome, kept, undisturbed)
    assert_same_outcome(outcome, undisturbed)


@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_again_and_again_at_random_instants_ends_the_same(
    fill: Fill, undisturbed: Outcome, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311
    kept: dict[Path, int] = {}
    for _ in range(5):
        now = fill.kill_after(rng.uniform(0.0, 0.8))
        assert kept.items() <= now.items()
        kept = now
    outcome = fill.run_to_end()
    assert list_times(list(kept)) == kept
    assert_same_outcome(outcome, undisturbed)


def test_only_corrupted_and_lost_shards_are_computed_again(filled: Fill, undisturbed: Outcome) -> None:
    corrupted, emptied, lost = filled.shards[2], filled.shards[9], filled.shards[15]
    content = bytearray(corrupted.read_bytes())
    content[len(content) // 2] ^= 1
    corrupted.write_bytes(content)
    os.truncate(emptied, 0)
    lost.unlink()
    kept = list_times([path for path in filled.shards if path not in (corrupted, emptied)])
    outcome = filled.run_to_end()
    assert corrupted.name in outcome.log
    assert emptied.name in outcome.log
    assert_only_the_rest_was_embedded(outcome, kept, undisturbed)
    assert_same_outcome(outcome, undisturbed)


def test_a_run_without_new_texts_loads_no_model(filled: Fill, undisturbed: Outcome) -> None:
    times = list_times(filled.shards)
    again = filled.run_to_end()
    assert "model loaded: True" in undisturbed.log
    assert "model loaded: False" in again.log
    assert list_times(filled.shards) == times
    assert_same_outcome(again, undisturbed)
