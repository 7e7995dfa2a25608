import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from arena_preference.pipelines.embedding import encoders
from arena_preference.pipelines.embedding.encoders import EncoderSettings, find_encoder, read_encoder_settings
from arena_preference.pipelines.embedding.options import EmbeddingOptions

carried = pytest.mark.skipif(
    importlib.util.find_spec(encoders.EMBEDDED_PACKAGE) is None, reason="the extra [embedded] is not installed"
)


@pytest.fixture
def hub_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return cache


def fake_package(folder: Path, weights: bytes) -> None:
    model = folder / encoders.EMBEDDED_PACKAGE / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").write_text("raise AssertionError('imported')")
    (model / "model.safetensors").write_bytes(weights)


def test_a_folder_is_taken_as_it_is(mean_encoder: Path) -> None:
    assert find_encoder(str(mean_encoder), None) == mean_encoder


@carried
def test_the_default_encoder_comes_from_the_embedded_package(
    hub_cache: Path, default_options: EmbeddingOptions
) -> None:
    folder = find_encoder(default_options.model, default_options.revision)
    assert folder.parent.name == encoders.EMBEDDED_PACKAGE
    settings = read_encoder_settings(folder, default_options)
    assert settings == EncoderSettings(pooling="mean", normalize=True, max_tokens=256)


def test_the_embedded_package_is_found_without_running_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, default_options: EmbeddingOptions
) -> None:
    fake_package(tmp_path, b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    digest = "9f79f3e5b2ef3b0af3ebc3f7e2e6e4f5"
    monkeypatch.setattr(encoders, "EMBEDDED_SHA256", digest)
    monkeypatch.setattr(encoders, "_sha256", lambda _: digest)
    folder = find_encoder(default_options.model, default_options.revision)
    assert folder == tmp_path / encoders.EMBEDDED_PACKAGE / "model"


def test_weights_with_another_hash_than_the_default_encoders_are_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, default_options: EmbeddingOptions
) -> None:
    fake_package(tmp_path, b"damaged")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=f"are not those of .*instead of {encoders.EMBEDDED_SHA256}"):
        find_encoder(default_options.model, default_options.revision)


def test_the_embedded_package_stands_for_its_own_revision_only(
    hub_cache: Path, default_options: EmbeddingOptions
) -> None:
    with pytest.raises(FileNotFoundError, match=r"is not here"):
        find_encoder(default_options.model, "0" * 40)


def test_an_encoder_in_the_hubs_cache_needs_no_network(hub_cache: Path, mean_encoder: Path) -> None:
    revision = "a" * 40
    snapshot = hub_cache / "models--acme--encoder" / "snapshots" / revision
    shutil.copytree(mean_encoder, snapshot)
    assert find_encoder("acme/encoder", revision) == snapshot


@pytest.mark.parametrize("name", ["acme/encoder", "no such/fold er/at all"])
def test_a_missing_encoder_names_the_three_places_and_what_to_do(hub_cache: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError) as error:
        find_encoder(name, None)
    message = str(error.value)
    assert message.startswith(f"Encoder '{name}' is not here: no such folder, no package carries it, and the Hub")
    assert "set embedding.model to that folder" in message
    assert "[embedded]" in message


def test_weights_that_may_run_code_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(FileNotFoundError, match=r"holds no \*.safetensors"):
        find_encoder(str(tmp_path), None)


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}, "last"),
        ({"pooling_mode": "mean", "embedding_dimension": 32}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["lasttoken"]}, "last"),
    ],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_pooling_normalisation_and_length_are_the_encoders_own(
    make_encoder: Any, options: EmbeddingOptions, config: dict[str, Any], pooling: str, normalize: bool
) -> None:
    folder = make_encoder(pooling=config, normalize=normalize, max_seq_length=16)
    assert read_encoder_settings(folder, options) == EncoderSettings(pooling, normalize, 16)  # type: ignore[arg-type]


def test_parameters_go_before_the_encoders_own_files(make_encoder: Any, options: EmbeddingOptions) -> None:
    folder = make_encoder(pooling={"pooling_mode": "max"}, max_seq_length=16)
    chosen = options.model_copy(update={"pooling": "last", "normalize": False, "max_tokens": 8})
    assert read_encoder_settings(folder, chosen) == EncoderSettings("last", False, 8)


@pytest.mark.parametrize("config", [{"pooling_mode": "max"}, {"pooling_mode": ["mean", "cls"]}, {}])
def test_a_pooling_that_is_not_done_here_is_an_error(
    make_encoder: Any, options: EmbeddingOptions, config: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"mean, cls and last token are done here. Set embedding.pooling"):
        read_encoder_settings(make_encoder(pooling=config), options)


def test_an_encoder_that_does_not_say_how_to_pool_needs_parameters(
    make_encoder: Any, options: EmbeddingOptions
) -> None:
    folder = make_encoder(pooling=None)
    with pytest.raises(ValueError, match=r"Set embedding.pooling and embedding.normalize"):
        read_encoder_settings(folder, options)
    chosen = options.model_copy(update={"pooling": "cls", "normalize": True})
    assert read_encoder_settings(folder, chosen) == EncoderSettings("cls", True, None)


def test_a_further_layer_after_pooling_is_an_error(make_encoder: Any, options: EmbeddingOptions) -> None:
    folder = make_encoder(pooling={"pooling_mode": "mean"})
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match=r"through Dense, which is not done here"):
        read_encoder_settings(folder, options)
