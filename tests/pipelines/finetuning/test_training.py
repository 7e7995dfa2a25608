"""Training itself, by nodes: each code path with a tiny model that has to learn what decides its battles."""

import json
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from safetensors.numpy import load_file

from arena_preference.battles import Logits
from arena_preference.datasets import ModelStore
from arena_preference.metrics import select_probabilities
from arena_preference.pipelines.finetuning import nodes, training
from arena_preference.pipelines.finetuning.nodes import (
    score_battles,
    score_folds,
    train_cross_encoders,
)
from arena_preference.symmetry import swap_battles, swap_probabilities

from .conftest import ChangeOptions

# Log loss of a model that says the same of every battle.
UNINFORMED = np.log(3)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


def compute_log_loss(scores: pd.DataFrame, labels: pd.Series) -> float:
    logits = select_probabilities(scores)
    logits = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -float(logits[np.arange(len(logits)), labels].mean())


def read_weights(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("*.safetensors")
    return load_file(path)


def read_log_losses(folder: Path) -> dict[int, float]:
    """Give the log loss of each evaluation by its step."""
    entries = json.loads((folder / training.MODEL / training.HISTORY).read_text())
    return {entry["step"]: entry["eval_log_loss"] for entry in entries if "eval_log_loss" in entry}


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("distilbert", {}),
        ("distilbert", {"method": "lora", "training": {"learning_rate": 1e-2}}),
        ("distilbert", {"head": "joint", "training": {"epochs": 40, "learning_rate": 1e-2}}),
        ("llama", {}),
        ("llama", {"method": "lora", "training": {"learning_rate": 1e-2}}),
        (
            "llama",
            {
                "head": "joint",
                "input": {"max_tokens": 100, "template": "text"},
                "training": {"epochs": 40, "learning_rate": 1e-2},
            },
        ),
    ],
    ids=["encoder", "encoder-lora", "encoder-joint", "decoder", "decoder-lora", "decoder-joint"],
)
def test_models_learn_what_decides_and_their_scores_follow_a_swap_to_the_last_bit(
    change_options: ChangeOptions,
    battles: pd.DataFrame,
    folds: pd.DataFrame,
    store: ModelStore,
    model: str,
    changes: dict[str, Any],
) -> None:
    options = change_options(model, **changes)
    trained, history = train_cross_encoders(battles, folds, store, options, seed=0)
    scores = Logits.validate(score_folds(battles, folds, store, trained, options))
    assert scores["id"].tolist() == battles["id"].tolist()
    assert compute_log_loss(scores, battles["label"]) < 0.3 * UNINFORMED
    assert set(history["fold"]) == {0, 1}
    assert history["log_loss"].min() < UNINFORMED

    test = battles.drop(columns="label").sample(frac=1, random_state=0)
    averaged = score_battles(test, store, trained, options)
    swapped = score_battles(swap_battles(test), store, trained, options)
    assert averaged["id"].tolist() == test["id"].tolist()
    np.testing.assert_array_equal(select_probabilities(swapped), swap_probabilities(select_probabilities(averaged)))


def test_a_model_never_sees_its_fold(
    change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, store: ModelStore
) -> None:
    options = change_options(training={"epochs": 1})
    trained, _ = train_cross_encoders(battles, folds, store, options, seed=0)
    # Other labels in fold 0 leave the model of fold 0 as it is, and change that of fold 1.
    changed = battles.assign(label=battles["label"].where(folds["fold"] != 0, 2).astype("int8"))
    again, _ = train_cross_encoders(changed, folds, store, options, seed=0)
    (first, second), (first_again, second_again) = trained["models"], again["models"]
    assert first == first_again
    assert second["key"] != second_again["key"]
    assert second["files"] != second_again["files"]


def test_what_is_trained_is_not_trained_again(
    change_options: ChangeOptions,
    battles: pd.DataFrame,
    folds: pd.DataFrame,
    store: ModelStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = change_options(training={"epochs": 1})
    first = train_cross_encoders(battles, folds, store, options, seed=0)
    monkeypatch.setattr(training, "train", lambda folder: pytest.fail("trained again"))
    second = train_cross_encoders(battles, folds, store, options, seed=0)
    assert first[0] == second[0]
    pd.testing.assert_frame_equal(first[1], second[1])
    assert sorted(path.name for path in store.path.iterdir() if path.is_dir()) == sorted(
        model["key"] for model in first[0]["models"]
    )


def test_adapters_are_stored_without_the_model_below_them(
    change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, store: ModelStore
) -> None:
    options = change_options(method="lora", training={"epochs": 1})
    trained, _ = train_cross_encoders(battles, folds, store, options, seed=0)
    folder = store.path / trained["models"][0]["key"]
    names = set(read_weights(folder))
    assert all("lora_" in name or ".side." in name or ".tie." in name for name in names)
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors", ".md"}
    assert {"tokenizer.json", "job.json", "adapter_config.json"} <= {path.name for path in folder.iterdir()}


def test_a_refitted_model_scores_the_test_battles_alone(
    change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, store: ModelStore
) -> None:
    options = change_options(refit=True, training={"epochs": 2})
    trained, _ = train_cross_encoders(battles, folds, store, options, seed=0)
    assert [model["fold"] for model in trained["models"]] == [0, 1, nodes.ALL_FOLDS]
    expected = score_battles(battles, store, {**trained, "models": trained["models"][2:]}, options)
    pd.testing.assert_frame_equal(score_battles(battles, store, trained, options), expected)
    average = score_battles(battles, store, {**trained, "models": trained["models"][:2]}, options)
    assert not average.equals(expected)


def test_training_again_gives_the_same_bits(
    change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, tmp_path: Path
) -> None:
    options = change_options(training={"epochs": 1})
    one, other = (
        train_cross_encoders(battles, folds, ModelStore(tmp_path / name), options, seed=0)[0] for name in "ab"
    )
    for model in one["models"]:
        weights, again = (read_weights(tmp_path / name / model["key"]) for name in "ab")
        assert all(np.array_equal(weights[name], again[name]) for name in weights)
    assert [model["key"] for model in one["models"]] == [model["key"] for model in other["models"]]


@pytest.mark.parametrize("file", ["trainer_state.json", "rng_state_1.pth"])
def test_a_checkpoint_with_half_a_file_is_not_gone_on_from(tmp_path: Path, file: str) -> None:
    for step in (5, 10):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        (checkpoint / "trainer_state.json").write_text('{"global_step": 5}')
        for process in (0, 1):
            torch.save({"cpu": torch.get_rng_state()}, checkpoint / f"rng_state_{process}.pth")
    assert training.find_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    content = (tmp_path / "checkpoint-10" / file).read_bytes()
    (tmp_path / "checkpoint-10" / file).write_bytes(content[: len(content) // 2])
    assert training.find_checkpoint(tmp_path) == str(tmp_path / "checkpoint-5")
    assert not (tmp_path / "checkpoint-10").exists()


def test_early_stopping_keeps_the_best_checkpoint(
    change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, store: ModelStore
) -> None:
    noise = battles.assign(label=np.random.default_rng(1).integers(0, 3, len(battles)).astype("int8"))
    options = change_options(training={"epochs": 60, "patience": 2, "learning_rate": 1e-2})
    _, history = train_cross_encoders(noise, folds, store, options, seed=0)
    measured = history.dropna(subset="log_loss")
    for _, of_fold in measured.groupby("fold"):
        assert len(of_fold) < 60
        assert of_fold["log_loss"].argmin() == len(of_fold) - 3


def test_a_killed_training_goes_on_from_its_last_checkpoint_and_ends_the_same(
    change_options: ChangeOptions, battles: pd.DataFrame, tmp_path: Path
) -> None:
    job = training.TrainingJob(name="a", options=change_options(training={"epochs": 6}), seed=0)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        training.write_job(folder, job, battles)
    training.train(whole)

    worker = subprocess.Popen([sys.executable, "-m", training.__name__, str(killed)])
    deadline = time.monotonic() + 120
    while not list((killed / "checkpoints").glob("checkpoint-*/trainer_state.json")):
        assert worker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert not (killed / training.MODEL).exists()
    # The last checkpoint may have been cut short as well.
    torn = killed / "checkpoints" / "checkpoint-999"
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"global_')

    resumed_from = training.find_checkpoint(killed / "checkpoints")
    assert resumed_from is not None
    assert "999" not in resumed_from
    training.train(killed)
    assert not torn.exists()
    weights, again = (read_weights(folder / training.MODEL) for folder in (whole, killed))
    for name in weights:
        np.testing.assert_allclose(weights[name], again[name], rtol=1e-5, atol=1e-7)
    steps, steps_again = (
        [entry["step"] for entry in json.loads((folder / training.MODEL / training.HISTORY).read_text())]
        for folder in (whole, killed)
    )
    assert steps == steps_again


@pytest.mark.parametrize("without_a_better_one", [2, 3])
def test_a_training_that_goes_on_stops_as_early_as_one_that_was_not_killed(
    change_options: ChangeOptions,
    battles: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_a_better_one: int,
) -> None:
    noise = battles.assign(label=np.random.default_rng(1).integers(0, 3, len(battles)).astype("int8"))
    patience = 3
    options = change_options(training={"epochs": 60, "patience": patience, "learning_rate": 1e-2})
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        training.write_job(folder, training.TrainingJob(name="a", options=options, seed=0), noise)
    training.train(whole)
    measured = read_log_losses(whole)
    assert len(measured) > patience
    last_step = list(measured)[without_a_better_one - patience - 1]

    class DyingLog(training.ProgressLog):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == last_step:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "ProgressLog", DyingLog)
        with pytest.raises(KeyboardInterrupt):
            training.train(killed)
    training.train(killed)
    assert read_log_losses(killed) == pytest.approx(measured, rel=1e-4)
    weights, again = (read_weights(folder / training.MODEL) for folder in (whole, killed))
    for name in weights:
        np.testing.assert_allclose(weights[name], again[name], rtol=1e-4, atol=1e-6)


def kill_one_process(store: ModelStore) -> None:
    """Kill one of the processes that share a training, as soon as there is a checkpoint."""
    deadline = time.monotonic() + 120
    while not list(store.path.glob("*/checkpoints/checkpoint-*/trainer_state.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    commands = {process: process.info["cmdline"] or [""] for process in psutil.process_iter(["cmdline"])}
    launched = [process for process, command in commands.items() if command[-1].startswith(str(store.path))]
    next(process for process in launched if "torch.distributed.run" not in commands[process]).kill()


def test_two_processes_share_each_step_and_go_on_when_one_is_killed(
    change_options: ChangeOptions,
    battles: pd.DataFrame,
    folds: pd.DataFrame,
    store: ModelStore,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = change_options(device={"processes": 2})
    with ThreadPoolExecutor() as pool:
        killer = pool.submit(kill_one_process, store)
        trained, history = train_cross_encoders(battles, folds, store, options, seed=0)
        killer.result()
    assert "one of 2 processes failed; all go on from the last checkpoint" in caplog.messages
    scores = score_folds(battles, folds, store, trained, options)
    assert compute_log_loss(scores, battles["label"]) < 0.3 * UNINFORMED
    # As many steps as one process makes, of the same number of battles.
    _, alone = train_cross_encoders(battles, folds, ModelStore(tmp_path / "alone"), change_options(), seed=0)
    assert history[["fold", "step", "epoch"]].equals(alone[["fold", "step", "epoch"]])


def test_a_process_that_fails_is_an_error(
    change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, store: ModelStore, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(change_options().model, broken)
    (broken / "tokenizer.json").write_text("{}")
    options = change_options(device={"processes": 2}).model_copy(update={"model": str(broken)})
    with pytest.raises(RuntimeError, match=r"One of 2 processes .* failed, twice"):
        train_cross_encoders(battles, folds, store, options, seed=0)


def test_attention_is_not_cudnns_that_plans_for_every_shape_of_a_batch(
    change_options: ChangeOptions, battles: pd.DataFrame, tmp_path: Path
) -> None:
    options = change_options(training={"epochs": 1})
    training.write_job(tmp_path, training.TrainingJob(name="a", options=options, seed=0), battles)
    torch.backends.cuda.enable_cudnn_sdp(True)
    training.train(tmp_path)
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)
    training.predict(tmp_path / training.MODEL, options, battles)
    assert not torch.backends.cuda.cudnn_sdp_enabled()


@pytest.mark.parametrize(("tokens", "steps"), [(2048, 1), (64, 8)])
def test_the_device_decides_how_many_battles_go_through_it_at_once_and_not_how_many_a_step_has(
    change_options: ChangeOptions, tmp_path: Path, tokens: int, steps: int
) -> None:
    arguments = training.make_arguments(
        change_options(device={"tokens": tokens}), tmp_path, seed=0, battles=80, orders=2
    )
    assert arguments.gradient_accumulation_steps == steps
    assert arguments.per_device_train_batch_size * steps == 8
    assert arguments.eval_steps == arguments.save_steps == 10


@pytest.mark.parametrize(("warmup", "steps"), [(0.1, 20), (7, 7), (0, 0)])
def test_warm_up_is_in_steps_or_a_share_of_them(
    change_options: ChangeOptions, tmp_path: Path, warmup: float, steps: int
) -> None:
    arguments = training.make_arguments(
        change_options(training={"warmup": warmup}), tmp_path, seed=0, battles=80, orders=2
    )
    assert arguments.warmup_steps == steps


def test_weights_in_four_bits_are_trained_by_adapters_alone(
    change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, store: ModelStore
) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra [finetuning-4bit] is not installed")
    options = change_options("llama", method="qlora", training={"learning_rate": 1e-2})
    trained, _ = train_cross_encoders(battles, folds, store, options, seed=0)
    scores = score_folds(battles, folds, store, trained, options)
    assert compute_log_loss(scores, battles["label"]) < 0.3 * UNINFORMED
    names = read_weights(store.path / trained["models"][0]["key"])
    assert all("lora_" in name or ".side." in name or ".tie." in name for name in names)
