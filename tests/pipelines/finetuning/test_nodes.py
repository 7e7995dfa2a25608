import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from arena_preference.datasets import ModelStore
from arena_preference.pipelines.finetuning import nodes
from arena_preference.pipelines.finetuning.config import FinetuningConfig
from arena_preference.pipelines.finetuning.nodes import score_battles, score_folds, train_cross_encoders
from arena_preference.symmetry import Features

from .conftest import ChangeOptions

Trained = tuple[FinetuningConfig, ModelStore, dict[str, Any]]
Train = Callable[..., Trained]


@pytest.fixture
def train(change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, tmp_path: Path) -> Train:
    """Train for one epoch, with some parameters changed."""

    def train_with(**changes: Any) -> Trained:
        options = change_options(training={"epochs": 1}, **changes)
        store = ModelStore(tmp_path / "store")
        return options, store, train_cross_encoders(battles, folds, store, options, seed=0)[0]

    return train_with


def rewrite_weights(store: ModelStore, trained: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the weights of the first model, and pass the change off as what was trained."""
    model = trained["models"][0]
    (path,) = (store.path / model["key"]).glob("*.safetensors")
    weights = load_file(path)
    change(weights)
    save_file(weights, path)
    model["files"] = store.hash(model["key"])


def test_switched_off_it_gives_no_scores_and_loads_nothing(
    change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, tmp_path: Path
) -> None:
    options = change_options(enabled=False).model_copy(update={"model": "no/such-model"})
    store = ModelStore(tmp_path / "store")
    trained, history = train_cross_encoders(battles, folds, store, options, seed=0)
    assert trained == {}
    assert len(history) == 0
    for scores in (score_folds(battles, folds, store, trained, options), score_battles(battles, store, {}, options)):
        pd.testing.assert_frame_equal(Features.validate(scores), battles[["id"]])
    assert not store.path.exists()


def test_a_model_that_is_gone_is_an_error(train: Train, battles: pd.DataFrame, folds: pd.DataFrame) -> None:
    options, store, trained = train()
    shutil.rmtree(store.path / trained["models"][1]["key"])
    with pytest.raises(ValueError, match=r"cross encoder of fold 1 is not there: .*run the pipeline finetuning again"):
        score_folds(battles, folds, store, trained, options)


def test_a_model_that_was_changed_is_an_error(train: Train, battles: pd.DataFrame) -> None:
    options, store, trained = train()
    with (store.path / trained["models"][0]["key"] / "model.safetensors").open("ab") as file:
        file.write(b"0")
    with pytest.raises(ValueError, match="cross encoder of fold 0 is not what it was"):
        score_battles(battles, store, trained, options)


@pytest.mark.parametrize("head", ["side.weight", "tie.bias"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_head_that_is_missing_is_an_error_and_never_a_random_one(
    train: Train, battles: pd.DataFrame, method: str, head: str
) -> None:
    options, store, trained = train(method=method)

    def drop_head(weights: dict[str, Any]) -> None:
        (name,) = (name for name in weights if name.endswith(head))
        del weights[name]

    rewrite_weights(store, trained, drop_head)
    with pytest.raises(ValueError, match=rf"cannot be loaded: .*{head}"):
        score_battles(battles, store, trained, options)


def test_an_adapter_that_is_missing_is_an_error(train: Train, battles: pd.DataFrame) -> None:
    options, store, trained = train(method="lora")
    rewrite_weights(store, trained, lambda weights: weights.pop(next(name for name in weights if "lora_B" in name)))
    with pytest.raises(ValueError, match=r"1 tensors of its head and adapters are not those of the parameters.*lora_B"):
        score_battles(battles, store, trained, options)


def test_an_adapter_of_another_shape_is_an_error(train: Train, battles: pd.DataFrame) -> None:
    options, store, trained = train(method="lora")
    trained["options"]["lora"]["rank"] = 2
    with pytest.raises(ValueError, match=r"24 tensors of its head and adapters are not those of the param"):
        score_battles(battles, store, trained, options)


def test_weights_that_are_gone_are_an_error(train: Train, battles: pd.DataFrame) -> None:
    options, store, trained = train(method="lora")
    model = trained["models"][0]
    (store.path / model["key"] / "adapter_model.safetensors").unlink()
    model["files"] = store.hash(model["key"])
    with pytest.raises(ValueError, match="cannot be loaded"):
        score_battles(battles, store, trained, options)


def test_adapters_are_not_put_on_another_model(train: Train, battles: pd.DataFrame, tmp_path: Path) -> None:
    options, store, trained = train(method="lora")
    moved = tmp_path / "moved"
    shutil.copytree(options.model, moved)
    elsewhere = options.model_copy(update={"model": str(moved)})
    # Another place is no other model.
    score_battles(battles, store, trained, elsewhere)
    weights = load_file(moved / "model.safetensors")
    save_file({name: values * 2 for name, values in weights.items()}, moved / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"The adapters of fold 0 were trained on .* has other files"):
        score_battles(battles, store, trained, elsewhere)


def test_a_published_model_that_lacks_weights_is_refused(
    change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, tmp_path: Path
) -> None:
    folder = tmp_path / "incomplete"
    shutil.copytree(change_options().model, folder)
    weights = load_file(folder / "model.safetensors")
    lost = sorted(weights)[-1]
    del weights[lost]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    options = change_options().model_copy(update={"model": str(folder)})
    with pytest.raises(ValueError, match=rf"lack 1 tensors of the model, the first: {lost}"):
        train_cross_encoders(battles, folds, ModelStore(tmp_path / "store"), options, seed=0)


def test_more_tokens_than_a_model_has_positions_for_are_refused(
    change_options: ChangeOptions, battles: pd.DataFrame, folds: pd.DataFrame, tmp_path: Path
) -> None:
    options = change_options(input={"max_tokens": 129})
    with pytest.raises(ValueError, match=r"reads 128 tokens and finetuning.input.max_tokens is 129"):
        train_cross_encoders(battles, folds, ModelStore(tmp_path / "store"), options, seed=0)


def test_folds_that_the_models_were_not_trained_for_are_an_error(
    train: Train, battles: pd.DataFrame, folds: pd.DataFrame
) -> None:
    options, store, trained = train()
    shuffled = folds.sample(frac=1, random_state=0)
    expected = score_folds(battles, folds, store, trained, options)
    pd.testing.assert_frame_equal(score_folds(battles, shuffled, store, trained, options), expected)
    # The same numbers with other battles in them: each model would score what it has learned from.
    exchanged = folds.assign(fold=1 - folds["fold"])
    with pytest.raises(ValueError, match=r"folds are not those .* trained for.*Run the pipeline finetuning again"):
        score_folds(battles, exchanged, store, trained, options)


def test_scores_that_are_not_finite_are_an_error(train: Train, battles: pd.DataFrame) -> None:
    options, store, trained = train()
    rewrite_weights(store, trained, lambda weights: weights["tie.bias"].fill(np.inf))
    with pytest.raises(FloatingPointError, match=r"not finite in torch.float32. Set finetuning.device.precision"):
        score_battles(battles, store, trained, options)


def test_folds_of_other_battles_are_an_error(train: Train, battles: pd.DataFrame, folds: pd.DataFrame) -> None:
    options, store, trained = train()
    with pytest.raises(ValueError, match=r"\(89 and 90 rows, 1 ids unmatched\)"):
        score_folds(battles, folds[1:], store, trained, options)


def test_the_description_survives_json(train: Train, battles: pd.DataFrame) -> None:
    options, store, trained = train()
    expected = score_battles(battles, store, trained, options)
    pd.testing.assert_frame_equal(score_battles(battles, store, json.loads(json.dumps(trained)), options), expected)


@pytest.mark.parametrize(
    ("method", "module", "extra"), [("full", "peft", "finetuning"), ("qlora", "bitsandbytes", "4")]
)
def test_what_is_not_installed_is_named_with_its_extra(
    train: Train, monkeypatch: pytest.MonkeyPatch, method: str, module: str, extra: str
) -> None:
    monkeypatch.setattr(nodes, "find_spec", lambda name: None if name == module else name)
    with pytest.raises(ModuleNotFoundError, match=rf"{module} is not installed.*\[finetuning.*{extra}"):
        train(method=method)


def test_pooling_is_for_the_comparison_alone(change_options: ChangeOptions) -> None:
    with pytest.raises(ValueError, match="pooling belongs to the head comparison"):
        change_options(head="joint", pooling="mean")
