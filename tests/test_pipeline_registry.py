"""The pipelines together: stages, splits and the catalog behind them."""

from pathlib import Path

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import CatalogConfigResolver
from kedro.pipeline import Pipeline

from arena_preference.pipeline_registry import list_pipelines

PROJECT = Path(__file__).parents[1]
STAGES = ["ingestion", "features", "embedding", "finetuning", "modelling", "reporting", "submission"]
FOLDERS = {
    "raw": "01_raw",
    "intermediate": "02_intermediate",
    "feature": "04_feature",
    "model_input": "05_model_input",
    "models": "06_models",
    "model_output": "07_model_output",
    "reporting": "08_reporting",
}


@pytest.fixture(scope="module")
def registered() -> dict[str, Pipeline]:
    bootstrap_project(PROJECT)
    return dict(pipelines)


@pytest.fixture(scope="module")
def catalog() -> CatalogConfigResolver:
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT) as session:
        return CatalogConfigResolver(session.load_context().config_loader["catalog"])


def test_the_default_run_is_the_seven_stages_and_data_flows_from_each_to_later_ones(
    registered: dict[str, Pipeline],
) -> None:
    default = registered["__default__"]
    assert {node.namespace for node in default.nodes} == set(STAGES)
    made_by = {output: node.namespace for node in default.nodes for output in node.outputs}
    passed = {(made_by[name], node.namespace) for node in default.nodes for name in node.inputs if name in made_by}
    assert [(a, b) for a, b in passed if STAGES.index(a) > STAGES.index(b)] == []


def test_the_names_are_known_without_importing_a_pipeline(registered: dict[str, Pipeline]) -> None:
    assert sorted(list_pipelines()) == sorted(registered)


def test_a_node_has_at_most_six_inputs(registered: dict[str, Pipeline]) -> None:
    assert {node.name for pipeline in registered.values() for node in pipeline.nodes if len(node.inputs) > 6} == set()


@pytest.mark.parametrize("stage", STAGES[:5])
def test_a_stage_runs_both_splits_and_a_tag_selects_one(registered: dict[str, Pipeline], stage: str) -> None:
    by_split = [set(registered[stage].only_nodes_with_tags(split).nodes) for split in ("train", "test")]
    assert all(by_split)
    assert by_split[0].isdisjoint(by_split[1])
    assert by_split[0] | by_split[1] == set(registered[stage].nodes)


def test_submission_is_the_test_split_of_all_stages_and_reads_no_training_file(registered: dict[str, Pipeline]) -> None:
    submission = registered["submission"]
    assert {node.namespace for node in submission.nodes} == {*STAGES[:5], "submission"}
    assert all("test" in node.tags for node in submission.nodes)
    raw = {name for name in submission.inputs() if "raw" in name}
    assert raw == {"test_raw_battles"}


def test_a_student_starts_from_the_battles_and_labels_of_a_stored_run(registered: dict[str, Pipeline]) -> None:
    student = registered["student"]
    assert student.inputs() >= {"train_battles", "test_battles", "labels", "soft_labels"}
    assert not {"train_raw_battles", "test_raw_battles"} & student.inputs()
    # What submission with the student needs.
    needed = {name for name in registered["submission"].inputs() if not name.startswith("params:")}
    from_elsewhere = {"test_raw_battles", "cross_encoder_store", "embedding_store", "labels"}
    assert needed - from_elsewhere <= student.all_outputs()


def test_every_dataset_has_an_entry_whose_folder_is_its_layer(
    registered: dict[str, Pipeline], catalog: CatalogConfigResolver
) -> None:
    names = {name for pipeline in registered.values() for name in pipeline.datasets() if not name.startswith("params:")}
    misplaced = {}
    for name in sorted(names):
        entry = catalog.resolve_pattern(name)
        layer = entry["metadata"]["kedro-viz"]["layer"]
        if FOLDERS[layer] not in Path(entry["filepath"]).parts:
            misplaced[name] = entry["filepath"]
    assert misplaced == {}


def test_layers_follow_the_flow_as_kedro_viz_needs_to_show_them(
    registered: dict[str, Pipeline], catalog: CatalogConfigResolver
) -> None:
    def find_layer(name: str) -> int:
        return list(FOLDERS).index(catalog.resolve_pattern(name)["metadata"]["kedro-viz"]["layer"])

    backwards = []
    for node in registered["__default__"].nodes:
        inputs = {name: find_layer(name) for name in node.inputs if not name.startswith("params:")}
        backwards += [(name, output) for output in node.outputs for name in inputs if inputs[name] > find_layer(output)]
    assert backwards == []
