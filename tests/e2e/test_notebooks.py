"""The notebooks: committed without outputs, and executed on what a run has stored."""

import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import numpy.typing as npt
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


@pytest.mark.slow
def test_explore_battles_runs_without_a_warning_and_its_ratings_are_those_of_another_library(
    check_out, raw_dir: Path, tmp_path: Path
) -> None:
    folder = check_out(tmp_path / "project") / "notebooks"
    notebook = nbformat.read(folder / "explore_battles.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print(plain.to_json())"))
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()

    *outputs, printed = list_outputs(notebook)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 6
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    assert [text for text in texts if "warn" in text.lower()] == []

    ratings = pd.DataFrame(json.loads(printed.text))
    assert (ratings["low"] < ratings["value"]).all()
    assert (ratings["value"] < ratings["high"]).all()
    np.testing.assert_allclose(ratings["value"], rate_chatbots(raw_dir, ratings.index.to_numpy()), atol=0.1)


def rate_chatbots(raw_dir: Path, names: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Fit Bradley-Terry ratings with scikit-learn, which knows no half wins: each battle is won and lost in shares."""
    battles = pd.read_csv(raw_dir / "train.csv", usecols=["model_a", "model_b", "winner_model_a", "winner_tie"])
    of_a, of_b = (np.equal.outer(battles[side].to_numpy(), names).astype(float) for side in ("model_a", "model_b"))
    design = np.vstack([np.column_stack([of_a - of_b, np.ones(len(battles))]), np.eye(len(names), len(names) + 1)])
    wins = np.concatenate([battles["winner_model_a"] + battles["winner_tie"] / 2, np.full(len(names), 0.5)])
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8, max_iter=1000)
    model.fit(np.tile(design, (2, 1)), np.repeat([1, 0], len(wins)), sample_weight=np.concatenate([wins, 1 - wins]))
    strengths = model.coef_[0, : len(names)]
    return 1000 + 400 / np.log(10) * (strengths - strengths.mean())
