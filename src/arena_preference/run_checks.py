"""What is checked before a run begins, and what is said when it could not write its outputs."""

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

logger = logging.getLogger(__name__)

#: Keys of --params that are no parameters: they say where a run reads and writes.
RUN_KEYS: Final = ("raw_dir", "data_root")

# scikit-learn takes no other seeds.
_SEEDS: Final = range(2**32)
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class ParameterHooks:
    """Refuses names that no parameter has and a seed that is none; Kedro itself takes any name at the top level."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Compare what was given with --params with the parameters of the configuration, at any depth.

        Raises:
            ValueError: If a name is unknown, or the seed is not a whole number from 0 on.
        """
        loader = context.config_loader
        given = loader.runtime_params
        if given:
            configured = type(loader)(conf_source=loader.conf_source, env=loader.env, **settings.CONFIG_LOADER_ARGS)
            known = {**dict.fromkeys(RUN_KEYS), **configured["parameters"]}
            unknown = list(_find_unknown(given, known))
            if unknown:
                raise ValueError(" ".join([*unknown, "What there is stands in conf/base/parameters*.yml."]))
        seed = loader["parameters"].get("seed", 0)
        if type(seed) is not int or seed not in _SEEDS:
            raise ValueError(
                f"The parameter seed is {seed!r}, and it has to be a whole number from 0 to {_SEEDS[-1]}. Set "
                "--params=seed=0, or seed in conf/base/parameters.yml."
            )


class OutputHooks:
    """Says in words where outputs cannot go: before the first node, or when the disk becomes full."""

    def __init__(self) -> None:
        self._data_root = ""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Note where this run is to write."""
        loader = context.config_loader
        data_root = str(loader.runtime_params.get("data_root") or loader["globals"]["data_root"])
        # As the catalog does it: a relative folder is one of the project's, wherever the command is typed.
        self._data_root = data_root if "://" in data_root else str(context.project_path / data_root)

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Try whether a file can be made below ``data_root``.

        Raises:
            ValueError: If not.
        """
        # Storages on other machines answer for themselves.
        if "://" in self._data_root:
            return
        folder = Path(self._data_root)
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        try:
            # It leaves nothing behind, and no folder is made yet.
            with tempfile.TemporaryFile(dir=nearest):
                return
        except OSError as reason:
            raise ValueError(
                f"Outputs cannot be written below '{folder}' ({reason.strerror}: {nearest}). Give another folder with "
                "--params=data_root=DIR, or make this one writable."
            ) from reason

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Say what to do about a full disk."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno in _FULL:
                logger.error(
                    "There is no room left below '%s', and what was being written is not there. Make room, or send "
                    "outputs elsewhere with --params=data_root=DIR (raw data: raw_dir=DIR), and start the run again; "
                    "texts that were embedded are not embedded again.",
                    self._data_root,
                )
                return
            # What was raised `from None` speaks for itself.
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _find_unknown(given: Mapping[str, Any], known: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Give a sentence for each name that is not known. Where the configuration has no names, any may stand."""
    for name, value in given.items():
        path = f"{prefix}{name}"
        if name not in known:
            likely = get_close_matches(str(name), map(str, known), n=1)
            hint = f" Did you mean '{prefix}{likely[0]}'?" if likely else ""
            yield f"There is no parameter '{path}'.{hint}"
        elif isinstance(known[name], Mapping) and known[name]:
            if isinstance(value, Mapping):
                yield from _find_unknown(value, known[name], f"{path}.")
            else:
                yield f"'{path}' is {value!r}, but it is a group of parameters: {', '.join(map(str, known[name]))}."
