"""Nodes of the pipeline ``embedding``."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import ID, TEXT_COLUMNS, FloatArray
from arena_preference.datasets import EmbeddingShard, EmbeddingStore
from arena_preference.pretrained import find_model, hash_model
from arena_preference.symmetry import FORM_SEPARATOR

from .config import EmbeddingConfig, EncoderConfig, RewardModelConfig
from .encoder_settings import EncoderSettings, read_encoder_settings
from .inputs import list_conversations, list_texts, make_input_keys

# Torch and transformers take seconds to import; wiring and the nodes that run no model do without them.
if TYPE_CHECKING:
    from .models import Encoder, RewardModel

Arrays = dict[str, npt.NDArray[Any]]
#: ``model``, ``revision``, ``precision`` and ``space``, the description under which its vectors are stored; empty where
#: the model is switched off.
ModelDescription = dict[str, Any]

# Battles whose vectors are in memory at a time.
_BATTLES_AT_ONCE: Final = 8192
_SIDES: Final = TEXT_COLUMNS[1:]


def embed_texts(
    battles: pd.DataFrame,
    embedding_store: EmbeddingStore,
    options: EmbeddingConfig,
    trained_encoder: ModelDescription | None = None,
) -> Iterator[EmbeddingShard]:
    """Embed those prompts and answers that the store does not hold yet.

    A text is the turns of a cell, null turns left out, with a blank line between two. Where an encoder makes a
    difference, a prompt is a query and an answer a document.

    Args:
        battles: One row per battle, schema ``Battles``.
        embedding_store: What was embedded before.
        options: Parameters ``embedding``.
        trained_encoder: On test, what ``describe_encoder`` gave on train.

    Yields:
        Shards for the store. Those that were yielded stay when the run ends early.

    Raises:
        FileNotFoundError: If the encoder is not to be found.
        ValueError: If ``battles`` is empty, the encoder's files are damaged or ask for what is not done here, or the
            parameters ask for another encoder than training used.
        RuntimeError: If the device asked for is not there.
        FloatingPointError: If the precision overflows.
        MemoryError: If a device has no room for a single text.
    """
    space = _describe_encoder_space(options)
    _check_same_space(space, trained_encoder, "encoder")
    if not space:
        return
    from .filling import fill_space

    settings = EncoderSettings(**space["settings"])

    def load(devices: Any, dtype: Any) -> "Encoder":
        from .models import Encoder

        return Encoder(find_model(options.encoder.model, options.encoder.revision), devices, dtype, settings)

    texts = [text for column in list_texts(battles, settings).values() for text in column]
    yield from fill_space(
        embedding_store, space, texts, load, options.inference, np.dtype(options.encoder.storage_dtype)
    )


def describe_encoder(text_embeddings: EmbeddingStore, options: EmbeddingConfig) -> ModelDescription:
    """Say which encoder made the vectors of the training battles, so that the test battles get no other.

    Args:
        text_embeddings: The store after ``embed_texts`` on train.
        options: Parameters ``embedding``.

    Returns:
        The encoder's name and revision, the precision its first vectors were computed in, and the description of its
        space.
    """
    return _describe_model(text_embeddings, _describe_encoder_space(options), options.encoder)


def fit_embedding_projection(
    battles: pd.DataFrame, text_embeddings: EmbeddingStore, encoder: ModelDescription, options: EmbeddingConfig
) -> Arrays:
    """Find the directions in which the two answers to one prompt differ most.

    They are the eigenvectors of the second moment of a - b, which is the truncated SVD of the differences. What both
    answers share, above all the topic, would fill the first components of a PCA of the answers, and cancels here. No
    mean is taken off, because the order of the sides is arbitrary: swapping any battle changes no component.

    Args:
        battles: A sample of the training battles, schema ``Battles``.
        text_embeddings: The store after ``embed_texts`` on them.
        encoder: What ``describe_encoder`` gave.
        options: Parameters ``embedding``.

    Returns:
        ``components``, float32, shape (k, dimensions), orthonormal rows, the direction of most variance first; k is
        ``options.encoder.n_components`` or the encoder's dimensions if those are fewer. Nothing where the encoder is
        switched off.
    """
    if not encoder:
        return {}
    moment: FloatArray | float = 0.0
    for vectors in _read_texts(battles, text_embeddings, encoder):
        difference = _difference(vectors)
        moment = moment + difference.T @ difference
    _, directions = np.linalg.eigh(moment)
    components = directions.T[::-1][: options.encoder.n_components]
    # An eigenvector's sign is arbitrary; its largest entry is made positive.
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    return {"components": components.astype(np.float32)}


def compute_embedding_features(
    battles: pd.DataFrame, text_embeddings: EmbeddingStore, encoder: ModelDescription, embedding_projection: Arrays
) -> pd.DataFrame:
    """Describe each battle by how the vectors of its texts lie to each other.

    Args:
        battles: One row per battle, schema ``Battles``.
        text_embeddings: The store after ``embed_texts`` on them.
        encoder: What ``describe_encoder`` gave.
        embedding_projection: What ``fit_embedding_projection`` gave.

    Returns:
        Schema ``Features``, one row per battle: a - b along each component, the length of a - b, the cosine of
        the answers, and the cosine of each answer with the prompt. A vector of zeros has cosine 0. Only
        the column id where the encoder is switched off.

    Raises:
        ValueError: If the projection was fitted on vectors of another length.
    """
    if not encoder:
        return battles[[ID]].reset_index(drop=True)
    components = embedding_projection["components"].astype(np.float64)
    parts = [_describe_vectors(vectors, components) for vectors in _read_texts(battles, text_embeddings, encoder)]
    return pd.concat([battles[[ID]].reset_index(drop=True), pd.concat(parts, ignore_index=True)], axis=1)


def score_responses(
    battles: pd.DataFrame,
    embedding_store: EmbeddingStore,
    options: EmbeddingConfig,
    trained_reward_model: ModelDescription | None = None,
) -> Iterator[EmbeddingShard]:
    """Let a reward model score those answers that the store does not hold yet, each with its prompt, over all turns.

    Args:
        battles: One row per battle, schema ``Battles``.
        embedding_store: What was scored before.
        options: Parameters ``embedding``.
        trained_reward_model: On test, what ``describe_reward_model`` gave on train.

    Yields:
        Shards for the store, with float32 vectors of length 1.

    Raises:
        FileNotFoundError: If the reward model is not to be found.
        ValueError: If ``battles`` is empty, the model's files are damaged, it has more than one logit or no chat
            template, or the parameters ask for another model than training used.
        RuntimeError: If the device asked for is not there.
        FloatingPointError: If the precision overflows.
        MemoryError: If a device has no room for a single conversation.
    """
    space = _describe_reward_space(options)
    _check_same_space(space, trained_reward_model, "reward_model")
    if not space:
        return
    from .filling import fill_space

    chosen = options.reward_model

    def load(devices: Any, dtype: Any) -> "RewardModel":
        from .models import RewardModel

        folder = find_model(chosen.model, chosen.revision)
        return RewardModel(folder, devices, dtype, chosen.max_tokens, chosen.tail_tokens)

    conversations = [conversation for side in _SIDES for conversation in list_conversations(battles, side)]
    yield from fill_space(embedding_store, space, conversations, load, options.inference, np.dtype(np.float32))


def describe_reward_model(response_scores: EmbeddingStore, options: EmbeddingConfig) -> ModelDescription:
    """Say which reward model scored the training battles, so that no other scores the test battles.

    Args:
        response_scores: The store after ``score_responses`` on train.
        options: Parameters ``embedding``.

    Returns:
        The reward model's name and revision, the precision its first scores were computed in, and the description of
        its space.
    """
    return _describe_model(response_scores, _describe_reward_space(options), options.reward_model)


def compute_reward_features(
    battles: pd.DataFrame, response_scores: EmbeddingStore, reward_model: ModelDescription
) -> pd.DataFrame:
    """Compare the scores of the two answers.

    Args:
        battles: One row per battle, schema ``Battles``.
        response_scores: The store after ``score_responses`` on them.
        reward_model: What ``describe_reward_model`` gave.

    Returns:
        Schema ``Features``, one row per battle: difference and sum of the scores. Only the column
        id where the reward model is switched off.
    """
    features = battles[[ID]].reset_index(drop=True)
    if not reward_model:
        return features
    space = response_scores.open_collection(reward_model["space"])
    a, b = (space.read(make_input_keys(list_conversations(battles, side)))[:, 0] for side in _SIDES)
    return features.assign(
        **{
            f"reward{FORM_SEPARATOR}diff": a - b,
            f"reward{FORM_SEPARATOR}sum": a + b,
        }
    )


def _describe_encoder_space(options: EmbeddingConfig) -> dict[str, Any]:
    """Say what makes an encoder's vectors and every option that changes them."""
    chosen = options.encoder
    if not chosen.enabled:
        return {}
    folder = find_model(chosen.model, chosen.revision)
    return {
        "kind": "encoder",
        "files": hash_model(folder),
        "settings": asdict(read_encoder_settings(folder, chosen)),
        "precision": options.inference.precision,
        "storage_dtype": chosen.storage_dtype,
    }


def _describe_reward_space(options: EmbeddingConfig) -> dict[str, Any]:
    chosen = options.reward_model
    if not chosen.enabled:
        return {}
    return {
        "kind": "reward model",
        "files": hash_model(find_model(chosen.model, chosen.revision)),
        "max_tokens": chosen.max_tokens,
        "tail_tokens": chosen.tail_tokens,
        "precision": options.inference.precision,
    }


def _describe_model(
    store: EmbeddingStore, space: dict[str, Any], chosen: EncoderConfig | RewardModelConfig
) -> ModelDescription:
    if not space:
        return {}
    precision = store.open_collection(space).dtype
    return {"model": chosen.model, "revision": chosen.revision, "precision": precision, "space": space}


def _check_same_space(space: dict[str, Any], trained: ModelDescription | None, name: str) -> None:
    if trained is None or space == trained.get("space", {}):
        return
    now, then = _flatten(space), _flatten(trained.get("space", {}))
    differing = ", ".join(
        f"{key} {now.get(key, 'absent')} (training: {then.get(key, 'absent')})"
        for key in sorted(now.keys() | then.keys())
        if now.get(key) != then.get(key)
    )
    raise ValueError(
        f"The parameters embedding.{name} describe another model than training used: {differing}. Give the parameters "
        "and the model's files of that run, or train again."
    )


def _flatten(space: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in space.items() if key != "settings"}, **space.get("settings", {})}


def _read_texts(
    battles: pd.DataFrame, text_embeddings: EmbeddingStore, encoder: ModelDescription
) -> Iterator[dict[str, FloatArray]]:
    """Give the vectors of prompt and answers for some battles after the other, each of shape (battles, dimensions)."""
    settings = EncoderSettings(**encoder["space"]["settings"])
    space = text_embeddings.open_collection(encoder["space"])
    for start in range(0, len(battles), _BATTLES_AT_ONCE):
        texts = list_texts(battles.iloc[start : start + _BATTLES_AT_ONCE], settings)
        yield {column: space.read(make_input_keys(of_column)).astype(np.float64) for column, of_column in texts.items()}


def _describe_vectors(vectors: dict[str, FloatArray], components: FloatArray) -> pd.DataFrame:
    difference = _difference(vectors)
    if components.shape[1] != difference.shape[1]:
        raise ValueError(
            f"The projection was fitted on vectors of {components.shape[1]} dimensions, and these have "
            f"{difference.shape[1]}: they come from different encoders. Run the pipeline embedding on train again, or "
            "use the encoder of that run."
        )
    # Unlike a matrix product, whose blocks round by where a row stands, einsum gives a row the same bits anywhere.
    projected = np.einsum("nd,kd->nk", difference, components)
    prompt, a, b = (vectors[column] for column in TEXT_COLUMNS)
    prompt_a, prompt_b = _cosine(prompt, a), _cosine(prompt, b)

    features: dict[str, FloatArray] = {}
    for number, column in enumerate(projected.T, start=1):
        features[f"emb_{number:02d}{FORM_SEPARATOR}diff"] = column
    features[f"emb_distance{FORM_SEPARATOR}pair"] = np.sqrt(_dot(difference, difference))
    features[f"emb_cosine{FORM_SEPARATOR}pair"] = _cosine(a, b)
    features[f"emb_prompt_cosine{FORM_SEPARATOR}diff"] = prompt_a - prompt_b
    features[f"emb_prompt_cosine{FORM_SEPARATOR}sum"] = prompt_a + prompt_b
    return pd.DataFrame({name: values.astype(np.float32) for name, values in features.items()})


def _difference(vectors: dict[str, FloatArray]) -> FloatArray:
    return vectors["response_a"] - vectors["response_b"]


def _dot(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.einsum("nd,nd->n", one, other)


def _cosine(one: FloatArray, other: FloatArray) -> FloatArray:
    lengths = np.sqrt(_dot(one, one)) * np.sqrt(_dot(other, other))
    return np.divide(_dot(one, other), lengths, out=np.zeros_like(lengths), where=lengths > 0)
