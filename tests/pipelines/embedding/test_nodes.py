import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from arena_preference.battles import TEXT_COLUMNS
from arena_preference.datasets import EmbeddingShard, EmbeddingStore, EmbeddingStoreDataset
from arena_preference.pipelines.embedding import nodes
from arena_preference.pipelines.embedding.config import EmbeddingConfig, EncoderConfig
from arena_preference.pipelines.embedding.encoder import Encoder
from arena_preference.pipelines.embedding.encoder_settings import EncoderSettings
from arena_preference.pipelines.embedding.model_inputs import list_texts, make_input_keys
from arena_preference.pipelines.embedding.nodes import (
    compute_embedding_features,
    compute_reward_features,
    embed_texts,
    fit_embedding_projection,
    record_models,
    score_responses,
)
from arena_preference.pretrained import hash_model
from arena_preference.symmetry import Features, is_antisymmetric, swap_battles, swap_features

from .conftest import MakeModel, change
from .test_encoder import MEAN

VECTORS = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24).flatmap(
    lambda shape: st.tuples(
        *(arrays(np.float16, shape, elements=st.floats(-4, 4, width=16, allow_subnormal=False)) for _ in TEXT_COLUMNS)
    )
)
ENCODER = {"model": "acme", "revision": None, "dtype": "float32", "collection": {"settings": vars(MEAN)}}
MODELS = {"encoder": ENCODER, "reward_model": {}}
NO_MODELS: dict[str, dict] = {"encoder": {}, "reward_model": {}}

MakeStore = Callable[..., EmbeddingStore]


class StandInStore:
    """A store of the vectors of some battles."""

    def __init__(self, battles: pd.DataFrame, vectors: tuple[np.ndarray, ...]) -> None:
        texts = list_texts(battles, MEAN)
        self.vectors = {
            key: vector
            for column, of_column in zip(TEXT_COLUMNS, vectors, strict=True)
            for key, vector in zip(make_input_keys(texts[column]), of_column, strict=True)
        }

    def open_collection(self, description: dict[str, Any]) -> "StandInStore":
        assert description == ENCODER["collection"]
        return self

    def read(self, keys: np.ndarray) -> np.ndarray:
        return np.stack([self.vectors[key] for key in keys])


def make_battles(vectors: tuple[np.ndarray, ...]) -> tuple[pd.DataFrame, Any]:
    """Battles of distinct texts, and a store that has these vectors for them."""
    count = len(vectors[0])
    texts = {column: [[f"{column} {row}"] for row in range(count)] for column in TEXT_COLUMNS}
    battles = pd.DataFrame({"id": np.arange(count, dtype=np.int64), **texts})
    return battles, StandInStore(battles, vectors)


def swap_rows(battles: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    swapped = swap_battles(battles)
    return pd.concat([battles[~rows], swapped[rows]]).sort_index()


def axes(vectors: tuple[np.ndarray, ...], count: int = 3) -> dict[str, Any]:
    """A projection that mixes all dimensions."""
    dimensions = vectors[0].shape[1]
    rng = np.random.default_rng(dimensions)
    return {"components": rng.normal(size=(min(count, dimensions), dimensions)).astype(np.float32)}


def swap_table(features: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([features[["id"]], swap_features(features.drop(columns="id"))], axis=1)


@settings(max_examples=25)
@given(vectors=VECTORS)
def test_swapping_sides_negates_every_antisymmetric_feature_and_keeps_every_symmetric_one(
    vectors: tuple[np.ndarray, ...],
) -> None:
    battles, store = make_battles(vectors)
    features = compute_embedding_features(battles, store, MODELS, axes(vectors))
    swapped = compute_embedding_features(swap_battles(battles), store, MODELS, axes(vectors))
    pd.testing.assert_frame_equal(swapped, swap_table(features), check_exact=True)
    assert features.drop(columns="id").map(np.isfinite).all(axis=None)


@settings(max_examples=25)
@given(vectors=VECTORS, data=st.data())
def test_features_of_a_battle_do_not_depend_on_its_position_or_the_chunk_size(
    vectors: tuple[np.ndarray, ...], data: st.DataObject
) -> None:
    battles, store = make_battles(vectors)
    order = np.array(data.draw(st.permutations(range(len(battles)))))
    features = compute_embedding_features(battles, store, MODELS, axes(vectors))
    chunk_size = data.draw(st.integers(1, 5))
    moved = compute_embedding_features(battles.iloc[order], store, MODELS, axes(vectors), chunk_size)
    pd.testing.assert_frame_equal(moved, features.iloc[order].reset_index(drop=True), check_exact=True)


@settings(max_examples=25)
@given(vectors=VECTORS, data=st.data())
def test_swapping_any_battle_changes_no_component(vectors: tuple[np.ndarray, ...], data: st.DataObject) -> None:
    battles, store = make_battles(vectors)
    rows = data.draw(arrays(bool, len(battles)))
    config = EmbeddingConfig.model_construct(encoder=EncoderConfig.model_construct(n_components=3))
    np.testing.assert_array_equal(
        fit_embedding_projection(swap_rows(battles, rows), store, MODELS, config)["components"],
        fit_embedding_projection(battles, store, MODELS, config)["components"],
    )


def test_the_projection_finds_the_directions_in_which_responses_differ(
    rng: np.random.Generator, config: EmbeddingConfig
) -> None:
    axes_of_difference, _ = np.linalg.qr(rng.normal(size=(6, 2)))
    topic = 10 * rng.normal(size=(500, 6))
    a, b = (topic + (rng.normal(size=(500, 2)) * [3.0, 1.0]) @ axes_of_difference.T for _ in range(2))
    battles, store = make_battles((topic.astype(np.float32), a.astype(np.float32), b.astype(np.float32)))
    components = fit_embedding_projection(battles, store, MODELS, change(config, "encoder", n_components=2))[
        "components"
    ]
    np.testing.assert_allclose(np.abs(np.diag(components @ axes_of_difference)), 1, atol=0.01)
    np.testing.assert_allclose(components @ components.T, np.eye(2), atol=1e-6)


def test_the_projection_has_at_most_as_many_components_as_dimensions(config: EmbeddingConfig) -> None:
    battles, store = make_battles(tuple(np.eye(3, dtype=np.float32) * factor for factor in (1, 2, 4)))
    components = fit_embedding_projection(battles, store, MODELS, config)["components"]
    assert components.shape == (3, 3)
    assert components.dtype == np.float32


def test_features_of_known_vectors() -> None:
    battles, store = make_battles(
        (
            np.array([[1, 0], [1, 0]], dtype=np.float16),
            np.array([[3, 4], [0, 0]], dtype=np.float16),
            np.array([[0, 2], [0, 2]], dtype=np.float16),
        )
    )
    projection = {"components": np.array([[0, 1], [1, 0]], dtype=np.float32)}
    features = compute_embedding_features(battles, store, MODELS, projection)
    Features.validate(features)
    expected = {
        "id": [0, 1],
        "emb_01__diff": [2, -2],
        "emb_02__diff": [3, 0],
        "emb_distance__pair": [13**0.5, 2],
        "emb_cosine__pair": [0.8, 0],
        "emb_prompt_cosine__diff": [0.6, 0],
        "emb_prompt_cosine__sum": [0.6, 0],
    }
    pd.testing.assert_frame_equal(features, pd.DataFrame(expected), check_dtype=False)
    assert sum(is_antisymmetric(name) for name in features.columns.drop("id")) == 3


def test_a_projection_of_another_encoder_is_an_error() -> None:
    battles, store = make_battles(tuple(np.ones((2, 3), dtype=np.float16) for _ in TEXT_COLUMNS))
    with pytest.raises(ValueError, match=r"2 dimensions.* 3"):
        compute_embedding_features(battles, store, MODELS, {"components": np.eye(2, dtype=np.float32)})


@pytest.fixture
def few_battles(battles: pd.DataFrame) -> pd.DataFrame:
    few = battles.head(12).copy()
    few.at[3, "response_a"] = [None]
    few.at[4, "response_b"] = []
    few.at[5, "response_a"] = ["the sea", None, "猫 🐈 " * 400]
    few.at[6, "prompt"] = few.at[7, "prompt"]
    return few


@pytest.fixture
def dataset(tmp_path: Path) -> EmbeddingStoreDataset:
    return EmbeddingStoreDataset(filepath=str(tmp_path / "store"))


def fill(
    dataset: EmbeddingStoreDataset, battles: pd.DataFrame, config: EmbeddingConfig, node: Any = embed_texts
) -> int:
    """Run a node as Kedro does; returns the number of new vectors."""
    shards: list[EmbeddingShard] = []
    for shard in node(battles, dataset.load(), config):
        dataset.save(shard)
        shards.append(shard)
    return sum(len(shard.keys) for shard in shards)


def read(dataset: EmbeddingStoreDataset, battles: pd.DataFrame, config: EmbeddingConfig) -> dict[str, np.ndarray]:
    encoder = record_models(dataset.load(), dataset.load(), config)["encoder"]
    collection = dataset.load().open_collection(encoder["collection"])
    texts = list_texts(battles, EncoderSettings(**encoder["collection"]["settings"]))
    return {column: collection.read(make_input_keys(of_column)) for column, of_column in texts.items()}


def test_an_encoder_whose_vectors_would_depend_on_padding_stores_none(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, config: EmbeddingConfig, make_encoder: MakeModel
) -> None:
    folder = make_encoder("fnet", pooling={"pooling_mode": "mean"})
    with pytest.raises(ValueError, match=r"\d %.* embedding.encoder.model"):
        fill(dataset, few_battles, change(config, "encoder", model=str(folder)))
    assert fill(dataset, few_battles, config) == 34


def test_every_cell_has_the_vector_of_its_text(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, config: EmbeddingConfig, tmp_path: Path
) -> None:
    fill(dataset, few_battles, config)
    embeddings = read(dataset, few_battles, config)
    assert {vectors.shape for vectors in embeddings.values()} == {(12, 32)}
    for row in (0, 3, 5):
        alone = EmbeddingStoreDataset(filepath=str(tmp_path / f"alone-{row}"))
        fill(alone, few_battles.iloc[[row]], config)
        for column, vectors in read(alone, few_battles.iloc[[row]], config).items():
            np.testing.assert_allclose(embeddings[column][[row]], vectors, atol=1e-5)
    np.testing.assert_array_equal(embeddings["prompt"][6], embeddings["prompt"][7])
    np.testing.assert_array_equal(embeddings["response_a"][3], embeddings["response_b"][4])


def test_a_text_is_embedded_once_within_a_run_between_runs_and_across_splits(
    dataset: EmbeddingStoreDataset,
    few_battles: pd.DataFrame,
    config: EmbeddingConfig,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, logger="arena_preference.pipelines.embedding")
    # 11 prompts and 24 responses, of which a null one and a missing one are the same empty text.
    assert fill(dataset, pd.concat([few_battles, few_battles]), config) == 34
    assert "72 texts, 34 of them distinct, 0 of those in the store: 34 for the encoder on cpu in float32" in caplog.text
    test = few_battles.tail(3).copy()
    test.at[test.index[0], "response_a"] = ["something new"]
    assert fill(dataset, test, config) == 1
    caplog.clear()
    monkeypatch.setattr(Encoder, "__init__", lambda *_: pytest.fail("the encoder was loaded"))
    assert fill(dataset, few_battles.sample(frac=1, random_state=0), config) == 0
    assert "36 texts, 34 of them distinct, 34 of those in the store: nothing to do for the encoder" in caplog.text


def test_a_shard_is_saved_before_the_later_ones_are_computed(
    dataset: EmbeddingStoreDataset,
    few_battles: pd.DataFrame,
    config: EmbeddingConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = change(config, "inference", shard_characters=1, workers=1)
    computed: list[int] = []
    compute = Encoder.compute
    monkeypatch.setattr(Encoder, "compute", lambda *given: computed.append(1) or compute(*given))
    shards = embed_texts(few_battles, dataset.load(), chosen)
    next(shards)
    # Every text is a shard of its own, and the longest has many windows; one more shard may be running.
    at_first = len(computed)
    assert len(list(shards)) == 33
    assert len(computed) > at_first + 30


def test_a_run_that_would_exceed_the_time_budget_stops_and_keeps_its_vectors(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, config: EmbeddingConfig
) -> None:
    chosen = change(config, "inference", shard_characters=1, time_budget=1e-9)
    with pytest.raises(TimeoutError, match=r"34 texts on cpu in float32.* embedding.inference.time_budget"):
        fill(dataset, few_battles, chosen)
    assert fill(dataset, few_battles, change(chosen, "inference", time_budget=1.0)) == 33


def test_order_and_swap_of_battles_change_no_byte_of_the_store(
    few_battles: pd.DataFrame, config: EmbeddingConfig, tmp_path: Path
) -> None:
    files = []
    moved = few_battles.sample(frac=1, random_state=0)
    for number, battles in enumerate((few_battles, moved, swap_battles(few_battles))):
        dataset = EmbeddingStoreDataset(filepath=str(tmp_path / str(number)))
        fill(dataset, battles, config)
        folder = tmp_path / str(number)
        files.append({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert files[0] == files[1] == files[2]
    assert len(files[0]) > 3


def test_a_lost_or_corrupted_shard_is_computed_again_to_the_same_bytes(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, config: EmbeddingConfig, tmp_path: Path
) -> None:
    fill(dataset, few_battles, config)
    shards = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.safetensors")}
    lost, corrupted, *_ = shards
    lost.unlink()
    corrupted.write_bytes(shards[corrupted][:-1])
    assert 0 < fill(dataset, few_battles, config) < 34
    assert {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.safetensors")} == shards


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("encoder", {"max_tokens": 48}),
        ("encoder", {"long_texts": "truncate"}),
        ("encoder", {"stride": 4}),
        ("encoder", {"tail_tokens": 3}),
        ("encoder", {"pooling": "cls"}),
        ("encoder", {"normalize": False}),
        ("encoder", {"document_prefix": "the "}),
        ("encoder", {"storage_dtype": "float16"}),
        ("inference", {"dtype": "bfloat16"}),
    ],
)
def test_a_changed_parameter_never_uses_old_vectors(
    dataset: EmbeddingStoreDataset,
    few_battles: pd.DataFrame,
    config: EmbeddingConfig,
    part: str,
    changes: dict[str, Any],
) -> None:
    fill(dataset, few_battles, config)
    assert fill(dataset, few_battles, change(config, part, **changes)) == 34
    assert fill(dataset, few_battles, config) == 0


def test_changed_weights_never_use_old_vectors(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, config: EmbeddingConfig, make_encoder: MakeModel
) -> None:
    fill(dataset, few_battles, config)
    other = make_encoder(pooling={"pooling_mode": "mean"}, seed=1)
    assert fill(dataset, few_battles, change(config, "encoder", model=str(other))) == 34
    copied = shutil.copytree(config.encoder.model, other.with_name("copied"))
    assert fill(dataset, few_battles, change(config, "encoder", model=str(copied))) == 0


@pytest.mark.parametrize("changes", [{"batch_tokens"}, {"shard_characters": 10**6}, {"workers": 2}])
def test_how_a_model_is_run_does_not_change_the_collection(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, config: EmbeddingConfig, changes: Any
) -> None:
    if changes == {"batch_tokens"}:
        changes = {"batch_tokens": config.inference.batch_tokens.model_copy(update={"cpu": 100})}
    fill(dataset, few_battles, config)
    assert fill(dataset, few_battles, change(config, "inference", **changes)) == 0


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_vectors_are_stored_in_the_storage_dtype(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, config: EmbeddingConfig, dtype: str
) -> None:
    chosen = change(config, "encoder", storage_dtype=dtype)
    fill(dataset, few_battles, chosen)
    assert {vectors.dtype for vectors in read(dataset, few_battles, chosen).values()} == {np.dtype(dtype)}


def test_a_vector_that_overflows_its_storage_dtype_is_an_error(
    dataset: EmbeddingStoreDataset,
    few_battles: pd.DataFrame,
    config: EmbeddingConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Encoder, "combine", lambda *_: np.array([70_000.0], dtype=np.float32))
    chosen = change(config, "encoder", storage_dtype="float16")
    with pytest.raises(FloatingPointError, match=r"7e\+04 .* embedding.encoder.storage_dtype"):
        fill(dataset, few_battles, chosen)


def test_a_table_without_battles_is_an_error(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, config: EmbeddingConfig
) -> None:
    with pytest.raises(ValueError, match="rejected_rows"):
        fill(dataset, few_battles.head(0), config)


def test_the_record_has_the_encoder_its_dtype_and_all_that_changes_its_vectors(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, config: EmbeddingConfig
) -> None:
    fill(dataset, few_battles, config)
    encoder = record_models(dataset.load(), dataset.load(), config)["encoder"]
    assert encoder["model"] == config.encoder.model
    assert encoder["dtype"] == "float32"
    assert encoder["collection"]["files"] == hash_model(Path(config.encoder.model))
    assert encoder["collection"]["settings"]["pooling"] == "mean"


def test_parameters_that_differ_from_training_are_an_error_that_lists_them(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, config: EmbeddingConfig
) -> None:
    fill(dataset, few_battles, config)
    trained = record_models(dataset.load(), dataset.load(), config)
    changed = change(config, "encoder", max_tokens=48, pooling="cls")
    with pytest.raises(ValueError, match=r"max_tokens 48 \(training: 64\), pooling cls \(training: mean\)"):
        next(embed_texts(few_battles, dataset.load(), changed, trained))
    with pytest.raises(ValueError, match=r"kind absent \(training: encoder\)"):
        next(embed_texts(few_battles, dataset.load(), change(config, "encoder", enabled=False), trained))
    assert list(embed_texts(few_battles, dataset.load(), config, trained)) == []


@pytest.fixture
def rewarding(config: EmbeddingConfig, reward_model: Path) -> EmbeddingConfig:
    return change(
        config,
        "reward_model",
        enabled=True,
        model=str(reward_model),
        revision=None,
        max_tokens=400,
        tail_tokens=300,
    )


def test_reward_features_are_the_difference_and_sum_of_the_scores_and_follow_a_swap(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, rewarding: EmbeddingConfig
) -> None:
    # Every response with its prompt is another conversation, except one that occurs twice.
    few_battles.at[9, "response_b"] = few_battles.at[9, "response_a"]
    assert fill(dataset, few_battles, rewarding, score_responses) == 23
    assert fill(dataset, few_battles, rewarding, score_responses) == 0
    models = record_models(dataset.load(), dataset.load(), rewarding)
    features = Features.validate(compute_reward_features(few_battles, dataset.load(), models))
    assert features["reward__diff"].std() > 0.01
    assert features["reward__diff"][9] == 0
    assert features["reward__sum"].std() > 0.01
    swapped = compute_reward_features(swap_battles(few_battles), dataset.load(), models)
    pd.testing.assert_frame_equal(swapped, swap_table(features), check_exact=True)


def test_a_reward_model_that_differs_from_training_is_an_error(
    dataset: EmbeddingStoreDataset, few_battles: pd.DataFrame, rewarding: EmbeddingConfig
) -> None:
    fill(dataset, few_battles, rewarding, score_responses)
    trained = record_models(dataset.load(), dataset.load(), rewarding)
    changed = change(rewarding, "reward_model", max_tokens=350)
    with pytest.raises(ValueError, match=r"embedding.reward_model .* max_tokens 350 \(training: 400\)"):
        next(score_responses(few_battles, dataset.load(), changed, trained))


def test_disabled_models_are_not_loaded_and_leave_only_ids(
    dataset: EmbeddingStoreDataset,
    few_battles: pd.DataFrame,
    config: EmbeddingConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nodes, "find_model", lambda *_: pytest.fail("a model was searched for"))
    chosen = change(config, "encoder", enabled=False)
    store = dataset.load()
    assert fill(dataset, few_battles, chosen) == fill(dataset, few_battles, chosen, score_responses) == 0
    assert record_models(store, store, chosen) == NO_MODELS
    assert fit_embedding_projection(few_battles, store, NO_MODELS, chosen) == {}
    ids = few_battles[["id"]]
    pd.testing.assert_frame_equal(compute_embedding_features(few_battles, store, NO_MODELS, {}), ids)
    pd.testing.assert_frame_equal(compute_reward_features(few_battles, store, NO_MODELS), ids)
