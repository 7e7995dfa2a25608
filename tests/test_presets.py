"""Presets of models, with any environment."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from pydantic import ValidationError

from arena_preference.pipelines.embedding.config import EmbeddingConfig
from arena_preference.pipelines.finetuning.config import FinetuningConfig
from arena_preference.run_copy import copy_models

PROJECT = Path(__file__).parents[1]
PRESETS = {
    stage: sorted(path.stem for path in (PROJECT / "conf" / "base" / "presets" / stage).iterdir())
    for stage in ("embedding", "finetuning")
}
CONFIGS = {"embedding": EmbeddingConfig, "finetuning": FinetuningConfig}


@pytest.fixture(scope="module", autouse=True)
def project() -> None:
    bootstrap_project(PROJECT)


def load(env: str | None = None, conf_source: Path | str | None = None, **params: Any) -> dict[str, Any]:
    """The parameters that nodes, manifests and bundles get."""
    with KedroSession.create(PROJECT, env=env, conf_source=conf_source, runtime_params=params) as session:
        return session.load_context().config_loader["parameters"]


load_plain = cache(load)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A copy of the configuration."""
    return shutil.copytree(PROJECT / "conf", tmp_path / "conf")


@pytest.mark.parametrize("env", ["kaggle", "cluster", "test"])
@pytest.mark.parametrize(("stage", "preset"), [(stage, preset) for stage in PRESETS for preset in PRESETS[stage]])
def test_every_preset_works_in_every_environment(env: str, stage: str, preset: str) -> None:
    plain, parameters = load_plain(env), load(env, **{stage: {"preset": preset}})
    config = CONFIGS[stage](**parameters[stage])
    assert config != CONFIGS[stage](**plain[stage])
    assert config.preset == preset
    assert {name: value for name, value in parameters.items() if name != stage} == {
        name: value for name, value in plain.items() if name != stage
    }
    # A commit, so that what is fetched is what was meant.
    models = [config] if stage == "finetuning" else [config.encoder, config.reward_model]
    assert all(len(model.revision or "") == 40 for model in models)


@pytest.mark.parametrize("preset", PRESETS["finetuning"])
def test_a_battle_of_the_longest_inputs_fits_on_a_device(preset: str) -> None:
    config = FinetuningConfig(**load(finetuning={"preset": preset})["finetuning"])
    assert config.device.tokens >= config.training_orders * config.input.max_tokens


def test_params_override_the_preset_that_overrides_the_environment_that_overrides_base(conf: Path) -> None:
    env = {"embedding": {"inference": {"workers": 3}, "encoder": {"max_tokens": 5, "model": "of-env"}}}
    (conf / "local" / "parameters.yml").write_text(yaml.safe_dump(env))
    base = load("base", conf)["embedding"]
    embedding = load("local", conf, embedding={"preset": "qwen3", "encoder": {"max_tokens": 9}})["embedding"]
    assert embedding["encoder"]["max_tokens"] == 9
    assert embedding["encoder"]["model"] == "Qwen/Qwen3-Embedding-0.6B"
    assert embedding["inference"] == {**base["inference"], "workers": 3}


def test_an_environment_may_choose_a_preset_and_have_its_own(conf: Path) -> None:
    (conf / "local" / "parameters.yml").write_text("finetuning: {preset: mine}")
    (conf / "local" / "presets" / "finetuning").mkdir(parents=True)
    (conf / "local" / "presets" / "finetuning" / "mine.yml").write_text("mine: {enabled: true, model: my-model}")
    finetuning = load("local", conf)["finetuning"]
    assert (finetuning["enabled"], finetuning["model"]) == (True, "my-model")


@pytest.mark.parametrize("kind", ["gztar", "zip"])
def test_presets_are_found_in_a_packaged_configuration(kind: str, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "conf"), kind, PROJECT, "conf")
    assert load("base", archive, finetuning={"preset": "gemma"}) == load("base", finetuning={"preset": "gemma"})


@pytest.mark.parametrize("preset", ["debarta", 3, {"deberta": 1}], ids=str)
def test_an_unknown_preset_is_an_error_that_lists_them(preset: Any) -> None:
    with pytest.raises(ValueError, match=rf"finetuning\.preset.*{', '.join(PRESETS['finetuning'])}"):
        load(finetuning={"preset": preset})


def test_a_misspelt_name_in_a_preset_is_an_error(conf: Path) -> None:
    path = conf / "base" / "presets" / "finetuning" / "gemma.yml"
    path.write_text(path.read_text().replace("learning_rate", "lerning_rate"))
    parameters = load("base", conf, finetuning={"preset": "gemma"})
    with pytest.raises(ValidationError, match=r"training\.lerning_rate"):
        FinetuningConfig(**parameters["finetuning"])


def test_an_unknown_parameter_with_a_preset_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"finetuning\.methd.*finetuning\.method"):
        load(finetuning={"preset": "gemma", "methd": "full"})


def test_a_bundle_has_the_values_of_a_preset_and_not_its_name(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").touch()
    params = {"preset": "deberta", "model": str(model), "revision": None}
    bundled = copy_models(load(finetuning=params, embedding={"encoder": {"enabled": False}}), tmp_path / "bundle")
    assert bundled["finetuning"]["preset"] is None
    assert bundled["finetuning"]["model"] == "models/finetuning"
    assert bundled["finetuning"]["method"] == "lora"
