"""Nodes of the pipeline ``embedding``."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import ID, TEXT_COLUMNS, FloatArray
from arena_preference.datasets import EmbeddingShard, EmbeddingStore
from arena_preference.pretrained import find_model, hash_model
from arena_preference.symmetry import FORM_SEPARATOR

from .config import EmbeddingConfig, EncoderConfig, RewardModelConfig
from .encoder_settings import EncoderSettings, read_encoder_settings
from .model_inputs import list_conversations, list_texts, make_input_keys

# Torch and transformers take seconds to import; only the two nodes that run a model import them.

Arrays = dict[str, npt.NDArray[Any]]
#: ``encoder`` and ``reward_model``, both empty if disabled: ``model`` and ``revision`` as in the parameters,
#: ``collection``, the description of its vectors in the store, and the ``dtype`` that this was started in.
ModelRecords = dict[str, dict[str, Any]]

_SIDES: Final = TEXT_COLUMNS[1:]


def embed_texts(
    battles: pd.DataFrame,
    embedding_store: EmbeddingStore,
    config: EmbeddingConfig,
    embedding_models: ModelRecords | None = None,
    loaded: dict[str, Any] | None = None,
) -> Iterator[EmbeddingShard]:
    """Embed the prompts and responses that the store lacks; on test, with the encoder of the training battles.

    A text consists of the turns of a cell, without null turns, separated by blank lines. For encoders with prefixes, a
    prompt is a query and a response a document. ``loaded`` keeps the encoder for the next call; without it, the encoder
    is loaded anew and freed at the end.

    Yields:
        Shards for the store, each saved before the next is computed.

    Raises:
        FileNotFoundError: If the encoder is not found.
        ValueError: If ``battles`` is empty, the encoder's files are corrupted or not supported, or the parameters
            describe another encoder than in training.
        RuntimeError: If the requested device is missing.
        FloatingPointError: If the dtype overflows.
        MemoryError: If a device has too little memory for a single text.
    """
    collection = _describe_encoder(config)
    _check_same_model(collection, embedding_models, "encoder")
    if not collection:
        return
    from .encoder import Encoder
    from .inference import embed_missing

    settings = EncoderSettings(**collection["settings"])
    folder = find_model(config.encoder.model, config.encoder.revision)
    yield from embed_missing(
        embedding_store,
        collection,
        [text for column in list_texts(battles, settings).values() for text in column],
        lambda devices, dtype: Encoder(folder, devices, dtype, settings),
        config.inference,
        config.encoder.storage_dtype,
        loaded,
    )


def score_responses(
    battles: pd.DataFrame,
    embedding_store: EmbeddingStore,
    config: EmbeddingConfig,
    embedding_models: ModelRecords | None = None,
    loaded: dict[str, Any] | None = None,
) -> Iterator[EmbeddingShard]:
    """Score the responses that the store lacks, each with its prompt, over all turns, as ``embed_texts`` embeds texts.

    Yields:
        Shards for the store, with float32 vectors of length 1.

    Raises:
        ValueError: Also if the reward model has several logits or no chat template; the rest as in ``embed_texts``.
    """
    collection = _describe_reward_model(config)
    _check_same_model(collection, embedding_models, "reward_model")
    if not collection:
        return
    from .inference import embed_missing
    from .reward_model import RewardModel

    chosen = config.reward_model
    folder = find_model(chosen.model, chosen.revision)
    yield from embed_missing(
        embedding_store,
        collection,
        [conversation for side in _SIDES for conversation in list_conversations(battles, side)],
        lambda devices, dtype: RewardModel(folder, devices, dtype, chosen.max_tokens, chosen.tail_tokens),
        config.inference,
        "float32",
        loaded,
    )


def record_models(
    text_embeddings: EmbeddingStore, response_scores: EmbeddingStore, config: EmbeddingConfig
) -> ModelRecords:
    """Records of the encoder and the reward model of the training battles, which the test battles must use, too."""
    return {
        "encoder": _record_model(text_embeddings, _describe_encoder(config), config.encoder),
        "reward_model": _record_model(response_scores, _describe_reward_model(config), config.reward_model),
    }


def fit_embedding_projection(
    battles: pd.DataFrame, text_embeddings: EmbeddingStore, embedding_models: ModelRecords, config: EmbeddingConfig
) -> Arrays:
    """Find the directions in which the two responses to a prompt differ most.

    These are the eigenvectors of the second moment of a - b, as in a truncated SVD of the differences. What both
    responses share, above all the topic, would dominate a PCA of the responses and cancels here. The mean is not
    subtracted, because the order of the sides is arbitrary: swapping any battle changes no component.

    Returns:
        ``components``, float32, shape (k, dimensions), orthonormal rows sorted by decreasing variance; k is the smaller
        of ``config.encoder.n_components`` and the dimensions. Empty without an encoder.
    """
    if not embedding_models["encoder"]:
        return {}
    moment: FloatArray | float = 0.0
    for vectors in _read_vectors(battles, text_embeddings, embedding_models["encoder"]):
        difference = vectors["response_a"] - vectors["response_b"]
        moment = moment + difference.T @ difference
    _, directions = np.linalg.eigh(moment)
    components = directions.T[::-1][: config.encoder.n_components]
    # The sign of an eigenvector is arbitrary: its largest entry is made positive.
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    return {"components": components.astype(np.float32)}


def compute_embedding_features(
    battles: pd.DataFrame,
    text_embeddings: EmbeddingStore,
    embedding_models: ModelRecords,
    embedding_projection: Arrays,
    chunk_size: int = 8192,
) -> pd.DataFrame:
    """Compare the vectors of each battle's texts; ``chunk_size`` limits the battles that are in memory at a time.

    Returns:
        Schema ``Features``: a - b along each component, the length of a - b, the cosine similarity of the responses,
        and of each response to the prompt. A zero vector has similarity 0. Only the id without an encoder.

    Raises:
        ValueError: If the projection was fitted on vectors of another length.
    """
    ids = battles[[ID]].reset_index(drop=True)
    encoder = embedding_models["encoder"]
    if not encoder:
        return ids
    components = embedding_projection["components"].astype(np.float64)
    chunks = _read_vectors(battles, text_embeddings, encoder, chunk_size)
    return ids.join(pd.concat([_compare_vectors(vectors, components) for vectors in chunks], ignore_index=True))


def compute_reward_features(
    battles: pd.DataFrame, response_scores: EmbeddingStore, embedding_models: ModelRecords
) -> pd.DataFrame:
    """Difference and sum of the scores of each battle's responses, or only the id without a reward model."""
    features = battles[[ID]].reset_index(drop=True)
    reward_model = embedding_models["reward_model"]
    if not reward_model:
        return features
    collection = response_scores.open_collection(reward_model["collection"])
    a, b = (collection.read(make_input_keys(list_conversations(battles, side)))[:, 0] for side in _SIDES)
    return features.assign(**{f"reward{FORM_SEPARATOR}diff": a - b, f"reward{FORM_SEPARATOR}sum": a + b})


def _describe_encoder(config: EmbeddingConfig) -> dict[str, Any]:
    """The encoder's files and every parameter that its vectors depend on."""
    chosen = config.encoder
    if not chosen.enabled:
        return {}
    folder = find_model(chosen.model, chosen.revision)
    return {
        "kind": "encoder",
        "files": hash_model(folder),
        "settings": asdict(read_encoder_settings(folder, chosen)),
        "dtype": config.inference.dtype,
        "storage_dtype": chosen.storage_dtype,
    }


def _describe_reward_model(config: EmbeddingConfig) -> dict[str, Any]:
    chosen = config.reward_model
    if not chosen.enabled:
        return {}
    return {
        "kind": "reward model",
        "files": hash_model(find_model(chosen.model, chosen.revision)),
        "settings": {"max_tokens": chosen.max_tokens, "tail_tokens": chosen.tail_tokens},
        "dtype": config.inference.dtype,
    }


def _record_model(
    store: EmbeddingStore, collection: dict[str, Any], chosen: EncoderConfig | RewardModelConfig
) -> dict[str, Any]:
    if not collection:
        return {}
    dtype = store.open_collection(collection).dtype
    return {"model": chosen.model, "revision": chosen.revision, "dtype": dtype, "collection": collection}


def _check_same_model(collection: dict[str, Any], trained: ModelRecords | None, name: str) -> None:
    expected = collection if trained is None else trained[name].get("collection", {})
    if collection == expected:
        return
    now, then = ({**part, **part.get("settings", {})} for part in (collection, expected))
    differing = ", ".join(
        f"{key} {now.get(key, 'absent')} (training: {then.get(key, 'absent')})"
        for key in sorted((now.keys() | then.keys()) - {"settings"})
        if now.get(key) != then.get(key)
    )
    raise ValueError(
        f"The parameters embedding.{name} describe another model than in training: {differing}. Use the parameters and "
        "model files of that run, or train again."
    )


def _read_vectors(
    battles: pd.DataFrame, text_embeddings: EmbeddingStore, encoder: dict[str, Any], chunk_size: int = 8192
) -> Iterator[dict[str, FloatArray]]:
    """Vectors of each text column, shape (battles, dimensions), chunk by chunk."""
    settings = EncoderSettings(**encoder["collection"]["settings"])
    collection = text_embeddings.open_collection(encoder["collection"])
    for start in range(0, len(battles), chunk_size):
        texts = list_texts(battles.iloc[start : start + chunk_size], settings)
        yield {
            column: collection.read(make_input_keys(of_column)).astype(np.float64)
            for column, of_column in texts.items()
        }


def _compare_vectors(vectors: dict[str, FloatArray], components: FloatArray) -> pd.DataFrame:
    prompt, a, b = (vectors[column] for column in TEXT_COLUMNS)
    if components.shape[1] != a.shape[1]:
        raise ValueError(
            f"The projection was fitted on vectors of {components.shape[1]} dimensions, and these have {a.shape[1]}, "
            "so they come from another encoder. Run the pipeline embedding on train again, or use that encoder."
        )
    # A matrix product rounds a row by its position; einsum does not.
    projected = np.einsum("nd,kd->nk", a - b, components)
    prompt_a, prompt_b = _cosine(prompt, a), _cosine(prompt, b)
    features = {
        **{f"emb_{number:02d}{FORM_SEPARATOR}diff": column for number, column in enumerate(projected.T, start=1)},
        f"emb_distance{FORM_SEPARATOR}pair": np.sqrt(_dot(a - b, a - b)),
        f"emb_cosine{FORM_SEPARATOR}pair": _cosine(a, b),
        f"emb_prompt_cosine{FORM_SEPARATOR}diff": prompt_a - prompt_b,
        f"emb_prompt_cosine{FORM_SEPARATOR}sum": prompt_a + prompt_b,
    }
    return pd.DataFrame({name: values.astype(np.float32) for name, values in features.items()})


def _dot(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.einsum("nd,nd->n", one, other)


def _cosine(one: FloatArray, other: FloatArray) -> FloatArray:
    lengths = np.sqrt(_dot(one, one)) * np.sqrt(_dot(other, other))
    return np.divide(_dot(one, other), lengths, out=np.zeros_like(lengths), where=lengths > 0)
