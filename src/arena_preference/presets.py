"""Presets: named parameters of a model, chosen with ``--params=<stage>.preset=<name>`` in any environment."""

from typing import Final

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from omegaconf import OmegaConf

#: Stages with the parameter ``preset``.
STAGES: Final = ("embedding", "finetuning")

#: For the config loader. Each file has one key, the preset's name, with the parameters of the stage that it sets.
CONFIG_PATTERNS: Final = {f"{stage}_presets": [f"presets/{stage}/*"] for stage in STAGES}


class PresetHooks:
    """Merges presets into the parameters: nodes, manifests and bundles get the effective values."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Merge, in ascending order of precedence: base, environment, presets, --params.

        Raises:
            ValueError: If a stage has no preset of this name.
        """
        loader = context.config_loader
        parameters = loader["parameters"]
        overrides = {}
        for stage in STAGES:
            name = parameters.get(stage, {}).get("preset")
            if name is None:
                continue
            presets = loader[f"{stage}_presets"]
            if str(name) not in presets:
                raise ValueError(
                    f"{stage}.preset is {name!r}; the presets are {', '.join(sorted(presets))}. Choose one of them, or "
                    f"add a file to conf/base/presets/{stage}."
                )
            overrides[stage] = presets[name]
        if overrides:
            merged = OmegaConf.unsafe_merge(parameters, overrides, loader.runtime_params)
            loader["parameters"] = OmegaConf.to_container(merged, resolve=True)
