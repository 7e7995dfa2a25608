"""Checks before a run starts, and an explanation if it fills the disk."""

import errno
import logging
import tempfile
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import settings
from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

# The folders that a run reads and writes, which globals.yml names.
_FOLDERS: Final = ("raw_dir", "data_root")
#: Keys of --params that are not parameters: these folders, and files in place of train.* and test.* in ``raw_dir``.
RUN_KEYS: Final = (*_FOLDERS, "train_path", "test_path")

_RAW_BATTLES: Final = {"train_raw_battles", "test_raw_battles"}
# scikit-learn accepts no other seeds.
_SEEDS: Final = range(2**32)
_DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class ParameterHooks:
    """Rejects unknown parameters and invalid seeds; Kedro itself accepts any name at the top level."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Compare --params with the parameters of the configuration, at any depth.

        Raises:
            ValueError: If a name is unknown, or the seed is not an integer from 0 to 2**32 - 1.
        """
        loader = context.config_loader
        given = loader.runtime_params
        if given:
            configured = type(loader)(conf_source=loader.conf_source, env=loader.env, **settings.CONFIG_LOADER_ARGS)
            unknown = list(_find_unknown(given, {**dict.fromkeys(RUN_KEYS), **configured["parameters"]}))
            if unknown:
                raise ValueError(" ".join([*unknown, "All parameters are in conf/base/parameters*.yml."]))
        seed = loader["parameters"].get("seed", 0)
        if type(seed) is not int or seed not in _SEEDS:
            raise ValueError(
                f"The parameter seed is {seed!r}, but has to be an integer from 0 to {_SEEDS[-1]}. Set "
                "--params=seed=0, or seed in conf/base/parameters.yml."
            )


class FolderHooks:
    """Checks the paths of what a run reads and writes."""

    _given: set[str]

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Expand ``~`` in --params and globals.yml, before the catalog uses them.

        Raises:
            ValueError: If a path is empty, or not a text.
        """
        loader = context.config_loader
        self._given = set(loader.runtime_params)
        for name in (*_FOLDERS, *(loader.runtime_params.keys() & set(RUN_KEYS) - set(_FOLDERS))):
            given = loader.runtime_params.get(name, loader["globals"].get(name))
            folder = _expand_folder(name, given)
            if folder != given:
                loader.runtime_params[name] = folder

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Check that a file of one's own does not meet the default file of the other split.

        Raises:
            ValueError: If only one of ``train_path`` and ``test_path`` is given to a run that reads both.
        """
        paths = {"train_path", "test_path"}
        missing = paths - self._given
        if len(missing) == 1 and "raw_dir" not in self._given and pipeline.inputs() >= _RAW_BATTLES:
            raise ValueError(
                f"--params has {(paths - missing).pop()} and no {missing.pop()}, so the other file would be the "
                "default one. Name it too, or run one split with --tags=train or --tags=test."
            )


class OutputHooks:
    """Explains why outputs cannot be written, before the first node or when the disk is full."""

    _data_root: str

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember where this run writes."""
        loader = context.config_loader
        data_root = str(loader.runtime_params.get("data_root") or loader["globals"]["data_root"])
        # As in the catalog, a relative path starts from the project's folder.
        self._data_root = data_root if "://" in data_root else str(context.project_path / data_root)

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Check that a file can be created below ``data_root``; other machines' filesystems are not checked.

        Raises:
            ValueError: If the folder is not writable.
        """
        if "://" in self._data_root:
            return
        folder = Path(self._data_root)
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        try:
            tempfile.TemporaryFile(dir=nearest).close()
        except OSError as reason:
            raise ValueError(
                f"Outputs cannot be written below '{folder}' ({reason.strerror}: {nearest}). Choose another folder "
                "with --params=data_root=DIR, or make this one writable."
            ) from reason

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Log what to do about a full disk."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno in _DISK_FULL:
                logger.error(
                    "The disk of '%s' is full, and the file that was being written does not exist. Free some space, or "
                    "write elsewhere with --params=data_root=DIR (raw data: raw_dir=DIR), and start the run again; "
                    "texts that were embedded are not embedded again.",
                    self._data_root,
                )
                return
            # An error that was raised `from None` has no cause.
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _expand_folder(name: str, folder: Any) -> str:
    """Return a path as text, with ``~`` expanded."""
    path = str(folder) if isinstance(folder, str | Path) else ""
    if path.strip().lower() in ("", "null", "none"):
        raise ValueError(
            f"{name} is {folder!r}, but has to be a path. Set --params={name}=PATH, or a folder in "
            "conf/*/globals.yml; there, a name that YAML reads as something else than text needs quotes, such as '007'."
        )
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError as reason:
        raise ValueError(f"{name} is '{path}', but there is no such user. Write ./{path} for a folder.") from reason


def _find_unknown(given: Mapping[str, Any], known: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield a sentence per unknown name. Any name is valid below an empty mapping or a null of the configuration."""
    for name, value in given.items():
        path = f"{prefix}{name}"
        if name not in known:
            matches = get_close_matches(str(name), map(str, known), n=1)
            hint = f" Did you mean '{prefix}{matches[0]}'?" if matches else ""
            yield f"Unknown parameter '{path}'.{hint}"
        elif isinstance(known[name], Mapping) and known[name]:
            if isinstance(value, Mapping):
                yield from _find_unknown(value, known[name], f"{path}.")
            else:
                yield f"'{path}' is {value!r}, but it is a group of parameters: {', '.join(map(str, known[name]))}."
