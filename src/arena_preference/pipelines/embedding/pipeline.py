"""Wiring of the pipeline ``embedding``."""

from kedro.pipeline import Node, Pipeline

from .nodes import compute_embedding_features, embed_texts, fit_embedding_projection


def create_pipeline(split: str = "train") -> Pipeline:
    """Embed the texts of a split and describe its battles; on ``train`` also fit the projection."""
    compute = [
        Node(
            embed_texts,
            inputs=["battles", "params:embedding"],
            outputs="text_embeddings",
            name="embed_texts",
        ),
        Node(
            compute_embedding_features,
            inputs=["text_embeddings", "embedding_projection"],
            outputs="embedding_features",
            name="compute_embedding_features",
        ),
    ]
    if split == "test":
        return Pipeline(compute, namespace=split, inputs="embedding_projection", parameters="embedding")
    fit = Node(
        fit_embedding_projection,
        inputs=["text_embeddings", "params:embedding"],
        outputs="embedding_projection",
        name="fit_embedding_projection",
    )
    return Pipeline([*compute, fit], namespace=split, outputs="embedding_projection", parameters="embedding")
