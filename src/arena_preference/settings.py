"""Kedro's settings for this project."""

from arena_preference.hooks import OutputHooks, ParameterHooks
from arena_preference.lineage.hooks import LineageHooks

# The last one is asked first: whether outputs can be written is known before the manifest is.
HOOKS = (LineageHooks(distribution="arena-preference", metrics="metrics"), OutputHooks(), ParameterHooks())

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment states only the parameters that differ, at any depth; the rest comes from base.
    "merge_strategy": {"parameters": "soft"},
}
