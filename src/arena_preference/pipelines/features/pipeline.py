"""Wiring of the pipeline ``features``."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from arena_preference.battles import SPLITS

from .consensus import compute_consensus_features
from .lsa import compute_lsa_features, fit_char_lsa
from .relevance import compute_left_out_relevance_features, compute_relevance_features, fit_relevance_model
from .text_statistics import compute_text_features
from .tfidf import fit_word_tfidf


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
            inputs=["train_sampled_battles", "params:features.char_lsa", "params:seed"],
            outputs="char_lsa",
            name="fit_char_lsa",
            tags="train",
        ),
        Node(
            fit_word_tfidf,
            inputs=["train_sampled_battles", "params:features.word_tfidf", "params:seed"],
            outputs="word_tfidf",
            name="fit_word_tfidf",
            tags="train",
        ),
        Node(
            fit_relevance_model,
            inputs=["train_sampled_battles", "word_tfidf", "params:features.relevance", "params:seed"],
            outputs=["prompt_lsa", "prompt_word_regression"],
            name="fit_relevance_model",
            tags="train",
        ),
    ]


def _compute_nodes(split: str) -> list[Node]:
    # The regression was fitted on the training battles, so each of them needs a fit without its prompt group.
    relevance = compute_left_out_relevance_features if split == "train" else compute_relevance_features
    return [
        Node(
            compute_text_features,
            inputs=[f"{split}_battles", "params:features.text"],
            outputs=f"{split}_text_features",
            name=f"compute_{split}_text_features",
            tags=[split, "per_battle"],
        ),
        Node(
            compute_lsa_features,
            inputs=[f"{split}_battles", "char_lsa"],
            outputs=f"{split}_lsa_features",
            name=f"compute_{split}_lsa_features",
            tags=[split, "per_battle"],
        ),
        Node(
            relevance,
            inputs=[f"{split}_battles", "prompt_lsa", "word_tfidf", "prompt_word_regression"],
            outputs=f"{split}_relevance_features",
            name=f"compute_{split}_relevance_features",
            tags=[split, "per_battle"],
        ),
        Node(
            compute_consensus_features,
            inputs=[f"{split}_battles", "word_tfidf"],
            outputs=f"{split}_consensus_features",
            name=f"compute_{split}_consensus_features",
            tags=[split, "per_battle"],
        ),
    ]
