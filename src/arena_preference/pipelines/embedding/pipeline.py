"""Wiring of the pipeline ``embedding``."""

from kedro.pipeline import Node, Pipeline

from .nodes import (
    compute_embedding_features,
    compute_reward_features,
    describe_encoder,
    describe_reward_model,
    embed_texts,
    fit_embedding_projection,
    score_answers,
)


def create_pipeline(split: str = "train") -> Pipeline:
    """Embed the texts and score the answers of a split, and describe its battles; ``train`` fixes the models.

    On ``test`` the two models are inputs: they are those of training, and in a run that does both, train comes first.
    """
    describe_battles = [
        Node(
            compute_embedding_features,
            inputs=["battles", "text_embeddings", "encoder", "embedding_projection"],
            outputs="embedding_features",
            tags="per_battle",
            name="compute_embedding_features",
        ),
        Node(
            compute_reward_features,
            inputs=["battles", "answer_scores", "reward_model"],
            outputs="reward_features",
            tags="per_battle",
            name="compute_reward_features",
        ),
    ]
    # Only on test is there a trained model to compare with.
    trained_encoder, trained_reward_model = (["encoder"], ["reward_model"]) if split == "test" else ([], [])
    run_models = [
        Node(
            embed_texts,
            inputs=["battles", "embedding_store", "params:embedding", *trained_encoder],
            outputs="text_embeddings",
            name="embed_texts",
            tags={"gpu", "per_battle"},
        ),
        Node(
            score_answers,
            inputs=["battles", "embedding_store", "params:embedding", *trained_reward_model],
            outputs="answer_scores",
            name="score_answers",
            tags={"gpu", "per_battle"},
        ),
    ]
    fixed = {"encoder", "reward_model", "embedding_projection"}
    if split == "test":
        return Pipeline(
            [*run_models, *describe_battles],
            namespace=split,
            inputs={"embedding_store", *fixed},
            parameters="embedding",
        )
    fix_models = [
        Node(
            describe_encoder,
            inputs=["text_embeddings", "params:embedding"],
            outputs="encoder",
            name="describe_encoder",
        ),
        Node(
            describe_reward_model,
            inputs=["answer_scores", "params:embedding"],
            outputs="reward_model",
            name="describe_reward_model",
        ),
        Node(
            fit_embedding_projection,
            inputs=["sampled_battles", "text_embeddings", "encoder", "params:embedding"],
            outputs="embedding_projection",
            name="fit_embedding_projection",
        ),
    ]
    return Pipeline(
        [*run_models, *fix_models, *describe_battles],
        namespace=split,
        inputs="embedding_store",
        outputs=fixed,
        parameters="embedding",
    )
