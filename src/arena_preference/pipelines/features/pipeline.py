"""Wiring of the pipeline ``features``."""

from kedro.pipeline import Node, Pipeline

from .nodes import compute_latent_features, compute_text_features, fit_text_vectorizer


def create_pipeline(split: str = "train") -> Pipeline:
    """Describe the battles of a split; on ``train`` also fit the text vectorizer, which ``test`` reads."""
    compute = [
        Node(
            compute_text_features,
            inputs=["battles", "params:features.text"],
            outputs="text_features",
            name="compute_text_features",
        ),
        Node(
            compute_latent_features,
            inputs=["battles", "text_vectorizer"],
            outputs="latent_features",
            name="compute_latent_features",
        ),
    ]
    if split == "test":
        return Pipeline(compute, namespace=split, inputs="text_vectorizer", parameters="features.text")
    fit = Node(
        fit_text_vectorizer,
        inputs=["battles", "params:features.vectorizer", "params:seed"],
        outputs="text_vectorizer",
        name="fit_text_vectorizer",
    )
    return Pipeline(
        [*compute, fit],
        namespace=split,
        outputs="text_vectorizer",
        parameters={"features.text", "features.vectorizer", "seed"},
    )
