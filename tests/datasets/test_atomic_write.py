"""Files appear complete or not at all, whichever dataset writes them."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fsspec.implementations.local import LocalFileSystem
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from kedro.io.core import DatasetError, parse_dataset_definition
from kedro.pipeline import Pipeline, node
from kedro_datasets.partitions import PartitionedDataset
from matplotlib.figure import Figure

from arena_preference import settings
from arena_preference.datasets import AtomicWriteHooks
from arena_preference.datasets.atomic_write import AtomicFileSystem, atomic_write

CONF = Path(__file__).parents[2] / "conf"
TABLE = pd.DataFrame({"id": [1]})
STOCK: dict[str, Any] = {
    "pandas.CSVDataset": TABLE,
    "pandas.JSONDataset": TABLE,
    "pandas.ParquetDataset": TABLE,
    "json.JSONDataset": {"log_loss": 1.0},
    "text.TextDataset": "a page",
    "yaml.YAMLDataset": {"modelling": {"depth": 5}},
    "matplotlib.MatplotlibDataset": Figure(figsize=(1, 1)),
}


def make_catalog(filepath: Path | str, kind: str = "json.JSONDataset") -> DataCatalog:
    """Return a catalog with the dataset ``made``, prepared as before a run."""
    catalog = DataCatalog.from_config({"{name}": {"type": kind, "filepath": str(filepath)}})
    AtomicWriteHooks().before_pipeline_run(Pipeline([node(len, "given", "made", name="make")]), catalog)
    return catalog


def save_on_a_full_disk(catalog: DataCatalog, data: Any) -> str:
    """Save where the last step before the rename fails; return the error."""

    def fail(_: int) -> None:
        raise OSError("no space left")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(DatasetError) as error:
            catalog.save("made", data)
    return str(error.value)


@pytest.mark.parametrize("kind", STOCK)
def test_a_dataset_of_kedro_datasets_keeps_its_old_file_when_a_save_fails(tmp_path: Path, kind: str) -> None:
    catalog = make_catalog(tmp_path / "file", kind)
    catalog.save("made", STOCK[kind])
    before = (tmp_path / "file").read_bytes()
    assert before
    assert "no space left" in save_on_a_full_disk(catalog, STOCK[kind])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == before


@pytest.mark.parametrize("kind", STOCK)
def test_a_dataset_of_kedro_datasets_leaves_nothing_when_its_first_save_fails(tmp_path: Path, kind: str) -> None:
    assert "no space left" in save_on_a_full_disk(make_catalog(tmp_path / "file", kind), STOCK[kind])
    assert list(tmp_path.iterdir()) == []


WORKER = """
import os, pickle, sys
catalog = pickle.load(sys.stdin.buffer)
if sys.argv[1] == "full":
    os.fsync = lambda _: sys.exit("no space left")
catalog.save("made", {})
"""


def test_a_worker_process_without_hooks_also_writes_atomically(tmp_path: Path) -> None:
    catalog = pickle.dumps(make_catalog(tmp_path / "file"))
    command = [sys.executable, "-c", WORKER]
    assert b"no space left" in subprocess.run([*command, "full"], input=catalog, capture_output=True).stderr
    assert list(tmp_path.iterdir()) == []
    subprocess.run([*command, "free"], input=catalog, check=True)
    assert (tmp_path / "file").read_text() == "{}"


def test_every_stock_dataset_of_the_catalog_is_tested_here() -> None:
    loader = OmegaConfigLoader(str(CONF), base_env="base", default_run_env="test")
    kinds = {parse_dataset_definition(entry)[0] for entry in loader["catalog"].values()}
    # Lineage writes the manifests of `runs` itself.
    stock = {kind for kind in kinds if not kind.__module__.startswith("arena_preference.")} - {PartitionedDataset}
    assert stock
    assert stock <= {parse_dataset_definition({"type": kind})[0] for kind in STOCK}


def test_the_project_uses_the_hooks() -> None:
    assert any(isinstance(hooks, AtomicWriteHooks) for hooks in settings.HOOKS)


def test_a_dataset_on_a_remote_filesystem_is_saved_and_loaded() -> None:
    catalog = make_catalog("memory://folder/made.json")
    catalog.save("made", {"log_loss": 1.0})
    assert catalog.load("made") == {"log_loss": 1.0}
    assert catalog.exists("made")


def test_text_that_was_written_before_an_error_does_not_appear(tmp_path: Path) -> None:
    def write() -> None:
        with AtomicFileSystem(LocalFileSystem()).open(str(tmp_path / "file"), "w") as file:
            file.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_the_same_file_do_not_mix(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with atomic_write(LocalFileSystem(), path) as one, atomic_write(LocalFileSystem(), path) as other:
        one.write(b"the whole")
        other.write(b"the whole file")
    assert Path(path).read_bytes() == b"the whole"
    assert list(tmp_path.iterdir()) == [Path(path)]


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_writes_leaves_no_file_under_the_name(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from fsspec.implementations.local import LocalFileSystem; "
        "from arena_preference.datasets.atomic_write import atomic_write\n"
        "with atomic_write(LocalFileSystem(), sys.argv[1]) as file:\n"
        "    file.write(b'x' * 10**7); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], check=False)
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
