"""Kedro's settings for this project."""

from arena_preference.lineage.hooks import LineageHooks
from arena_preference.run_checks import OutputHooks, ParameterHooks

# The last one is asked first: whether outputs can be written is known before the manifest is.
HOOKS = (LineageHooks(distribution="arena-preference", metrics="metrics"), OutputHooks(), ParameterHooks())

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment states only the parameters that differ, at any depth; the rest comes from base.
    "merge_strategy": {"parameters": "soft"},
}
