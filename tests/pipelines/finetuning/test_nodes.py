import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from arena_preference.datasets import ModelStore
from arena_preference.pipelines.finetuning.nodes import (
    ALL_FOLDS,
    CrossEncoders,
    predict_fold_logits,
    predict_oof_logits,
    predict_test_logits,
    train_cross_encoders,
)
from arena_preference.symmetry import Features
from arena_preference.targets import SOFT_LABELS

from .conftest import MakeConfig, Train, set_votes


def change_weights(store: ModelStore, trained: CrossEncoders, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the weights of the first model, and declare them as the trained ones."""
    model = trained["models"][0]
    (path,) = (store.path / model["key"]).glob("*.safetensors")
    weights = load_file(path)
    change(weights)
    save_file(weights, path)
    model["files"] = store.hash(model["key"])


def test_a_disabled_pipeline_loads_and_predicts_nothing(
    make_config: MakeConfig, battles: pd.DataFrame, labels: pd.DataFrame, store: ModelStore
) -> None:
    config = make_config(enabled=False).model_copy(update={"model": "no/such-model"})
    trained = train_cross_encoders(battles, labels, store, config, seed=0)
    assert trained == {}
    for logits in (
        predict_oof_logits(battles, labels, store, trained, config),
        predict_test_logits(battles, store, {}, config),
        predict_fold_logits(battles, store, {}, config),
    ):
        pd.testing.assert_frame_equal(Features.validate(logits), battles[["id"]])
    assert not store.path.exists()


def test_a_stored_model_is_not_trained_again(train: Train, battles: pd.DataFrame, labels: pd.DataFrame) -> None:
    config, store, trained = train()
    written = {path: path.stat().st_mtime_ns for path in store.path.rglob("*") if path.is_file()}
    again = train_cross_encoders(battles, labels, store, config, seed=0)
    assert again == trained
    assert {entry["fold"] for entry in again["history"]} == {0, 1}
    assert {path: path.stat().st_mtime_ns for path in store.path.rglob("*") if path.is_file()} == written


def test_the_parameters_of_the_device_and_a_preset_are_not_part_of_a_models_identity(
    train: Train, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    config, store, trained = train()
    elsewhere = config.model_copy(
        update={"preset": "some", "device": config.device.model_copy(update={"tokens": 1024})}
    )
    assert train_cross_encoders(battles, labels, store, elsewhere, seed=0) == trained


def test_a_model_never_sees_its_fold(
    train: Train, make_config: MakeConfig, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    config, store, trained = train()
    # Other labels in fold 0 change the model of fold 1 only.
    changed = set_votes(labels, labels["label"].where(labels["fold"] != 0, 2))
    again = train_cross_encoders(battles, changed, store, config, seed=0)
    (first, second), (first_again, second_again) = trained["models"], again["models"]
    assert first == first_again
    assert second["key"] != second_again["key"]
    assert second["files"] != second_again["files"]


def test_a_refitted_model_alone_predicts_the_test_battles(
    train: Train, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    config, store, trained = train()
    config = config.model_copy(update={"refit": True})
    refitted = train_cross_encoders(battles, labels, store, config, seed=0)
    assert [model["fold"] for model in refitted["models"]] == [0, 1, ALL_FOLDS]
    alone = predict_test_logits(battles, store, {**refitted, "models": refitted["models"][2:]}, config)
    pd.testing.assert_frame_equal(predict_test_logits(battles, store, refitted, config), alone)
    assert not predict_test_logits(battles, store, trained, config).equals(alone)


def test_the_logits_of_a_fold_are_by_the_model_that_has_not_seen_it(
    train: Train, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    config, store, trained = train()
    config = config.model_copy(update={"refit": True})
    refitted = train_cross_encoders(battles, labels, store, config, seed=0)
    logits = predict_fold_logits(battles, store, refitted, config)
    assert logits.groupby("fold").size().to_dict() == {0: len(battles), 1: len(battles)}
    by_fold = logits.set_index(["fold", "id"])
    expected = predict_oof_logits(battles, labels, store, trained, config)
    own = by_fold.loc[list(zip(labels["fold"], labels["id"], strict=True))]
    np.testing.assert_allclose(own, expected.set_index("id").loc[labels["id"]], rtol=1e-5, atol=1e-6)
    mean = predict_test_logits(battles, store, trained, config).set_index("id")
    np.testing.assert_allclose(by_fold.groupby("id").mean().loc[mean.index], mean, rtol=1e-5, atol=1e-6)


def test_adapters_are_stored_without_the_pretrained_weights(train: Train) -> None:
    _, store, trained = train("lora")
    folder = store.path / trained["models"][0]["key"]
    names = load_file(folder / "adapter_model.safetensors")
    assert all("lora_" in name or ".side." in name or ".tie." in name for name in names)
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors", ".md"}
    assert {"tokenizer.json", "job.json", "adapter_config.json"} <= {path.name for path in folder.iterdir()}


def test_a_missing_model_is_an_error(train: Train, battles: pd.DataFrame, labels: pd.DataFrame) -> None:
    config, store, trained = train()
    shutil.rmtree(store.path / trained["models"][1]["key"])
    with pytest.raises(ValueError, match=rf"fold 1.*{trained['models'][1]['key']}.*finetuning"):
        predict_oof_logits(battles, labels, store, trained, config)


def test_a_changed_model_is_an_error(train: Train, battles: pd.DataFrame) -> None:
    config, store, trained = train()
    with (store.path / trained["models"][0]["key"] / "model.safetensors").open("ab") as file:
        file.write(b"0")
    with pytest.raises(ValueError, match=rf"fold 0.*{trained['models'][0]['key']}"):
        predict_test_logits(battles, store, trained, config)


@pytest.mark.parametrize("head", ["side.weight", "tie.bias"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_missing_head_is_an_error_and_never_a_random_one(
    train: Train, battles: pd.DataFrame, method: str, head: str
) -> None:
    config, store, trained = train(method)
    change_weights(store, trained, lambda weights: weights.pop(next(name for name in weights if name.endswith(head))))
    with pytest.raises(ValueError, match=rf"cannot be loaded: .*{head}"):
        predict_test_logits(battles, store, trained, config)


def test_a_missing_adapter_is_an_error(train: Train, battles: pd.DataFrame) -> None:
    config, store, trained = train("lora")
    change_weights(store, trained, lambda weights: weights.pop(next(name for name in weights if "lora_B" in name)))
    with pytest.raises(ValueError, match=r"1 tensors of head and adapters.*lora_B"):
        predict_test_logits(battles, store, trained, config)


def test_an_adapter_of_another_shape_is_an_error(train: Train, battles: pd.DataFrame) -> None:
    config, store, trained = train("lora")
    trained["config"]["lora"]["r"] = 2
    with pytest.raises(ValueError, match=r"24 tensors of head and adapters"):
        predict_test_logits(battles, store, trained, config)


def test_missing_weights_are_an_error(train: Train, battles: pd.DataFrame) -> None:
    config, store, trained = train("lora")
    model = trained["models"][0]
    (store.path / model["key"] / "adapter_model.safetensors").unlink()
    model["files"] = store.hash(model["key"])
    with pytest.raises(ValueError, match=f"{model['key']}' cannot be loaded"):
        predict_test_logits(battles, store, trained, config)


def test_adapters_need_the_model_that_they_were_trained_on_in_whatever_folder(
    train: Train, battles: pd.DataFrame, tmp_path: Path
) -> None:
    config, store, trained = train("lora")
    moved = tmp_path / "moved"
    shutil.copytree(config.model, moved)
    elsewhere = config.model_copy(update={"model": str(moved)})
    predict_test_logits(battles, store, trained, elsewhere)
    weights = load_file(moved / "model.safetensors")
    save_file({name: values * 2 for name, values in weights.items()}, moved / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"adapters of fold 0.*finetuning\.model"):
        predict_test_logits(battles, store, trained, elsewhere)


def test_a_pretrained_model_that_lacks_weights_is_an_error(
    make_config: MakeConfig, battles: pd.DataFrame, labels: pd.DataFrame, store: ModelStore, tmp_path: Path
) -> None:
    folder = tmp_path / "incomplete"
    shutil.copytree(make_config().model, folder)
    weights = load_file(folder / "model.safetensors")
    lost = sorted(weights)[-1]
    del weights[lost]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = make_config().model_copy(update={"model": str(folder)})
    with pytest.raises(ValueError, match=rf"1 tensors.*{lost}"):
        train_cross_encoders(battles, labels, store, config, seed=0)


def test_more_tokens_than_the_model_has_positions_are_an_error(
    make_config: MakeConfig, battles: pd.DataFrame, labels: pd.DataFrame, store: ModelStore
) -> None:
    config = make_config(input={"max_tokens": 129})
    with pytest.raises(ValueError, match=r"128 tokens.*finetuning\.input\.max_tokens is 129"):
        train_cross_encoders(battles, labels, store, config, seed=0)


def test_other_folds_than_those_of_the_training_are_an_error(
    train: Train, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    config, store, trained = train()
    expected = predict_oof_logits(battles, labels, store, trained, config)
    shuffled = labels.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(predict_oof_logits(battles, shuffled, store, trained, config), expected)
    # The same battles in each other's folds: each model would predict what it was trained on.
    with pytest.raises(ValueError, match=r"folds in labels.*from_run"):
        predict_oof_logits(battles, labels.assign(fold=1 - labels["fold"]), store, trained, config)
    with pytest.raises(ValueError, match=r"labels describes other battles: 89 rows for 90 ids"):
        predict_oof_logits(battles, labels[1:], store, trained, config)


def test_logits_that_are_not_finite_are_an_error(train: Train, battles: pd.DataFrame) -> None:
    config, store, trained = train()
    change_weights(store, trained, lambda weights: weights["tie.bias"].fill(np.inf))
    with pytest.raises(FloatingPointError, match=r"float32.*finetuning\.device\.dtype"):
        predict_test_logits(battles, store, trained, config)


def test_the_description_of_the_models_survives_json(train: Train, battles: pd.DataFrame) -> None:
    config, store, trained = train()
    expected = predict_test_logits(battles, store, trained, config)
    read = json.loads(json.dumps(trained))
    pd.testing.assert_frame_equal(predict_test_logits(battles, store, read, config), expected)


@pytest.mark.parametrize(
    ("method", "module", "extra"), [("full", "peft", "finetuning"), ("qlora", "bitsandbytes", "finetuning-4bit")]
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    make_config: MakeConfig,
    battles: pd.DataFrame,
    labels: pd.DataFrame,
    store: ModelStore,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    module: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=rf"{module} .*\[{extra}\]"):
        train_cross_encoders(battles, labels, store, make_config(method=method), seed=0)


def test_only_the_head_pointwise_has_a_pooling(make_config: MakeConfig) -> None:
    with pytest.raises(ValueError, match="pooling belongs to head pointwise"):
        make_config(head="pairwise", pooling="mean")


def test_soft_labels_and_weights_are_part_of_a_models_identity(
    train: Train, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    config, store, trained = train()
    in_fold_0 = labels["fold"] == 0
    soft = labels.assign(**{name: labels[name].where(~in_fold_0, 1 / 3) for name in SOFT_LABELS})
    heavy = labels.assign(weight=labels["weight"].where(~in_fold_0, 2.0))
    keys = [trained["models"][1]["key"]]
    for changed in (soft, heavy):
        first, second = train_cross_encoders(battles, changed, store, config, seed=0)["models"]
        assert first == trained["models"][0]
        keys.append(second["key"])
    assert len(set(keys)) == 3
