"""Wiring of the pipeline ``features``."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from arena_preference.battles import SPLITS

from .nodes import (
    compute_consensus_features,
    compute_left_out_relevance_features,
    compute_lsa_features,
    compute_relevance_features,
    compute_text_features,
    compute_tfidf_differences,
    fit_char_lsa,
    fit_prompt_lsa,
    fit_prompt_word_regression,
    fit_word_tfidf,
)


def create_pipeline(splits: Sequence[str] = SPLITS) -> Pipeline:
    """Battles to tables of features; on ``train`` also the transformers that both splits use."""
    nodes = _fit_transformers() if "train" in splits else []
    for split in splits:
        nodes += _compute_features(split)
    return Pipeline(nodes, namespace="features", prefix_datasets_with_namespace=False)


def _fit_transformers() -> list[Node]:
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
            fit_prompt_lsa,
            inputs=["train.sampled_battles", "params:features.relevance", "params:seed"],
            outputs="prompt_lsa",
            name="fit_prompt_lsa",
            tags="train",
        ),
        Node(
            fit_prompt_word_regression,
            inputs=["train.sampled_battles", "prompt_lsa", "word_tfidf", "params:features.relevance"],
            outputs="prompt_word_regression",
            name="fit_prompt_word_regression",
            tags="train",
        ),
    ]


def _compute_features(split: str) -> list[Node]:
    # The regression is fitted on training battles, so each of them is described by a fit without its prompt group.
    relevance = compute_left_out_relevance_features if split == "train" else compute_relevance_features
    return [
        Node(
            compute_text_features,
            inputs=[f"{split}.battles", "params:features.text"],
            outputs=f"{split}.text_features",
            name=f"compute_{split}_text_features",
            tags=[split, "per_battle"],
        ),
        Node(
            compute_lsa_features,
            inputs=[f"{split}.battles", "char_lsa"],
            outputs=f"{split}.lsa_features",
            name=f"compute_{split}_lsa_features",
            tags=[split, "per_battle"],
        ),
        Node(
            compute_tfidf_differences,
            inputs=[f"{split}.battles", "word_tfidf"],
            outputs=f"{split}.tfidf_differences",
            name=f"compute_{split}_tfidf_differences",
            tags=[split, "per_battle"],
        ),
        Node(
            relevance,
            inputs=[f"{split}.battles", "prompt_lsa", "word_tfidf", "prompt_word_regression"],
            outputs=f"{split}.relevance_features",
            name=f"compute_{split}_relevance_features",
            tags=[split, "per_battle"],
        ),
        Node(
            compute_consensus_features,
            inputs=[f"{split}.battles", "word_tfidf"],
            outputs=f"{split}.consensus_features",
            name=f"compute_{split}_consensus_features",
            tags=[split, "per_battle"],
        ),
    ]
