import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from arena_preference.battles import TEXT_COLUMNS, Features, is_antisymmetric, swap_battles, swap_features
from arena_preference.pipelines.embedding.nodes import (
    compute_embedding_features,
    embed_texts,
    fit_embedding_projection,
    join_turns,
)
from arena_preference.pipelines.embedding.options import EmbeddingOptions

# A busy machine is no counterexample.
LAW = settings(deadline=None)

VECTORS = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24).flatmap(
    lambda shape: st.tuples(
        *(arrays(np.float16, shape, elements=st.floats(-4, 4, width=16, allow_subnormal=False)) for _ in TEXT_COLUMNS)
    )
)


def as_embeddings(vectors: tuple[np.ndarray, ...]) -> dict[str, Any]:
    return {"id": np.arange(len(vectors[0]), dtype=np.int64), **dict(zip(TEXT_COLUMNS, vectors, strict=True))}


def swap_rows(embeddings: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
    a, b = embeddings["response_a"], embeddings["response_b"]
    chosen = rows[:, None]
    return embeddings | {"response_a": np.where(chosen, b, a), "response_b": np.where(chosen, a, b)}


def axes(embeddings: dict[str, Any], count: int = 3) -> dict[str, Any]:
    """A projection that mixes all dimensions."""
    dimensions = embeddings["prompt"].shape[1]
    rng = np.random.default_rng(dimensions)
    return {"components": rng.normal(size=(min(count, dimensions), dimensions)).astype(np.float32)}


def swap_table(features: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([features[["id"]], swap_features(features.drop(columns="id"))], axis=1)


def same_vectors(embeddings: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.array_equal(embeddings[name], other[name]) for name in ("id", *TEXT_COLUMNS))


@LAW
@given(vectors=VECTORS)
def test_swapping_sides_negates_every_antisymmetric_feature_and_keeps_every_symmetric_one(
    vectors: tuple[np.ndarray, ...],
) -> None:
    embeddings = as_embeddings(vectors)
    projection = axes(embeddings)
    features = compute_embedding_features(embeddings, projection)
    swapped = compute_embedding_features(swap_rows(embeddings, np.ones(len(features), dtype=bool)), projection)
    pd.testing.assert_frame_equal(swapped, swap_table(features), check_exact=True)
    assert features.drop(columns="id").map(np.isfinite).all(axis=None)


@LAW
@given(vectors=VECTORS, data=st.data())
def test_features_of_a_battle_do_not_depend_on_its_place(vectors: tuple[np.ndarray, ...], data: st.DataObject) -> None:
    embeddings = as_embeddings(vectors)
    projection = axes(embeddings)
    order = np.array(data.draw(st.permutations(range(len(vectors[0])))))
    moved = compute_embedding_features({name: array[order] for name, array in embeddings.items()}, projection)
    features = compute_embedding_features(embeddings, projection)
    pd.testing.assert_frame_equal(moved, features.iloc[order].reset_index(drop=True), check_exact=True)


@LAW
@given(vectors=VECTORS, data=st.data())
def test_swapping_any_battle_changes_no_component(vectors: tuple[np.ndarray, ...], data: st.DataObject) -> None:
    embeddings = as_embeddings(vectors)
    rows = data.draw(arrays(bool, len(vectors[0])))
    options = EmbeddingOptions.model_construct(components=3)
    np.testing.assert_array_equal(
        fit_embedding_projection(swap_rows(embeddings, rows), options)["components"],
        fit_embedding_projection(embeddings, options)["components"],
    )


def test_the_projection_finds_the_directions_in_which_answers_differ(
    rng: np.random.Generator, options: EmbeddingOptions
) -> None:
    axes_of_difference, _ = np.linalg.qr(rng.normal(size=(6, 2)))
    topic = 10 * rng.normal(size=(500, 6))
    a, b = (topic + (rng.normal(size=(500, 2)) * [3.0, 1.0]) @ axes_of_difference.T for _ in range(2))
    embeddings = as_embeddings((topic.astype(np.float32), a.astype(np.float32), b.astype(np.float32)))
    components = fit_embedding_projection(embeddings, options.model_copy(update={"components": 2}))["components"]
    np.testing.assert_allclose(np.abs(np.diag(components @ axes_of_difference)), 1, atol=0.01)
    np.testing.assert_allclose(components @ components.T, np.eye(2), atol=1e-6)


def test_the_projection_keeps_no_more_components_than_there_are_dimensions(options: EmbeddingOptions) -> None:
    embeddings = as_embeddings(tuple(np.eye(3, dtype=np.float32) * factor for factor in (1, 2, 4)))
    components = fit_embedding_projection(embeddings, options)["components"]
    assert components.shape == (3, 3)
    assert components.dtype == np.float32


def test_features_of_known_vectors() -> None:
    embeddings = as_embeddings(
        (
            np.array([[1, 0], [1, 0]], dtype=np.float16),
            np.array([[3, 4], [0, 0]], dtype=np.float16),
            np.array([[0, 2], [0, 2]], dtype=np.float16),
        )
    )
    features = compute_embedding_features(embeddings, {"components": np.array([[0, 1], [1, 0]], dtype=np.float32)})
    Features.validate(features)
    expected = {
        "id": [0, 1],
        "emb_01__diff": [2, -2],
        "emb_01__abs_diff": [2, 2],
        "emb_02__diff": [3, 0],
        "emb_02__abs_diff": [3, 0],
        "emb_distance__pair": [13**0.5, 2],
        "emb_cosine__pair": [0.8, 0],
        "emb_prompt_cosine__diff": [0.6, 0],
        "emb_prompt_cosine__abs_diff": [0.6, 0],
        "emb_prompt_cosine__sum": [0.6, 0],
    }
    pd.testing.assert_frame_equal(features, pd.DataFrame(expected), check_dtype=False)
    assert sum(is_antisymmetric(name) for name in features.columns.drop("id")) == 3


def test_a_projection_of_another_encoder_is_an_error() -> None:
    embeddings = as_embeddings(tuple(np.ones((2, 3), dtype=np.float16) for _ in TEXT_COLUMNS))
    with pytest.raises(ValueError, match="fitted on vectors of 2 dimensions, and these have 3"):
        compute_embedding_features(embeddings, {"components": np.eye(2, dtype=np.float32)})


@pytest.mark.parametrize(
    ("turns", "text"),
    [
        (["one", "two"], "one\n\ntwo"),
        (np.array(["one", None, "three"], dtype=object), "one\n\nthree"),
        ([None], ""),
        (np.array([], dtype=object), ""),
        ([""], ""),
    ],
)
def test_turns_are_joined_by_blank_lines_and_null_turns_skipped(turns: Any, text: str) -> None:
    assert join_turns(turns) == text


@pytest.fixture
def few_battles(battles: pd.DataFrame) -> pd.DataFrame:
    few = battles.head(12).copy()
    few.at[3, "response_a"] = [None]
    few.at[4, "response_b"] = []
    few.at[5, "response_a"] = ["the sea", None, "猫 🐈 " * 400]
    few.at[6, "prompt"] = few.at[7, "prompt"]
    return few


def test_every_cell_gets_the_vector_of_its_text(few_battles: pd.DataFrame, options: EmbeddingOptions) -> None:
    embeddings = embed_texts(few_battles, options)
    assert embeddings["id"].tolist() == few_battles["id"].tolist()
    for column in TEXT_COLUMNS:
        assert embeddings[column].shape == (12, 32)
    for row in (0, 3, 5):
        alone = embed_texts(few_battles.iloc[[row]], options)
        for column in TEXT_COLUMNS:
            np.testing.assert_allclose(embeddings[column][[row]], alone[column], atol=1e-5)


def test_equal_texts_have_equal_vectors_and_are_embedded_once(
    few_battles: pd.DataFrame, options: EmbeddingOptions, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="arena_preference.pipelines.embedding"):
        embeddings = embed_texts(pd.concat([few_battles, few_battles]), options)
    np.testing.assert_array_equal(embeddings["prompt"][6], embeddings["prompt"][7])
    np.testing.assert_array_equal(embeddings["response_a"][3], embeddings["response_b"][4])
    # 11 prompts, 24 answers of which a null one and a missing one are the same empty text.
    assert "72 texts, 34 of them distinct" in caplog.text
    assert len(caplog.records) == 2


def test_embeddings_follow_battles_that_are_moved_or_swapped(
    few_battles: pd.DataFrame, options: EmbeddingOptions
) -> None:
    embeddings = embed_texts(few_battles, options)
    order = np.random.default_rng(0).permutation(12)
    moved = embed_texts(few_battles.iloc[order], options)
    assert same_vectors(moved, {name: array[order] for name, array in embeddings.items()})
    swapped = embed_texts(swap_battles(few_battles), options)
    assert same_vectors(swapped, swap_rows(embeddings, np.ones(12, dtype=bool)))


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_vectors_are_stored_in_the_precision_asked_for(
    few_battles: pd.DataFrame, options: EmbeddingOptions, precision: str
) -> None:
    embeddings = embed_texts(few_battles, options.model_copy(update={"stored_precision": precision}))
    assert {embeddings[column].dtype for column in TEXT_COLUMNS} == {np.dtype(precision)}


def test_a_table_without_battles_is_an_error(few_battles: pd.DataFrame, options: EmbeddingOptions) -> None:
    with pytest.raises(ValueError, match="no battles to embed"):
        embed_texts(few_battles.head(0), options)
