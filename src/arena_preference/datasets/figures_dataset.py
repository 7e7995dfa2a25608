"""Several named figures as one dataset."""

import base64
import io
from dataclasses import dataclass
from html import escape
from pathlib import PurePosixPath

from kedro.io.core import get_filepath_str
from kedro_datasets._typing import HTMLPreview
from kedro_datasets.matplotlib import MatplotlibDataset
from matplotlib.figure import Figure
from PIL import Image

from .atomic_write import temporary_path

_TITLE = "Title"


@dataclass(frozen=True)
class StoredFigure:
    """A figure as PNG that contains its title."""

    png: bytes

    @classmethod
    def render(cls, figure: Figure) -> "StoredFigure":
        """Return the PNG of a figure, with its suptitle as a text chunk."""
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={_TITLE: " ".join(figure.get_suptitle().split())})
        return cls(content.getvalue())

    @property
    def title(self) -> str:
        """The figure's title on one line."""
        with Image.open(io.BytesIO(self.png)) as image:
            return str(image.info.get(_TITLE, ""))

    @property
    def data_url(self) -> str:
        """The PNG as the ``src`` of an HTML image."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


class FiguresDataset(MatplotlibDataset):
    """Saves ``{name: Figure}`` as a folder of PNGs, atomically, and loads ``{name: StoredFigure}``.

    ### Example usage for the YAML API

        figures:
          type: arena_preference.datasets.FiguresDataset
          filepath: data/08_reporting/figures
          versioned: true

    ### Example usage for the Python API

        >>> figure = Figure()
        >>> _ = figure.suptitle("Log loss 0.98")
        >>> dataset = FiguresDataset(filepath=str(tmp_path / "figures"))
        >>> dataset.save({"scores": figure})
        >>> dataset.load()["scores"].title
        'Log loss 0.98'
    """

    def save(self, data: dict[str, Figure]) -> None:
        """Write the figures to a temporary folder, and rename it after the last one."""
        path = get_filepath_str(self._get_save_path(), self._protocol)
        with temporary_path(self._fs, path, recursive=True) as temporary:
            for name, figure in data.items():
                with self._fs.open(f"{temporary}/{name}.png", "wb") as file:
                    file.write(StoredFigure.render(figure).png)
            if self._fs.exists(path):
                self._fs.rm(path, recursive=True)
        self._invalidate_cache()

    def load(self) -> dict[str, StoredFigure]:
        """Return the figures by name, in alphabetical order."""
        path = get_filepath_str(self._get_load_path(), self._protocol)
        files = sorted(self._fs.ls(path, detail=False))
        return {PurePosixPath(file).stem: StoredFigure(self._fs.cat_file(file)) for file in files}

    def preview(self) -> HTMLPreview:
        """Return all figures, one below the other, for Kedro-Viz."""
        image = '<p><img alt="{}" src="{}" width="100%"></p>'
        return HTMLPreview("".join(image.format(escape(each.title), each.data_url) for each in self.load().values()))
