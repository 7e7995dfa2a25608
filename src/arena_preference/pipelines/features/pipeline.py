"""Wiring of the pipeline ``features``."""

from collections.abc import Callable, Sequence
from typing import Any

from kedro.pipeline import Node, Pipeline

from arena_preference.battles import SPLITS

from .consensus import compute_consensus_features
from .lsa import compute_lsa_features, fit_char_lsa
from .relevance import compute_left_out_relevance_features, compute_relevance_features, fit_relevance_model
from .text_statistics import compute_text_features
from .tfidf import compute_tfidf_differences, fit_word_tfidf


def create_pipeline(splits: Sequence[str] = SPLITS) -> Pipeline:
    """Battles to tables of features; on ``train`` also the fitted objects that both splits use."""
    nodes = _fit_nodes() if "train" in splits else []
    for split in splits:
        nodes += _compute_nodes(split)
    return Pipeline(nodes, namespace="features", prefix_datasets_with_namespace=False)


def _fit_nodes() -> list[Node]:
    return [
        Node(
            fit_char_lsa,
            inputs=["train.sampled_battles", "params:features.char_lsa", "params:seed"],
            outputs="char_lsa",
            name="fit_char_lsa",
            tags="train",
        ),
        Node(
            fit_word_tfidf,
            inputs=["train.sampled_battles", "params:features.word_tfidf", "params:seed"],
            outputs="word_tfidf",
            name="fit_word_tfidf",
            tags="train",
        ),
        Node(
            fit_relevance_model,
            inputs=["train.sampled_battles", "word_tfidf", "params:features.relevance", "params:seed"],
            outputs=["prompt_lsa", "prompt_word_regression"],
            name="fit_relevance_model",
            tags="train",
        ),
    ]


def _compute_nodes(split: str) -> list[Node]:
    # The regression was fitted on the training battles, so each of them needs a fit without its prompt group.
    relevance = compute_left_out_relevance_features if split == "train" else compute_relevance_features
    tables: dict[str, tuple[Callable[..., Any], list[str]]] = {
        "text_features": (compute_text_features, ["params:features.text"]),
        "lsa_features": (compute_lsa_features, ["char_lsa"]),
        "tfidf_differences": (compute_tfidf_differences, ["word_tfidf"]),
        "relevance_features": (relevance, ["prompt_lsa", "word_tfidf", "prompt_word_regression"]),
        "consensus_features": (compute_consensus_features, ["word_tfidf"]),
    }
    return [
        Node(
            function,
            inputs=[f"{split}.battles", *inputs],
            outputs=f"{split}.{table}",
            name=f"compute_{split}_{table}",
            tags=[split, "per_battle"],
        )
        for table, (function, inputs) in tables.items()
    ]
