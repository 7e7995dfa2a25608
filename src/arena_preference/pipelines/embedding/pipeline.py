"""Wiring of the pipeline ``embedding``."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from arena_preference.battles import SPLITS

from .nodes import (
    compute_embedding_features,
    compute_reward_features,
    embed_texts,
    fit_embedding_projection,
    record_models,
    score_responses,
)


def create_pipeline(splits: Sequence[str] = SPLITS) -> Pipeline:
    """Battles to embeddings, reward scores and features; ``train`` records the models, which ``test`` must use, too."""
    nodes: list[Node] = []
    for split in splits:
        models = ["embedding_models"] if split == "test" else []
        nodes += [
            Node(
                embed_texts,
                inputs=[f"{split}_battles", "embedding_store", "params:embedding", *models],
                outputs=f"{split}_text_embeddings",
                name=f"embed_{split}_texts",
                tags=[split, "gpu", "per_battle"],
            ),
            Node(
                score_responses,
                inputs=[f"{split}_battles", "embedding_store", "params:embedding", *models],
                outputs=f"{split}_response_scores",
                name=f"score_{split}_responses",
                tags=[split, "gpu", "per_battle"],
            ),
            Node(
                compute_embedding_features,
                inputs=[f"{split}_battles", f"{split}_text_embeddings", "embedding_models", "embedding_projection"],
                outputs=f"{split}_embedding_features",
                name=f"compute_{split}_embedding_features",
                tags=[split, "per_battle"],
            ),
            Node(
                compute_reward_features,
                inputs=[f"{split}_battles", f"{split}_response_scores", "embedding_models"],
                outputs=f"{split}_reward_features",
                name=f"compute_{split}_reward_features",
                tags=[split, "per_battle"],
            ),
        ]
    if "train" in splits:
        nodes += [
            Node(
                record_models,
                inputs=["train_text_embeddings", "train_response_scores", "params:embedding"],
                outputs="embedding_models",
                name="record_models",
                tags="train",
            ),
            Node(
                fit_embedding_projection,
                inputs=["train_sampled_battles", "train_text_embeddings", "embedding_models", "params:embedding"],
                outputs="embedding_projection",
                name="fit_embedding_projection",
                tags="train",
            ),
        ]
    return Pipeline(nodes, namespace="embedding", prefix_datasets_with_namespace=False)
