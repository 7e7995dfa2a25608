"""Wiring of the pipeline ``features``."""

from kedro.pipeline import Node, Pipeline

from .nodes import compute_latent_features, compute_text_features, fit_text_vectorizer


def create_pipeline(split: str = "train") -> Pipeline:
    """Describe the battles of one split; the text vectorizer is fitted on ``train`` and read by every other split."""
    compute = [
        Node(compute_text_features, ["battles", "params:features.text"], "text_features", name="compute_text_features"),
        Node(
            compute_latent_features, ["battles", "text_vectorizer"], "latent_features", name="compute_latent_features"
        ),
    ]
    fit = Node(
        fit_text_vectorizer,
        ["battles", "params:features.vectorizer", "params:seed"],
        "text_vectorizer",
        name="fit_text_vectorizer",
    )
    if split == "train":
        return Pipeline(
            [*compute, fit],
            namespace=split,
            outputs="text_vectorizer",
            parameters={"features.text", "features.vectorizer", "seed"},
        )
    return Pipeline(compute, namespace=split, inputs="text_vectorizer", parameters={"features.text"})
