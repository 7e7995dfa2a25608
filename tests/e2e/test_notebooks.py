"""The notebooks: committed without outputs, and executed on what a run has stored."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from sklearn.linear_model import LogisticRegression

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def list_outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert list_outputs(notebook) == []
    assert {cell.execution_count for cell in notebook.cells if cell.cell_type == "code"} == {None}
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory, check_out) -> NotebookNode:
    """The notebook explore_battles as executed in its folder, with its ratings printed by a last cell."""
    folder = check_out(tmp_path_factory.mktemp("explored")) / "notebooks"
    notebook = nbformat.read(folder / "explore_battles.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print(plain.to_json())"))
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    return client.execute()


def test_explore_battles_draws_its_figures_and_warns_of_nothing(explored: NotebookNode) -> None:
    outputs = list_outputs(explored)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 6
    said = [str(output.get("text", output.get("data"))) for output in outputs]
    assert [text for text in said if "warn" in text.lower()] == []


def test_ratings_in_explore_battles_are_those_of_another_library(explored: NotebookNode, raw_dir: Path) -> None:
    ratings = pd.DataFrame(json.loads(explored.cells[-1].outputs[-1].text))
    battles = pd.read_csv(raw_dir / "train.csv", usecols=["model_a", "model_b", "winner_model_a", "winner_tie"])
    names = ratings.index.to_numpy()
    design = np.equal.outer(battles["model_a"], names).astype(float) - np.equal.outer(battles["model_b"], names)
    design = np.column_stack([design, np.ones(len(battles))])
    wins = battles["winner_model_a"] + battles["winner_tie"] / 2
    # Scikit-learn knows no half wins: each battle is once won and once lost, with its share for a weight.
    rows = np.vstack([design, np.eye(len(names), len(names) + 1)])
    shares = np.concatenate([wins, np.full(len(names), 0.5)])
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8, max_iter=1000)
    model.fit(np.vstack([rows, rows]), np.repeat([1, 0], len(rows)), sample_weight=np.concatenate([shares, 1 - shares]))
    strengths = model.coef_[0, : len(names)]
    expected = 1000 + 400 / np.log(10) * (strengths - strengths.mean())
    np.testing.assert_allclose(ratings["value"], expected, atol=0.1)
    assert (ratings["low"] < ratings["value"]).all()
    assert (ratings["value"] < ratings["high"]).all()
