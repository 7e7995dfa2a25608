"""Nodes of the pipeline ``embedding``."""

import logging
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import FORM_SEPARATOR, ID, TEXT_COLUMNS, FloatArray

from .encoders import find_encoder, read_encoder_settings
from .options import EmbeddingOptions

logger = logging.getLogger(__name__)

Arrays = dict[str, npt.NDArray[Any]]


def embed_texts(battles: pd.DataFrame, options: EmbeddingOptions) -> Arrays:
    """Embed the prompt and both answers of each battle; a text that occurs again is embedded once.

    A text is the turns of a cell, null turns left out, with a blank line between two.

    Args:
        battles: One row per battle, schema ``Battles``.
        options: Parameters ``embedding``.

    Returns:
        ``id``, int64, shape (n,), and for each text column its vectors, shape (n, dimensions), of the type
        ``options.stored_precision``; rows in the order of ``battles``.

    Raises:
        FileNotFoundError: If the encoder is not to be found.
        ValueError: If ``battles`` is empty, or the encoder's files are damaged or ask for what is not done here.
        RuntimeError: If the device asked for is not there.
        FloatingPointError: If the precision overflows.
    """
    # Torch and transformers take seconds to import; the other nodes and the wiring do without them.
    from arena_preference.device import select_device

    from .inference import load_encoder

    if battles.empty:
        raise ValueError("There are no battles to embed. Look for the reason in rejected_rows of the same split.")
    cells = {column: battles[column].map(join_turns).to_numpy(dtype=object) for column in TEXT_COLUMNS}
    rows, texts = pd.factorize(np.concatenate(list(cells.values())))
    device = select_device(options.device)
    folder = find_encoder(options.model, options.revision)
    encoder = load_encoder(folder, read_encoder_settings(folder, options), device, options.precision)
    logger.info(
        "%s on %s in %s: %d texts, %d of them distinct",
        *(options.model, device, encoder.dtype, len(rows), len(texts)),
    )
    start = time.perf_counter()
    tokens = encoder.tokenize(texts)
    batch_tokens = getattr(options.batch_tokens, device.type)
    vectors = encoder.embed(texts, tokens, batch_tokens).astype(options.stored_precision)
    seconds = time.perf_counter() - start
    count = sum(len(ids) for ids in tokens)
    logger.info("%d tokens in %.1f s, %.0f tokens/s", count, seconds, count / seconds)
    rows_of_column = np.split(rows, len(cells))
    embeddings: Arrays = {ID: battles[ID].to_numpy(dtype=np.int64)}
    return embeddings | {column: vectors[rows] for column, rows in zip(cells, rows_of_column, strict=True)}


def fit_embedding_projection(text_embeddings: Arrays, options: EmbeddingOptions) -> Arrays:
    """Find the directions in which the two answers to one prompt differ most.

    They are the eigenvectors of the second moment of a - b, which is the truncated SVD of the differences. What both
    answers share, above all the topic, would fill the first components of a PCA of the answers, and cancels here. No
    mean is taken off, because the order of the sides is arbitrary: swapping any battle changes no component.

    Args:
        text_embeddings: What ``embed_texts`` gave for train.
        options: Parameters ``embedding``.

    Returns:
        ``components``, float32, shape (k, dimensions), orthonormal rows, the direction of most variance first; k is
        ``options.components`` or the encoder's dimensions if those are fewer.
    """
    difference = _difference(text_embeddings)
    _, directions = np.linalg.eigh(difference.T @ difference)
    components = directions.T[::-1][: options.components]
    # An eigenvector's sign is arbitrary; its largest entry is made positive.
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    return {"components": components.astype(np.float32)}


def compute_embedding_features(text_embeddings: Arrays, embedding_projection: Arrays) -> pd.DataFrame:
    """Describe each battle by how the vectors of its texts lie to each other.

    Args:
        text_embeddings: What ``embed_texts`` gave.
        embedding_projection: What ``fit_embedding_projection`` gave.

    Returns:
        Schema ``Features``, one row per battle: a - b along each component and its absolute value, the length of a - b,
        the cosine of the answers, and the cosine of each answer with the prompt. A vector of zeros has cosine 0.

    Raises:
        ValueError: If the projection was fitted on vectors of another length.
    """
    components = embedding_projection["components"].astype(np.float64)
    difference = _difference(text_embeddings)
    if components.shape[1] != difference.shape[1]:
        raise ValueError(
            f"The projection was fitted on vectors of {components.shape[1]} dimensions, and these have "
            f"{difference.shape[1]}: they come from different encoders. Run the pipeline embedding on train again, or "
            "use the encoder of that run."
        )
    # Unlike a matrix product, whose blocks round by where a row stands, einsum gives a row the same bits anywhere.
    projected = np.einsum("nd,kd->nk", difference, components)
    prompt, a, b = (text_embeddings[column].astype(np.float64) for column in TEXT_COLUMNS)
    prompt_a, prompt_b = _cosine(prompt, a), _cosine(prompt, b)

    features: dict[str, FloatArray] = {}
    for number, column in enumerate(projected.T, start=1):
        features[f"emb_{number:02d}{FORM_SEPARATOR}diff"] = column
        features[f"emb_{number:02d}{FORM_SEPARATOR}abs_diff"] = np.abs(column)
    features[f"emb_distance{FORM_SEPARATOR}pair"] = np.sqrt(_dot(difference, difference))
    features[f"emb_cosine{FORM_SEPARATOR}pair"] = _cosine(a, b)
    features[f"emb_prompt_cosine{FORM_SEPARATOR}diff"] = prompt_a - prompt_b
    features[f"emb_prompt_cosine{FORM_SEPARATOR}abs_diff"] = np.abs(prompt_a - prompt_b)
    features[f"emb_prompt_cosine{FORM_SEPARATOR}sum"] = prompt_a + prompt_b
    table = {name: values.astype(np.float32) for name, values in features.items()}
    return pd.DataFrame({ID: text_embeddings[ID], **table})


def join_turns(turns: npt.NDArray[Any] | list[str | None]) -> str:
    """Make one text of the turns of a cell: null turns left out, a blank line between two."""
    return "\n\n".join(turn for turn in turns if turn is not None)


def _difference(text_embeddings: Arrays) -> FloatArray:
    return text_embeddings["response_a"].astype(np.float64) - text_embeddings["response_b"].astype(np.float64)


def _dot(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.einsum("nd,nd->n", one, other)


def _cosine(one: FloatArray, other: FloatArray) -> FloatArray:
    lengths = np.sqrt(_dot(one, one)) * np.sqrt(_dot(other, other))
    return np.divide(_dot(one, other), lengths, out=np.zeros_like(lengths), where=lengths > 0)
