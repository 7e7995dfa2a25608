"""A run that is killed at any instant goes on where it was, and ends as if nothing had happened."""

import json
import multiprocessing
import os
import random
import re
import runpy
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

WORDS = ["the", "river", "runs", "down", "to", "sea", "and", "keeps", "its", "name", "who", "gave", "it", "a", "boat"]
OTHER_SCRIPTS = "кошканрие猫はマットの上に座るالقطعىحصيرةθάλασ"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]

# What a run does, node after node; the store and the tables are all that it leaves.
RUN = """
import json, logging, sys, time
from pathlib import Path

import pandas as pd
from fsspec.implementations.local import LocalFileOpener

from arena_preference.datasets import EmbeddingStoreDataset
from arena_preference.pipelines.embedding.nodes import (
    compute_embedding_features, embed_texts, fit_embedding_projection, record_models
)
from arena_preference.pipelines.embedding.config import EmbeddingConfig

inputs, folder = Path(inputs), Path(folder)
sys.stdout = sys.stderr = (folder / "log").open("w", buffering=1)
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
battles = pd.DataFrame(json.loads((inputs / "battles.json").read_text()))
options = EmbeddingConfig(**json.loads((inputs / "options.json").read_text()))
dataset = EmbeddingStoreDataset(filepath=str(folder / "store"))

if stop_in_write:
    write, written = LocalFileOpener.write, []

    def write_half(opener, content):
        written.append(opener)
        if len(written) < stop_in_write:
            return write(opener, content)
        write(opener, content[: len(content) // 2])
        opener.f.flush()
        (folder / "in_write").touch()
        time.sleep(600)

    LocalFileOpener.write = write_half

for shard in embed_texts(battles, dataset.load(), options):
    dataset.save(shard)
store = dataset.load()
encoder, _ = record_models(store, store, options)
projection = fit_embedding_projection(battles, store, encoder, options)
compute_embedding_features(battles, store, encoder, projection).to_parquet(folder / "features.parquet")
(folder / "projection").write_bytes(projection["components"].tobytes())
print("model loaded:", "transformers.models.bert.modeling_bert" in sys.modules)
"""
# Imported once for all runs; the module of the model itself is not among them.
PRELOADED = ["arena_preference.pipelines.embedding.embed_missing", "pyarrow.parquet", "transformers.modeling_utils"]


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

    def kill_when(self, condition: Callable[[], bool], stop_in_write: int = 0) -> dict[Path, int]:
        """Run until the condition holds and give what the killed run leaves: shards, and when each was written."""
        run = self._start(stop_in_write)
        try:
            while not condition():
                assert run.exitcode is None, self.log
                time.sleep(0.0005)
        finally:
            # SIGKILL: nothing is cleaned up and nothing flushed.
            run.kill()
            run.join()
        return list_times(self.shards)

    def kill_after(self, seconds: float) -> dict[Path, int]:
        """Kill a run at a given instant, which may be after its end."""
        run = self._start()
        run.join(seconds)
        run.kill()
        run.join()
        return list_times(self.shards)

    def finish(self) -> Outcome:
        run = self._start()
        run.join()
        assert run.exitcode == 0, self.log
        return Outcome(
            {path.name: path.read_bytes() for path in self.shards},
            (self.folder / "features.parquet").read_bytes(),
            (self.folder / "projection").read_bytes(),
            self.log,
        )

    def _start(self, stop_in_write: int = 0) -> multiprocessing.process.BaseProcess:
        script = self.folder / "run.py"
        script.write_text(RUN)
        self.log_file.write_text("")
        variables = {"inputs": str(self._inputs), "folder": str(self.folder), "stop_in_write": stop_in_write}
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
    """Write an encoder that is slow enough for a signal to arrive in the middle of its work."""
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
    chance = random.Random(0)  # noqa: S311

    def write(words: int) -> str:
        return " ".join(chance.choices([*WORDS, "кошка", "猫はマットの上", "القط", "θάλασσα", "👩‍💻"], k=words))

    prompts = [[write(chance.randint(1, 30))] for _ in range(60)]
    repeated = write(100)
    answers: list[list[str | None]] = [[write(chance.randint(0, 150)), None, ""] for _ in range(300)]
    answers[0] = [("The river runs down to the sea. " * 1563)[:50_000]]
    answers[1:5] = [[""], [None], ["猫"], [write(1)]]
    answers[5:60] = [[repeated]] * 55
    return [
        {"id": number, "prompt": chance.choice(prompts), "response_a": a, "response_b": b}
        for number, (a, b) in enumerate(zip(answers[::2], answers[1::2], strict=True))
    ]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    make_encoder(folder / "encoder")
    (folder / "battles.json").write_text(json.dumps(make_battles()))
    parameters = request.config.rootpath / "conf" / "base" / "parameters_embedding.yml"
    options = yaml.safe_load(parameters.read_text())["embedding"]
    options["encoder"].update(
        model=str(folder / "encoder"), revision=None, pooling="mean", normalize=True, max_tokens=None,
        long_texts="windows", stride=8, n_components=4,
    )  # fmt: skip
    options["inference"].update(device="cpu", dtype="float32", workers=2, shard_characters=4000)
    (folder / "options.json").write_text(json.dumps(options))
    return folder


@pytest.fixture(scope="module")
def undisturbed_fill(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Fill:
    return Fill(inputs, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="module")
def undisturbed(undisturbed_fill: Fill) -> Outcome:
    return undisturbed_fill.finish()


@pytest.fixture
def fill(tmp_path: Path, inputs: Path) -> Fill:
    return Fill(inputs, tmp_path)


@pytest.fixture
def filled(fill: Fill, undisturbed: Outcome, undisturbed_fill: Fill) -> Fill:
    shutil.copytree(undisturbed_fill.folder / "store", fill.folder / "store")
    return fill


def count_texts(log: str) -> tuple[int, int]:
    """Read out of a log how many distinct texts there are, and how many of them were in the store."""
    counts = re.search(r"texts, (\d+) of them distinct, (\d+) of those in the store", log)
    assert counts, log
    return int(counts[1]), int(counts[2])


def count_vectors(shards: list[bytes]) -> int:
    return sum(json.loads(shard[8 : 8 + int.from_bytes(shard[:8], "little")])["keys"]["shape"][0] for shard in shards)


def assert_same_outcome(outcome: Outcome, undisturbed: Outcome) -> None:
    # A shard's name is the hash of its content: equal names are equal vectors.
    assert outcome.shards == undisturbed.shards
    assert outcome.features == undisturbed.features
    assert outcome.projection == undisturbed.projection


def assert_only_the_rest_was_embedded(outcome: Outcome, kept: dict[Path, int]) -> None:
    distinct, in_store = count_texts(outcome.log)
    assert in_store == count_vectors([path.read_bytes() for path in kept])
    assert count_vectors(list(outcome.shards.values())) == distinct
    assert f"{distinct - in_store} for the encoder on cpu" in outcome.log
    assert list_times(list(kept)) == kept


def test_battles_are_enough_to_be_interrupted(undisturbed: Outcome) -> None:
    assert len(undisturbed.shards) >= 20
    distinct, in_store = count_texts(undisturbed.log)
    assert (count_vectors(list(undisturbed.shards.values())), in_store) == (distinct, 0)


@pytest.mark.parametrize("written", [1, 8, 17])
def test_a_run_killed_after_some_shards_goes_on_with_the_next(fill: Fill, undisturbed: Outcome, written: int) -> None:
    kept = fill.kill_when(lambda: len(fill.shards) >= written)
    assert written <= len(kept) < len(undisturbed.shards)
    outcome = fill.finish()
    assert_only_the_rest_was_embedded(outcome, kept)
    assert_same_outcome(outcome, undisturbed)


def test_a_run_killed_before_its_first_shard_begins_again(fill: Fill, undisturbed: Outcome) -> None:
    kept = fill.kill_when(lambda: "of them distinct" in fill.log)
    assert len(kept) <= 1
    outcome = fill.finish()
    assert_only_the_rest_was_embedded(outcome, kept)
    assert_same_outcome(outcome, undisturbed)


@pytest.mark.parametrize(("writes", "kept_shards"), [(1, 0), (2, 0), (9, 7)])
def test_a_run_killed_in_the_middle_of_a_write_leaves_no_half_shard(
    fill: Fill, undisturbed: Outcome, writes: int, kept_shards: int
) -> None:
    # The first write is collection.json, which says in words what the store holds.
    kept = fill.kill_when((fill.folder / "in_write").exists, stop_in_write=writes)
    assert len(kept) == kept_shards
    (half,) = (fill.folder / "store").glob("*/*.unfinished")
    assert half.stat().st_size > 0
    outcome = fill.finish()
    assert "corrupted" not in outcome.log
    assert_only_the_rest_was_embedded(outcome, kept)
    assert_same_outcome(outcome, undisturbed)


@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_again_and_again_at_random_instants_ends_all_the_same(
    fill: Fill, undisturbed: Outcome, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    kept: dict[Path, int] = {}
    for _ in range(5):
        now = fill.kill_after(chance.uniform(0.0, 0.8))
        assert kept.items() <= now.items()
        kept = now
    outcome = fill.finish()
    assert list_times(list(kept)) == kept
    assert_same_outcome(outcome, undisturbed)


def test_damaged_and_lost_shards_alone_are_computed_again(filled: Fill, undisturbed: Outcome) -> None:
    damaged, emptied, lost = filled.shards[2], filled.shards[9], filled.shards[15]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    os.truncate(emptied, 0)
    lost.unlink()
    kept = list_times([path for path in filled.shards if path not in (damaged, emptied)])
    outcome = filled.finish()
    assert outcome.log.count("is corrupted") == 2
    assert_only_the_rest_was_embedded(outcome, kept)
    assert_same_outcome(outcome, undisturbed)


def test_a_run_with_nothing_new_says_so_and_loads_no_model(filled: Fill, undisturbed: Outcome) -> None:
    distinct, _ = count_texts(undisturbed.log)
    times = list_times(filled.shards)
    again = filled.finish()
    assert f"{distinct} of them distinct, {distinct} of those in the store: nothing to do for the encoder" in again.log
    assert "model loaded: True" in undisturbed.log
    assert "model loaded: False" in again.log
    assert list_times(filled.shards) == times
    assert_same_outcome(again, undisturbed)
