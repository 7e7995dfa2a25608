"""Wiring of the pipeline ``submission``: the other rooms on the split ``test``, then the file."""

from kedro.pipeline import Node, Pipeline

from arena_preference.pipelines import embedding, features, finetuning, ingestion, modelling

from .nodes import make_submission


def create_pipeline() -> Pipeline:
    """From the raw test file and what training stored to the submission."""
    check = Node(
        make_submission,
        inputs=["predictions", "raw_ids"],
        outputs="submission",
        name="make_submission",
    )
    return Pipeline(
        [
            ingestion.create_pipeline(split="test"),
            features.create_pipeline(split="test"),
            embedding.create_pipeline(split="test"),
            finetuning.create_pipeline(split="test"),
            modelling.create_pipeline(split="test"),
            Pipeline([check], namespace="test", outputs="submission"),
        ]
    )
