"""The demo in the repository is the output of ``kedro run --pipelines=simulation`` with the default parameters."""

from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from arena_preference.pipelines.simulation import create_pipeline
from arena_preference.pipelines.simulation.config import SimulationConfig

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "data/01_raw/demo"
FILES = ("train.csv", "test.csv", "train_truth.csv", "test_truth.csv", "simulation.json")
SMALL = {"battles": 60, "test_battles": 60}


def run(folder, **parameters):
    loader = OmegaConfigLoader(
        conf_source=str(ROOT / "conf"),
        base_env="base",
        default_run_env="local",
        runtime_params={"raw_dir": str(folder)},
    )
    defaults = loader["parameters"]
    catalog = DataCatalog.from_config(loader["catalog"])
    catalog["params:simulation"] = SimulationConfig(**{**defaults["simulation"], **parameters})
    catalog["params:seed"] = defaults["seed"]
    SequentialRunner().run(create_pipeline(), catalog)


@pytest.fixture(scope="module")
def new_demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    run(folder)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_the_committed_demo_is_the_output_of_the_default_parameters(name, new_demo):
    assert (new_demo / name).read_bytes() == (DEMO / name).read_bytes()


def test_the_demo_has_at_most_five_megabytes():
    assert sum((DEMO / name).stat().st_size for name in FILES) <= 5_000_000


def test_a_second_run_into_the_same_folder_writes_the_same_bytes(tmp_path):
    contents = []
    for _ in range(2):
        run(tmp_path, **SMALL)
        contents.append([(tmp_path / name).read_bytes() for name in FILES])
    assert contents[0] == contents[1]


def test_a_run_that_was_killed_before_its_summary_can_be_repeated(tmp_path):
    run(tmp_path, **SMALL)
    (tmp_path / "simulation.json").write_text("{}")
    (tmp_path / "test.csv").unlink()
    run(tmp_path, **SMALL)
    assert (tmp_path / "test.csv").exists()


def test_existing_data_is_not_overwritten(tmp_path):
    (tmp_path / "train.csv").write_text("id\n1\n")
    with pytest.raises(Exception, match=r"train\.csv.*simulation\.json"):
        run(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]
    assert (tmp_path / "train.csv").read_text() == "id\n1\n"
