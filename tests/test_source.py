"""What the whole source keeps to, whatever else it does."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
SOURCES = sorted((PROJECT / "src").rglob("*.py"))

# Each of them can run code that stands in a file.
LOADERS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
FUNCTIONS = {"eval", "exec"}
STOCK_TYPES = {
    "json.JSONDataset",
    "pandas.CSVDataset",
    "pandas.JSONDataset",
    "pandas.ParquetDataset",
    "partitions.PartitionedDataset",
    "text.TextDataset",
    "yaml.YAMLDataset",
}
METHODS = {"read_pickle", "unsafe_load"}


def list_types(entry: object) -> Iterator[str]:
    if isinstance(entry, dict):
        yield from [entry["type"]] if isinstance(entry.get("type"), str) else []
        for value in entry.values():
            yield from list_types(value)


@pytest.mark.parametrize("catalog", sorted(PROJECT.glob("conf/*/catalog*.yml")), ids=lambda path: path.stem)
def test_no_catalog_has_a_type_that_could_load_a_pickle(catalog: Path) -> None:
    text = catalog.read_text()
    assert not [word for word in ("pickle", "joblib", "backend") if word in text.lower()]
    # The project's own types are tested one by one in tests/datasets.
    foreign = {name for name in list_types(yaml.safe_load(text)) if not name.startswith("arena_preference.")}
    assert foreign <= STOCK_TYPES


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_module_can_run_code_out_of_a_file(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not LOADERS & {module.partition(".")[0] for module in modules}
        if isinstance(node, ast.Call):
            # A model has a method eval of its own, which is another thing.
            assert getattr(node.func, "id", "") not in FUNCTIONS
            assert getattr(node.func, "attr", "") not in METHODS
            assert ast.unparse(node.func) != "torch.load"


def test_code_that_comes_with_a_model_is_never_trusted() -> None:
    trusted = [
        keyword
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "trust_remote_code"
    ]
    assert len(trusted) >= 2
    assert all(isinstance(keyword.value, ast.Constant) and keyword.value.value is False for keyword in trusted)
