"""Wiring of the pipeline ``features``."""

from kedro.pipeline import Node, Pipeline

from .nodes import (
    compute_latent_features,
    compute_text_features,
    compute_word_differences,
    fit_text_vectorizer,
    fit_word_vectorizer,
)


def create_pipeline(split: str = "train") -> Pipeline:
    """Describe the battles of a split; on ``train`` also fit the vectorizers, which ``test`` reads."""
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
    ]
    fitted = {"text_vectorizer", "word_vectorizer"}
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
    ]
    return Pipeline(
        [*compute, *fit],
        namespace=split,
        outputs=fitted,
        parameters={"features.text", "features.vectorizer", "features.words", "seed"},
    )
