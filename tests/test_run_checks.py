"""Checks before a run starts."""

import errno
import os
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io.core import DatasetError
from kedro.pipeline import Pipeline, node

from arena_preference.run_checks import FolderHooks, OutputHooks, ParameterHooks

PROJECT = Path(__file__).parents[1]


def load_context(conf_source: Path | None = None, **runtime_params: Any) -> Any:
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env="test", conf_source=conf_source, runtime_params=runtime_params) as session:
        return session.load_context()


def make_hooks(data_root: Path | str) -> OutputHooks:
    hooks = OutputHooks()
    hooks.after_context_created(load_context(data_root=str(data_root)))
    return hooks


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"sed": 1}, r"'sed'.* 'seed'\?"),
        ({"rawdir": "DIR"}, r"'rawdir'.* 'raw_dir'\?"),
        ({"zzz": 1}, r"'zzz'.*conf/base/parameters"),
        ({"features": {"txt": {"chunk_rows": 1}}}, r"'features\.txt'.* 'features\.text'\?"),
        ({"embedding": {"inference": {"batch_tokens": {"gpu": 1}}}}, r"'embedding\.inference\.batch_tokens\.gpu'\."),
        ({"tuning": {"space": {"depht": {"low": 1}}}}, r" 'tuning\.space\.depth'\?"),
        ({"features": 3}, r"'features' is 3, .*: text, "),
        ({"sed": 1, "modelling": {"catboost": {"dept": 3}}}, r"'sed'.*'modelling\.catboost\.dept'"),
    ],
)
def test_every_unknown_parameter_at_any_depth_is_rejected_with_the_likely_one(
    given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        load_context(**given)


@pytest.mark.parametrize("seed", ["abc", -1, 2**32, 1.5, True, None, {"x": 1}])
def test_an_invalid_seed_is_rejected(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"seed is .* 0 to 4294967295"):
        load_context(seed=seed)


def test_known_parameters_and_the_folders_of_a_run_are_accepted() -> None:
    context = load_context(seed=7, raw_dir="DIR", data_root="DIR", ingestion={"n_splits": 4})
    assert context.config_loader["parameters"]["seed"] == 7
    assert context.config_loader["parameters"]["ingestion"]["n_splits"] == 4


def test_below_an_empty_parameter_any_name_is_accepted() -> None:
    class Loader(dict):
        def __init__(self, runtime_params: Any = None, **options: Any) -> None:
            super().__init__(parameters={"free": {}, "none": None, "some": {"a": 1}})
            self.conf_source, self.env, self.runtime_params = "", "", runtime_params

    class Context:
        config_loader = Loader({"free": {"x": {"y": 1}}, "none": {"z": 2}, "some": {"a": {"b": 1}}})

    ParameterHooks().after_context_created(Context())
    Context.config_loader.runtime_params["some"]["c"] = 1
    with pytest.raises(ValueError, match=r"'some\.c'"):
        ParameterHooks().after_context_created(Context())


@pytest.mark.parametrize("name", ["raw_dir", "data_root"])
@pytest.mark.parametrize("folder", [None, "", " ", "null", 7, 1e3, True, ["DIR"], {"x": 1}], ids=str)
def test_a_folder_that_is_no_text_is_rejected(name: str, folder: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name} is .*--params={name}=PATH"):
        load_context(**{name: folder})


def test_the_catalog_has_the_folders_with_the_home_in_place_of_the_tilde(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    catalog = load_context(raw_dir="~/mine", data_root=Path("~"), test_path="~/new.parquet").config_loader["catalog"]
    assert catalog["train_raw_battles"]["filepath"] == f"{tmp_path}/mine/train"
    assert catalog["test_raw_battles"]["filepath"] == f"{tmp_path}/new.parquet"
    assert catalog["preference_model"]["filepath"] == f"{tmp_path}/06_models/preference_model.cbm"
    with pytest.raises(ValueError, match=r"'~nobody-here/x'.* \./~nobody-here/x"):
        load_context(data_root="~nobody-here/x")


@pytest.mark.parametrize(
    ("given", "splits", "is_allowed"),
    [
        ({"train_path": "a.csv"}, ("train", "test"), False),
        ({"test_path": "a.csv"}, ("train", "test"), False),
        ({"train_path": "a.csv"}, ("train",), True),
        ({"train_path": "a.csv", "test_path": "b.csv"}, ("train", "test"), True),
        ({"test_path": "a.csv", "raw_dir": "DIR"}, ("train", "test"), True),
        ({}, ("train", "test"), True),
    ],
)
def test_a_file_of_ones_own_does_not_meet_the_default_file_of_the_other_split(
    given: dict[str, str], splits: tuple[str, ...], is_allowed: bool
) -> None:
    hooks = FolderHooks()
    hooks.after_context_created(load_context(**given))
    pipeline = Pipeline([node(len, f"{split}_raw_battles", f"{split}_battles") for split in splits])
    with (
        nullcontext() if is_allowed else pytest.raises(ValueError, match=r"train_path.*test_path|test_path.*train_path")
    ):
        hooks.before_pipeline_run(pipeline)


def test_a_folder_of_an_environment_is_read_like_one_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    conf = shutil.copytree(PROJECT / "conf", tmp_path / "conf")
    environment = conf / "test" / "globals.yml"
    environment.write_text("data_root: ~/outputs\nraw_dir: '007'")
    catalog = load_context(conf).config_loader["catalog"]
    assert catalog["train_raw_battles"]["filepath"] == "007/train"
    assert catalog["preference_model"]["filepath"] == f"{tmp_path}/outputs/06_models/preference_model.cbm"
    for folder in ("007", "1e3", "", "null"):
        environment.write_text(f"raw_dir: {folder}")
        with pytest.raises(ValueError, match=r"raw_dir is .*globals\.yml.*'007'"):
            load_context(conf)
    # The command line counts, whatever the file says.
    assert load_context(conf, raw_dir="DIR").config_loader["catalog"]["test_raw_battles"]["filepath"] == "DIR/test"


@pytest.mark.parametrize("below", ["", "folder/folder"])
def test_a_file_in_place_of_the_output_folder_is_rejected(tmp_path: Path, below: str) -> None:
    file = tmp_path / "data"
    file.write_text("not a folder")
    hooks = make_hooks(file / below)
    with pytest.raises(ValueError, match=rf"'{file}.*{file}\).*data_root=DIR"):
        hooks.before_pipeline_run()
    assert file.read_text() == "not a folder"


def test_a_read_only_folder_is_rejected(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(ValueError, match=r"Read-only file system.*data_root=DIR"):
        make_hooks(small_disk / "data").before_pipeline_run()


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the administrator")
def test_a_folder_without_permission_is_rejected(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(ValueError, match=r"Permission denied.*data_root=DIR"):
        make_hooks(tmp_path / "data").before_pipeline_run()


def test_a_relative_folder_is_relative_to_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("not a folder")
    make_hooks("data").before_pipeline_run()
    with pytest.raises(ValueError, match=rf"'{PROJECT}/README\.md'"):
        make_hooks("README.md").before_pipeline_run()


def test_the_check_creates_no_folder_and_leaves_nothing_behind(tmp_path: Path) -> None:
    make_hooks(tmp_path / "data").before_pipeline_run()
    assert list(tmp_path.iterdir()) == []


def test_another_machine_s_filesystem_is_not_checked() -> None:
    make_hooks("s3://bucket/data").before_pipeline_run()


def test_a_full_disk_is_explained_and_another_error_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = make_hooks(tmp_path)
    full = DatasetError("train_battles: Failed while saving")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    hooks.on_pipeline_error(DatasetError("something else"))
    assert caplog.text == ""
    hooks.on_pipeline_error(full)
    assert f"'{tmp_path}'" in caplog.text
    assert "--params=data_root=DIR" in caplog.text


# Kedro 1.7 reads the fields of a typed parameter in the way that pydantic 2.11 deprecates.
@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning")
def test_a_run_that_fills_its_disk_says_what_to_do(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    bootstrap_project(PROJECT)
    raw_dir = PROJECT / "data" / "01_raw" / "demo"
    parameters = {"raw_dir": str(raw_dir), "data_root": str(small_disk)}
    with (
        KedroSession.create(PROJECT, env="test", runtime_params=parameters) as session,
        pytest.raises(DatasetError, match=r"battles.*(?s:.*)No space left on device"),
    ):
        session.run(pipeline_names=["ingestion"])
    assert "--params=data_root=DIR" in caplog.text
