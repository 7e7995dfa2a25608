import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from arena_preference import pretrained
from arena_preference.pipelines.embedding.config import EmbeddingConfig
from arena_preference.pretrained import find_model, hash_model

from .conftest import MakeModel

carried = pytest.mark.skipif(
    importlib.util.find_spec(pretrained.EMBEDDED_PACKAGE) is None, reason="the extra [embedded] is not installed"
)


@pytest.fixture
def hub_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return cache


def fake_package(folder: Path, weights: bytes) -> None:
    model = folder / pretrained.EMBEDDED_PACKAGE / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").write_text("raise AssertionError('imported')")
    (model / "model.safetensors").write_bytes(weights)


def test_a_folder_is_taken_as_it_is(mean_encoder: Path) -> None:
    assert find_model(str(mean_encoder), None) == mean_encoder


@carried
def test_the_default_encoder_comes_from_the_embedded_package(hub_cache: Path, default_options: EmbeddingConfig) -> None:
    folder = find_model(default_options.encoder.model, default_options.encoder.revision)
    assert folder.parent.name == pretrained.EMBEDDED_PACKAGE


def test_the_embedded_package_is_found_without_running_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, default_options: EmbeddingConfig
) -> None:
    fake_package(tmp_path, b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    digest = "9f79f3e5b2ef3b0af3ebc3f7e2e6e4f5"
    monkeypatch.setattr(pretrained, "EMBEDDED_SHA256", digest)
    monkeypatch.setattr(pretrained, "_sha256", lambda _: digest)
    folder = find_model(default_options.encoder.model, default_options.encoder.revision)
    assert folder == tmp_path / pretrained.EMBEDDED_PACKAGE / "model"


def test_weights_with_another_hash_than_the_default_encoders_are_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, default_options: EmbeddingConfig
) -> None:
    fake_package(tmp_path, b"damaged")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=f"are not those of .*instead of {pretrained.EMBEDDED_SHA256}"):
        find_model(default_options.encoder.model, default_options.encoder.revision)


def test_the_embedded_package_stands_for_its_own_revision_only(
    hub_cache: Path, default_options: EmbeddingConfig
) -> None:
    with pytest.raises(FileNotFoundError, match=r"is not here"):
        find_model(default_options.encoder.model, "0" * 40)


def test_an_encoder_in_the_hubs_cache_needs_no_network(hub_cache: Path, mean_encoder: Path) -> None:
    revision = "a" * 40
    snapshot = hub_cache / "models--acme--encoder" / "snapshots" / revision
    shutil.copytree(mean_encoder, snapshot)
    assert find_model("acme/encoder", revision) == snapshot


@pytest.mark.parametrize("name", ["acme/encoder", "no such/fold er/at all"])
def test_a_missing_encoder_names_the_three_places_and_what_to_do(hub_cache: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError) as error:
        find_model(name, None)
    message = str(error.value)
    assert message.startswith(f"Model '{name}' is not here: no such folder, no package carries it, and the Hub")
    assert "set the parameter model to that folder" in message
    assert "[embedded]" in message


def test_weights_that_may_run_code_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(FileNotFoundError, match=r"holds no \*.safetensors"):
        find_model(str(tmp_path), None)


CODE = """
import pathlib
from transformers import BertConfig, BertModel

pathlib.Path(__file__).with_name("marker").touch()


class OwnConfig(BertConfig):
    model_type = "own"


class OwnModel(BertModel):
    config_class = OwnConfig
"""


@pytest.mark.parametrize("model_type", ["bert", "own"])
def test_a_model_with_code_of_its_own_is_refused_and_the_code_is_not_run(
    make_encoder: MakeModel, model_type: str
) -> None:
    folder = make_encoder()
    (folder / "own.py").write_text(CODE)
    config = json.loads((folder / "config.json").read_text())
    own_code = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": model_type, "auto_map": own_code}))
    with pytest.raises(ValueError, match=r"brings code of its own \(auto_map in config.json.*never run here"):
        find_model(str(folder), None)
    assert not list(folder.rglob("marker"))


def test_a_tokenizer_with_code_of_its_own_is_refused(make_encoder: MakeModel) -> None:
    folder = make_encoder()
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": {"AutoTokenizer": ["own.Own", None]}}))
    with pytest.raises(ValueError, match=r"auto_map in tokenizer_config.json: AutoTokenizer"):
        find_model(str(folder), None)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors.index.json"])
def test_a_damaged_description_is_an_error_that_names_the_file(make_encoder: MakeModel, name: str) -> None:
    folder = make_encoder()
    (folder / name).write_text('{"weight_map": {"a')
    with pytest.raises(ValueError, match=rf"{name}' is damaged: it is not JSON .*Fetch the model again"):
        find_model(str(folder), None)


def test_an_empty_folder_is_an_error_that_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no \*.safetensors.* save_pretrained, or choose another one"):
        find_model(str(tmp_path), None)


def test_a_models_hash_follows_weights_shape_and_tokenizer_and_nothing_else(make_encoder: MakeModel) -> None:
    one, other = make_encoder(), make_encoder(seed=1)
    digest = hash_model(one)
    assert hash_model(other) != digest
    (one / "README.md").write_text("About this encoder")
    (one / "modules.json").write_text("[]")
    assert hash_model(one) == digest
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        changed = shutil.copytree(one, one.with_name(f"changed-{name}"))
        (changed / name).write_bytes((changed / name).read_bytes() + b" ")
        assert hash_model(changed) != digest, name
