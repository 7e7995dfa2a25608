"""Wiring of the pipeline ``embedding``."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from arena_preference.battles import SPLITS

from .nodes import (
    compute_embedding_features,
    compute_reward_features,
    describe_encoder,
    describe_reward_model,
    embed_texts,
    fit_embedding_projection,
    score_responses,
)


def create_pipeline(splits: Sequence[str] = SPLITS) -> Pipeline:
    """Battles to embeddings, reward scores and the features made of them; ``train`` also records which models ran.

    On ``test`` those records are inputs, so that both splits are described by the same models.
    """
    nodes = _record_models() if "train" in splits else []
    for split in splits:
        nodes += _run_models(split) + _compute_features(split)
    return Pipeline(nodes, namespace="embedding", prefix_datasets_with_namespace=False)


def _run_models(split: str) -> list[Node]:
    encoder, reward_model = (["encoder"], ["reward_model"]) if split == "test" else ([], [])
    return [
        Node(
            embed_texts,
            inputs=[f"{split}.battles", "embedding_store", "params:embedding", *encoder],
            outputs=f"{split}.text_embeddings",
            name=f"embed_{split}_texts",
            tags=[split, "gpu", "per_battle"],
        ),
        Node(
            score_responses,
            inputs=[f"{split}.battles", "embedding_store", "params:embedding", *reward_model],
            outputs=f"{split}.response_scores",
            name=f"score_{split}_responses",
            tags=[split, "gpu", "per_battle"],
        ),
    ]


def _record_models() -> list[Node]:
    return [
        Node(
            describe_encoder,
            inputs=["train.text_embeddings", "params:embedding"],
            outputs="encoder",
            name="describe_encoder",
            tags="train",
        ),
        Node(
            describe_reward_model,
            inputs=["train.response_scores", "params:embedding"],
            outputs="reward_model",
            name="describe_reward_model",
            tags="train",
        ),
        Node(
            fit_embedding_projection,
            inputs=["train.sampled_battles", "train.text_embeddings", "encoder", "params:embedding"],
            outputs="embedding_projection",
            name="fit_embedding_projection",
            tags="train",
        ),
    ]


def _compute_features(split: str) -> list[Node]:
    return [
        Node(
            compute_embedding_features,
            inputs=[f"{split}.battles", f"{split}.text_embeddings", "encoder", "embedding_projection"],
            outputs=f"{split}.embedding_features",
            name=f"compute_{split}_embedding_features",
            tags=[split, "per_battle"],
        ),
        Node(
            compute_reward_features,
            inputs=[f"{split}.battles", f"{split}.response_scores", "reward_model"],
            outputs=f"{split}.reward_features",
            name=f"compute_{split}_reward_features",
            tags=[split, "per_battle"],
        ),
    ]
