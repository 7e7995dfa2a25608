import pandas as pd
import pytest
from kedro.io import DatasetError

from arena_preference.datasets import MarkedCSVDataset

TABLE = pd.DataFrame({"id": [4_000_000_000, 2], "prompt": ['["a, b"]', '["\\ud83d\\n"]']})


def dataset(folder, name="train.csv"):
    return MarkedCSVDataset(filepath=(folder / name).as_posix(), marker="simulation.json")


def test_a_table_comes_back_as_it_was_saved(tmp_path):
    dataset(tmp_path).save(TABLE)
    pd.testing.assert_frame_equal(dataset(tmp_path).load(), TABLE)


def test_lines_end_in_a_newline_and_only_cells_that_need_quotes_have_them(tmp_path):
    dataset(tmp_path).save(TABLE)
    content = (tmp_path / "train.csv").read_bytes()
    assert content == b'id,prompt\n4000000000,"[""a, b""]"\n2,"[""\\ud83d\\n""]"\n'


def test_the_first_save_leaves_the_marker_and_no_temporary_file(tmp_path):
    dataset(tmp_path / "new").save(TABLE)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["simulation.json", "train.csv"]


def test_the_marker_is_written_before_the_table_so_a_killed_run_can_be_repeated(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(KeyboardInterrupt):
        dataset(tmp_path).save(TABLE)
    assert [path.name for path in tmp_path.iterdir()] == ["simulation.json"]
    monkeypatch.undo()
    dataset(tmp_path).save(TABLE)
    assert dataset(tmp_path).exists()


def test_a_failed_save_keeps_the_old_table(tmp_path, monkeypatch):
    dataset(tmp_path).save(TABLE)

    def fail(self, path_or_buf, **kwargs):
        path_or_buf.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(DatasetError, match="disk full"):
        dataset(tmp_path).save(TABLE[:1])
    pd.testing.assert_frame_equal(dataset(tmp_path).load(), TABLE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["simulation.json", "train.csv"]


def test_a_marker_allows_to_overwrite(tmp_path):
    dataset(tmp_path).save(TABLE)
    dataset(tmp_path).save(TABLE[:1])
    assert len(dataset(tmp_path).load()) == 1


@pytest.mark.parametrize(
    "found", ["train.csv", "test.csv", "train.csv.gz", "train.csv.zip", "test.jsonl", "test.parquet.gz"]
)
def test_a_folder_with_a_users_table_is_rejected_and_left_alone(tmp_path, found):
    (tmp_path / found).write_bytes(b"theirs")
    with pytest.raises(DatasetError, match=rf"{found}.*simulation\.json.*--params=raw_dir=DIR"):
        dataset(tmp_path).save(TABLE)
    assert [path.name for path in tmp_path.iterdir()] == [found]
    assert (tmp_path / found).read_bytes() == b"theirs"


@pytest.mark.parametrize("found", ["train.jsonl", "train.csv.zip"])
def test_the_same_table_in_another_form_is_rejected_because_only_one_can_be_read(tmp_path, found):
    dataset(tmp_path).save(TABLE)
    (tmp_path / found).write_bytes(b"theirs")
    with pytest.raises(DatasetError, match=rf"{found} would be in the way of train\.csv"):
        dataset(tmp_path).save(TABLE)
    dataset(tmp_path, "test.csv").save(TABLE)


def test_other_files_in_the_folder_do_not_matter(tmp_path):
    (tmp_path / ".gitkeep").touch()
    dataset(tmp_path).save(TABLE)
    assert (tmp_path / "train.csv").exists()


def test_the_description_names_the_marker(tmp_path):
    assert "simulation.json" in str(dataset(tmp_path)._describe())


def test_a_folder_whose_name_holds_brackets_is_guarded_too(tmp_path):
    folder = tmp_path / "a[1]"
    folder.mkdir()
    (folder / "train.csv").write_text("id\n1\n")
    dataset = MarkedCSVDataset(filepath=str(folder / "train.csv"), marker="simulation.json")
    with pytest.raises(DatasetError, match=r"train\.csv.*simulation\.json"):
        dataset.save(pd.DataFrame({"id": [2]}))
    assert (folder / "train.csv").read_text() == "id\n1\n"
