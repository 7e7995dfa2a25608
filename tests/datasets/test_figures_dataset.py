import io
from pathlib import Path

import numpy as np
import pytest
from kedro.io.core import DatasetError, Version
from matplotlib.figure import Figure
from PIL import Image

from arena_preference.datasets import FiguresDataset


def draw(title: str) -> Figure:
    figure = Figure(figsize=(2, 1), dpi=50)
    figure.suptitle(title)
    return figure


def test_figures_are_loaded_by_name_with_their_titles(tmp_path: Path) -> None:
    dataset = FiguresDataset(filepath=str(tmp_path / "figures"))
    dataset.save({"scores": draw("log loss\n0.9 < 1"), "bias": draw("Größe × Ωμέγα")})
    loaded = dataset.load()
    assert {name: figure.title for name, figure in loaded.items()} == {
        "bias": "Größe × Ωμέγα",
        "scores": "log loss 0.9 < 1",
    }
    assert np.asarray(Image.open(io.BytesIO(loaded["bias"].png))).shape[:2] == (50, 100)
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["bias.png", "scores.png"]


def test_the_preview_holds_every_figure_and_escapes_titles(tmp_path: Path) -> None:
    dataset = FiguresDataset(filepath=str(tmp_path / "figures"))
    dataset.save({"one": draw('<b>"1"'), "two": draw("2")})
    preview = dataset.preview()
    assert preview.count("data:image/png;base64,iVBOR") == 2
    assert "<b>" not in preview


def test_each_version_has_a_folder_and_the_newest_is_loaded(tmp_path: Path) -> None:
    path = str(tmp_path / "figures")
    for version in ("1", "2"):
        FiguresDataset(filepath=path, version=Version(None, version)).save({"one": draw(version)})
    assert (tmp_path / "figures/1/figures/one.png").is_file()
    newest = FiguresDataset(filepath=path, version=Version(None, None))
    assert newest.exists()
    assert newest.load()["one"].title == "2"
    assert not FiguresDataset(filepath=str(tmp_path / "other"), version=Version(None, None)).exists()


def test_a_second_save_replaces_all_figures(tmp_path: Path) -> None:
    dataset = FiguresDataset(filepath=str(tmp_path / "figures"))
    dataset.save({"old": draw("old")})
    dataset.save({"new": draw("new")})
    assert list(dataset.load()) == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]


def test_a_save_that_fails_leaves_the_old_figures_and_no_temporary_folder(tmp_path: Path) -> None:
    dataset = FiguresDataset(filepath=str(tmp_path / "figures"))
    dataset.save({"one": draw("old")})
    with pytest.raises(DatasetError):
        dataset.save({"one": draw("new"), "two": None})
    assert {name: figure.title for name, figure in dataset.load().items()} == {"one": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]
