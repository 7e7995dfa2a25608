"""Training by each code path, with tiny models that have to learn what decides their battles."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from scipy.special import log_softmax, softmax
from transformers import TrainerCallback

from arena_preference.battles import Logits
from arena_preference.datasets import ModelStore
from arena_preference.metrics import compute_losses, select_probabilities
from arena_preference.pipelines.finetuning.callbacks import find_checkpoint
from arena_preference.pipelines.finetuning.nodes import predict_oof_logits, predict_test_logits, train_cross_encoders
from arena_preference.pipelines.finetuning.trainer import (
    HISTORY,
    MODEL,
    TrainedCrossEncoder,
    TrainingJob,
    collate,
    launch,
    make_arguments,
    train,
    write_job,
)
from arena_preference.symmetry import swap_battles, swap_probabilities
from arena_preference.targets import SOFT_LABELS, read_targets, read_votes

from .conftest import MakeConfig, set_votes

# Log loss of equal probabilities.
UNINFORMED = np.log(3)
# A training whose last process kills itself, once, after the second evaluation. By then all processes have passed the
# barrier of the second checkpoint, so the first one is complete whatever the others are doing.
DYING = """
import logging, os, signal, sys
from pathlib import Path
from transformers import TrainerCallback
from arena_preference.pipelines.finetuning.trainer import train

class Die(TrainerCallback):
    def on_save(self, args, state, control, **kwargs):
        is_last = args.process_index == args.world_size - 1
        if is_last and not witness.exists() and state.global_step == 2 * args.save_steps:
            witness.touch()
            os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
witness = folder / "died"
logging.basicConfig(level=logging.INFO, format="%(message)s")
train(folder, callbacks=[Die()])
"""


@pytest.fixture
def dying(tmp_path: Path) -> Path:
    program = tmp_path / "dying.py"
    program.write_text(DYING)
    return program


@pytest.fixture(scope="session")
def noise(battles: pd.DataFrame) -> pd.DataFrame:
    """The battles with random labels: their log loss soon rises."""
    return set_votes(battles, np.random.default_rng(1).integers(0, 3, len(battles)))


def compute_log_loss(logits: pd.DataFrame, labels: pd.Series) -> float:
    return -float(log_softmax(select_probabilities(logits), axis=1)[np.arange(len(labels)), labels].mean())


def read_weights(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("*.safetensors")
    return load_file(path)


def read_history(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / MODEL / HISTORY).read_text())


def read_log_losses(folder: Path) -> dict[int, float]:
    """Validation log losses by step."""
    return {entry["step"]: entry["eval_log_loss"] for entry in read_history(folder) if "eval_log_loss" in entry}


LORA = {"method": "lora", "training": {"learning_rate": 1e-2}}
LONG = {"epochs": 40, "learning_rate": 1e-2}


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("distilbert", {"training": {"epochs": 6, "learning_rate": 1e-2}}),
        pytest.param("distilbert", LORA, marks=pytest.mark.slow),
        pytest.param("distilbert", {"head": "pairwise", "training": LONG}, marks=pytest.mark.slow),
        pytest.param("llama", {}, marks=pytest.mark.slow),
        pytest.param("llama", LORA, marks=pytest.mark.slow),
        pytest.param(
            "llama",
            {"head": "pairwise", "input": {"max_tokens": 100, "template": "text"}, "training": LONG},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["encoder", "encoder-lora", "encoder-pairwise", "decoder", "decoder-lora", "decoder-pairwise"],
)
def test_models_learn_the_rule_and_swapped_battles_have_swapped_logits_to_the_last_bit(
    make_config: MakeConfig,
    battles: pd.DataFrame,
    labels: pd.DataFrame,
    store: ModelStore,
    model: str,
    changes: dict[str, Any],
) -> None:
    config = make_config(model, **changes)
    trained = train_cross_encoders(battles, labels, store, config, seed=0)
    logits = Logits.validate(predict_oof_logits(battles, labels, store, trained, config))
    assert logits["id"].tolist() == battles["id"].tolist()
    assert compute_log_loss(logits, battles["label"]) < 0.3 * UNINFORMED
    history = trained["history"]
    assert {entry["fold"] for entry in history} == {0, 1}
    assert min(entry["log_loss"] for entry in history if entry["log_loss"] is not None) < UNINFORMED

    test = battles.drop(columns="label").sample(frac=1, random_state=0)
    averaged = predict_test_logits(test, store, trained, config)
    swapped = predict_test_logits(swap_battles(test), store, trained, config)
    assert averaged["id"].tolist() == test["id"].tolist()
    np.testing.assert_array_equal(select_probabilities(swapped), swap_probabilities(select_probabilities(averaged)))


@pytest.mark.parametrize(
    ("head", "both_orders"), [("pointwise", True), ("pairwise", True), ("pairwise", False)], ids=str
)
def test_a_training_is_reproducible_to_the_last_bit(
    make_config: MakeConfig, labelled: pd.DataFrame, tmp_path: Path, head: str, both_orders: bool
) -> None:
    config = make_config(head=head, training={"epochs": 1, "both_orders": both_orders})
    weights = []
    for name in "ab":
        write_job(tmp_path / name, TrainingJob(name=name, config=config, seed=0), labelled[:30])
        train(tmp_path / name)
        weights.append(read_weights(tmp_path / name / MODEL))
    assert all(np.array_equal(values, weights[1][name]) for name, values in weights[0].items())


def test_a_batch_is_padded_to_its_longest_input() -> None:
    inputs = [[[5, 6, 7], [5]], [[8], [8, 9]]]
    batch = collate(
        [{"inputs": [np.array(ids, dtype=np.int32) for ids in pair], "labels": row} for row, pair in enumerate(inputs)],
        pad_token=4,
    )
    assert batch["input_ids"].tolist() == [[[5, 6, 7], [5, 4, 4]], [[8, 4, 4], [8, 9, 4]]]
    assert batch["attention_mask"].tolist() == [[[1, 1, 1], [1, 0, 0]], [[1, 0, 0], [1, 1, 0]]]
    assert batch["labels"].tolist() == [0, 1]


def test_an_incomplete_checkpoint_is_removed_and_the_last_complete_one_is_found(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path) is None
    for step in (5, 10, 15):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        # Written, but not marked as complete.
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
        if step < 15:
            (folder / "complete").touch()
    assert find_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-5"]


def test_early_stopping_keeps_the_best_checkpoint(make_config: MakeConfig, noise: pd.DataFrame, tmp_path: Path) -> None:
    config = make_config(training={"epochs": 60, "patience": 2, "learning_rate": 1e-2})
    write_job(tmp_path, TrainingJob(name="a", config=config, seed=0), noise)
    train(tmp_path)
    log_losses = read_log_losses(tmp_path)
    assert len(log_losses) < 60
    best = min(log_losses, key=lambda step: log_losses[step])
    assert list(log_losses).index(best) == len(log_losses) - 3
    # The best and the last remain, and the best is the model.
    checkpoints = {path.name: path for path in (tmp_path / "checkpoints").iterdir()}
    assert set(checkpoints) == {f"checkpoint-{best}", f"checkpoint-{max(log_losses)}"}
    assert all((path / "complete").exists() for path in checkpoints.values())
    weights, kept = (read_weights(folder) for folder in (tmp_path / MODEL, checkpoints[f"checkpoint-{best}"]))
    assert all(np.array_equal(values, kept[name]) for name, values in weights.items())


@pytest.mark.slow
def test_a_killed_training_resumes_from_its_last_checkpoint_and_ends_the_same(
    make_config: MakeConfig, labelled: pd.DataFrame, tmp_path: Path, dying: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = TrainingJob(name="a", config=make_config(training={"epochs": 6}), seed=0)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        write_job(folder, job, labelled)
    train(whole)

    assert subprocess.run([sys.executable, dying, killed]).returncode == -signal.SIGKILL
    assert not (killed / MODEL).exists()
    # The next checkpoint is incomplete.
    partial = killed / "checkpoints" / "checkpoint-999"
    partial.mkdir()
    (partial / "trainer_state.json").write_text('{"global_')

    with caplog.at_level("INFO"):
        train(killed)
    second = sorted(read_log_losses(whole))[1]
    assert f"a: resuming from checkpoint-{second}" in caplog.messages
    assert not partial.exists()
    weights, again = (read_weights(folder / MODEL) for folder in (whole, killed))
    for name, values in weights.items():
        np.testing.assert_allclose(values, again[name], rtol=1e-5, atol=1e-7)
    assert [entry["step"] for entry in read_history(whole)] == [entry["step"] for entry in read_history(killed)]


@pytest.mark.slow
@pytest.mark.parametrize("without_a_better_one", [2, 3])
def test_a_resumed_training_stops_as_early_as_one_that_was_not_interrupted(
    make_config: MakeConfig, noise: pd.DataFrame, tmp_path: Path, without_a_better_one: int
) -> None:
    patience = 3
    config = make_config(training={"epochs": 60, "patience": patience, "learning_rate": 1e-2})
    whole, interrupted = tmp_path / "whole", tmp_path / "interrupted"
    for folder in (whole, interrupted):
        write_job(folder, TrainingJob(name="a", config=config, seed=0), noise)
    train(whole)
    log_losses = read_log_losses(whole)
    assert len(log_losses) > patience
    last_step = list(log_losses)[without_a_better_one - patience - 1]

    class Interrupt(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == last_step:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(interrupted, callbacks=[Interrupt()])
    train(interrupted)
    assert read_log_losses(interrupted) == pytest.approx(log_losses, rel=1e-4)
    weights, again = (read_weights(folder / MODEL) for folder in (whole, interrupted))
    for name, values in weights.items():
        np.testing.assert_allclose(values, again[name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_two_processes_share_each_step_and_resume_when_one_is_killed(
    make_config: MakeConfig,
    labelled: pd.DataFrame,
    tmp_path: Path,
    dying: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    config = make_config(training={"epochs": 10})
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    for folder in (alone, shared):
        write_job(folder, TrainingJob(name="a", config=config, seed=0), labelled)
    train(alone)
    launch(shared, 2, [str(dying)])
    assert (shared / "died").exists()
    assert "one of 2 processes failed; all resume from the last checkpoint" in caplog.messages
    assert "a: resuming from checkpoint-" in "".join(capfd.readouterr())
    # As many steps as one process makes, of the same number of battles.
    steps, steps_alone = ([(entry["step"], entry["epoch"]) for entry in read_history(at)] for at in (shared, alone))
    assert steps == steps_alone
    assert min(read_log_losses(shared).values()) < 0.5 * UNINFORMED


@pytest.mark.slow
def test_several_processes_train_into_the_store_and_a_failing_one_is_an_error(
    make_config: MakeConfig, battles: pd.DataFrame, labels: pd.DataFrame, store: ModelStore, tmp_path: Path
) -> None:
    config = make_config(device={"processes": 2}, training={"epochs": 1})
    trained = train_cross_encoders(battles, labels, store, config, seed=0)
    assert {path.name for path in store.path.iterdir() if path.is_dir()} == {
        model["key"] for model in trained["models"]
    }
    broken = tmp_path / "broken"
    shutil.copytree(config.model, broken)
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(RuntimeError, match=r"2 processes.*twice.*finetuning\.device\.processes"):
        train_cross_encoders(battles, labels, store, config.model_copy(update={"model": str(broken)}), seed=0)


def test_training_and_prediction_switch_cudnn_attention_off(
    make_config: MakeConfig, labelled: pd.DataFrame, tmp_path: Path
) -> None:
    config = make_config(training={"epochs": 1})
    write_job(tmp_path, TrainingJob(name="a", config=config, seed=0), labelled[:30])
    torch.backends.cuda.enable_cudnn_sdp(True)
    train(tmp_path)
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)
    TrainedCrossEncoder(tmp_path / MODEL, config).predict(labelled[:30], 64)
    assert not torch.backends.cuda.cudnn_sdp_enabled()


@pytest.mark.parametrize(("tokens", "passes"), [(2048, 1), (64, 8)])
def test_the_device_limits_the_battles_of_a_pass_and_the_batch_size_those_of_a_step(
    make_config: MakeConfig, tmp_path: Path, tokens: int, passes: int
) -> None:
    arguments = make_arguments(make_config(device={"tokens": tokens}), tmp_path, seed=0, battles=80)
    assert arguments.gradient_accumulation_steps == passes
    assert arguments.per_device_train_batch_size * passes == 8
    assert arguments.eval_steps == arguments.save_steps == 10


@pytest.mark.parametrize(("warmup_steps", "steps"), [(0.1, 20), (7, 7), (0, 0)])
def test_warm_up_is_in_steps_or_a_fraction_of_them(
    make_config: MakeConfig, tmp_path: Path, warmup_steps: float, steps: int
) -> None:
    config = make_config(training={"warmup_steps": warmup_steps})
    assert make_arguments(config, tmp_path, seed=0, battles=80).get_warmup_steps(200) == steps


@pytest.mark.slow
def test_of_four_bit_weights_only_adapters_and_head_are_trained(
    make_config: MakeConfig, battles: pd.DataFrame, labels: pd.DataFrame, store: ModelStore
) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra [finetuning-4bit] is not installed")
    config = make_config("llama", method="qlora", training={"learning_rate": 1e-2})
    trained = train_cross_encoders(battles, labels, store, config, seed=0)
    logits = predict_oof_logits(battles, labels, store, trained, config)
    assert compute_log_loss(logits, battles["label"]) < 0.3 * UNINFORMED
    names = read_weights(store.path / trained["models"][0]["key"])
    assert all("lora_" in name or ".side." in name or ".tie." in name for name in names)


def test_soft_labels_are_learned(make_config: MakeConfig, labelled: pd.DataFrame, tmp_path: Path) -> None:
    votes = read_votes(labelled)
    soft = labelled.assign(**dict(zip(SOFT_LABELS, (0.7 * votes + 0.1).T, strict=True)))
    config = make_config(training={"epochs": 6, "learning_rate": 1e-2})
    write_job(tmp_path, TrainingJob(name="a", config=config, seed=0), soft)
    train(tmp_path)
    probabilities = softmax(TrainedCrossEncoder(tmp_path / MODEL, config).predict(soft, 1000), axis=1)
    loss = compute_losses(probabilities, read_targets(soft)).mean()
    entropy = compute_losses(read_targets(soft), read_targets(soft)).mean()
    assert entropy < loss < entropy + 0.1
    assert entropy < min(read_log_losses(tmp_path).values()) < entropy + 0.1
