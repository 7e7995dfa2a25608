"""Wiring of the pipeline ``features``."""

from kedro.pipeline import Node, Pipeline

from .nodes import (
    compute_consensus_features,
    compute_latent_features,
    compute_left_out_relevance_features,
    compute_relevance_features,
    compute_text_features,
    compute_word_differences,
    fit_expected_words,
    fit_prompt_vectorizer,
    fit_text_vectorizer,
    fit_word_vectorizer,
)


def create_pipeline(split: str = "train") -> Pipeline:
    """Describe the battles of a split; on ``train`` also fit what ``test`` reads."""
    compute = [
        Node(
            compute_text_features,
            inputs=["battles", "params:features.text"],
            outputs="text_features",
            tags="per_battle",
            name="compute_text_features",
        ),
        Node(
            compute_latent_features,
            inputs=["battles", "text_vectorizer"],
            outputs="latent_features",
            tags="per_battle",
            name="compute_latent_features",
        ),
        Node(
            compute_word_differences,
            inputs=["battles", "word_vectorizer"],
            outputs="word_differences",
            tags="per_battle",
            name="compute_word_differences",
        ),
        Node(
            compute_left_out_relevance_features if split == "train" else compute_relevance_features,
            inputs=["battles", "prompt_vectorizer", "word_vectorizer", "expected_words"],
            outputs="relevance_features",
            tags="per_battle",
            name="compute_relevance_features",
        ),
        Node(
            compute_consensus_features,
            inputs=["battles", "word_vectorizer"],
            outputs="consensus_features",
            tags="per_battle",
            name="compute_consensus_features",
        ),
    ]
    fitted = {"text_vectorizer", "word_vectorizer", "prompt_vectorizer", "expected_words"}
    if split == "test":
        return Pipeline(compute, namespace=split, inputs=fitted, parameters="features.text")
    fit = [
        Node(
            fit_text_vectorizer,
            inputs=["sampled_battles", "params:features.vectorizer", "params:seed"],
            outputs="text_vectorizer",
            name="fit_text_vectorizer",
        ),
        Node(
            fit_word_vectorizer,
            inputs=["sampled_battles", "params:features.words", "params:seed"],
            outputs="word_vectorizer",
            name="fit_word_vectorizer",
        ),
        Node(
            fit_prompt_vectorizer,
            inputs=["sampled_battles", "params:features.relevance", "params:seed"],
            outputs="prompt_vectorizer",
            name="fit_prompt_vectorizer",
        ),
        Node(
            fit_expected_words,
            inputs=["sampled_battles", "prompt_vectorizer", "word_vectorizer", "params:features.relevance"],
            outputs="expected_words",
            name="fit_expected_words",
        ),
    ]
    return Pipeline(
        [*compute, *fit],
        namespace=split,
        outputs=fitted,
        parameters={"features.text", "features.vectorizer", "features.words", "features.relevance", "seed"},
    )
