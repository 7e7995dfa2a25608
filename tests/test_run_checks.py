"""What is checked before a run begins."""

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io.core import DatasetError

from arena_preference.run_checks import OutputHooks, ParameterHooks

PROJECT = Path(__file__).parents[1]


def load_context(**runtime_params: Any) -> Any:
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env="test", runtime_params=runtime_params) as session:
        return session.load_context()


def make_hooks(data_root: Path | str) -> OutputHooks:
    hooks = OutputHooks()
    hooks.after_context_created(load_context(data_root=str(data_root)))
    return hooks


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"sed": 1}, r"There is no parameter 'sed'\. Did you mean 'seed'\?"),
        ({"rawdir": "DIR"}, r"There is no parameter 'rawdir'\. Did you mean 'raw_dir'\?"),
        ({"zzz": 1}, r"There is no parameter 'zzz'\. What there is stands in conf"),
        ({"features": {"txt": {"chunk_rows": 1}}}, r"'features\.txt'\. Did you mean 'features\.text'\?"),
        ({"embedding": {"inference": {"batch_tokens": {"gpu": 1}}}}, r"'embedding\.inference\.batch_tokens\.gpu'\."),
        ({"tuning": {"space": {"depht": {"low": 1}}}}, r"Did you mean 'tuning\.space\.depth'\?"),
        ({"features": 3}, r"'features' is 3, but it is a group of parameters: text, vectorizer, words"),
    ],
)
def test_an_unknown_name_at_any_depth_is_refused_with_the_one_that_was_meant(
    given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        load_context(**given)


def test_every_unknown_name_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"'sed'.*'modelling\.catboost\.dept'"):
        load_context(sed=1, modelling={"catboost": {"dept": 3}})


@pytest.mark.parametrize("seed", ["abc", -1, 2**32, 1.5, True, None, {"x": 1}])
def test_a_seed_that_is_none_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"The parameter seed is .* whole number from 0 to 4294967295"):
        load_context(seed=seed)


def test_known_names_and_the_folders_of_a_run_pass() -> None:
    context = load_context(seed=7, raw_dir="DIR", data_root="DIR", modelling={"folds": 4})
    assert context.config_loader["parameters"]["seed"] == 7
    assert context.config_loader["parameters"]["modelling"]["folds"] == 4


def test_where_the_configuration_names_nothing_anything_may_be_named() -> None:
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


@pytest.mark.parametrize("below", ["", "folder/folder"])
def test_a_file_where_the_output_folder_should_be_is_told_before_the_first_node(tmp_path: Path, below: str) -> None:
    file = tmp_path / "data"
    file.write_text("not a folder")
    hooks = make_hooks(file / below)
    with pytest.raises(ValueError, match=rf"cannot be written below '{file}.*{file}\)\. Give another folder"):
        hooks.before_pipeline_run()
    assert file.read_text() == "not a folder"


def test_a_folder_that_is_read_only_is_told_before_the_first_node(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(ValueError, match=r"cannot be written below .*Read-only file system.*data_root=DIR"):
        make_hooks(small_disk / "data").before_pipeline_run()


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the administrator")
def test_a_folder_without_permission_is_told_before_the_first_node(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(ValueError, match=r"cannot be written below .*Permission denied"):
        make_hooks(tmp_path / "data").before_pipeline_run()


def test_a_relative_folder_is_one_of_the_project_wherever_the_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("not a folder")
    make_hooks("data").before_pipeline_run()
    with pytest.raises(ValueError, match=rf"cannot be written below '{PROJECT}/README\.md'"):
        make_hooks("README.md").before_pipeline_run()


def test_the_check_makes_no_folder_and_leaves_nothing_behind(tmp_path: Path) -> None:
    make_hooks(tmp_path / "data").before_pipeline_run()
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_to_another_machine_is_not_checked() -> None:
    make_hooks("s3://bucket/data").before_pipeline_run()


def test_a_full_disk_is_explained_and_another_error_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = make_hooks(tmp_path)
    full = DatasetError("train.battles: Failed while saving")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    hooks.on_pipeline_error(DatasetError("something else"))
    assert caplog.text == ""
    hooks.on_pipeline_error(full)
    assert f"no room left below '{tmp_path}'" in caplog.text
    assert "Make room, or send outputs elsewhere with --params=data_root=DIR" in caplog.text


# Kedro 1.7 reads the fields of a typed parameter in the way that pydantic 2.11 deprecates.
@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning")
def test_a_run_on_a_disk_that_becomes_full_says_what_to_do(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    bootstrap_project(PROJECT)
    raw_dir = PROJECT / "data" / "01_raw" / "demo"
    parameters = {"raw_dir": str(raw_dir), "data_root": str(small_disk)}
    with (
        KedroSession.create(PROJECT, env="test", runtime_params=parameters) as session,
        pytest.raises(DatasetError, match=r"train\.battles.*(?s:.*)No space left on device"),
    ):
        session.run(pipeline_names=["ingestion"])
    assert f"no room left below '{small_disk}'" in caplog.text
