"""Kedro's settings for this project."""

from arena_preference.datasets import AtomicWriteHooks
from arena_preference.lineage.hooks import LineageHooks
from arena_preference.presets import CONFIG_PATTERNS, PresetHooks
from arena_preference.run_checks import FolderHooks, OutputHooks, ParameterHooks
from arena_preference.run_summary import SummaryHooks

# Kedro calls the last one first: parameters and folders are checked before presets are merged, and outputs before the
# manifest is written. The summary reads the manifest.
HOOKS = (
    SummaryHooks(),
    LineageHooks(distribution="arena-preference", metrics="metrics"),
    OutputHooks(),
    PresetHooks(),
    FolderHooks(),
    ParameterHooks(),
    AtomicWriteHooks(),
)

CONFIG_LOADER_ARGS = {
    "config_patterns": CONFIG_PATTERNS,
    "base_env": "base",
    "default_run_env": "local",
    # An environment states only the parameters that differ, at any depth; the rest comes from base.
    "merge_strategy": {"parameters": "soft"},
}
