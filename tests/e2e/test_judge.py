"""Judge predicts what ``kedro run`` predicts, with every kind of model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from transformers import AutoModelForSequenceClassification

from arena_preference import Judge
from arena_preference.battles import LABEL_COLUMNS

from ..tiny_models import make_tokenizer, needs_embedded, save_model
from .conftest import Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with one logit and a chat template, as a reward model and as the base of a cross encoder.

    Its layer is as wide as MiniLM's: products of tiny matrices are rounded by the number of their rows.
    """
    folder = tmp_path_factory.mktemp("small_model")
    sizes = {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536, "num_hidden_layers": 1}
    save_model(folder, auto_class=AutoModelForSequenceClassification, num_labels=1, **sizes)
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{% for message in messages %}{{ message.role }} {{ message.content }} {% endfor %}"
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "params",
    [
        "embedding.encoder.enabled=false",
        pytest.param("embedding.encoder.enabled=true", marks=needs_embedded),
        "embedding.encoder.enabled=false,embedding.reward_model.enabled=true,embedding.reward_model.model={model},"
        "embedding.reward_model.revision=null,embedding.reward_model.max_tokens=64,"
        "embedding.reward_model.tail_tokens=32,finetuning.enabled=true,finetuning.model={model},"
        "finetuning.revision=null,finetuning.input.max_tokens=48,finetuning.device.dtype=float32",
    ],
    ids=["text", "encoder", "reward model and cross encoder"],
)
def test_judge_predicts_the_bytes_of_the_submission(
    kedro: Run, raw_dir: Path, newest: Callable[[Path, str], Path], tmp_path: Path, small_model: Path, params: str
) -> None:
    data_root = tmp_path / "data"
    kedro("run", "--env=test", f"--params=raw_dir={raw_dir},data_root={data_root},{params.format(model=small_model)}")
    submission = pd.read_csv(newest(data_root, "07_model_output/submission.csv"), dtype={"id": str})
    judge = Judge.load(data_root, device="cpu")
    predictions = judge.predict(raw_dir / "test.csv", context="batch")
    pd.testing.assert_frame_equal(predictions, submission, check_exact=True)

    # Alone or together: the same bits, and for a prompt that occurs once those of the submission, unless a transformer
    # rounds by the size of its batch.
    table = pd.read_csv(raw_dir / "test.csv", dtype=str)
    alone = judge.predict(table)
    is_unique = ~table["prompt"].duplicated(keep=False)
    columns = list(LABEL_COLUMNS)
    assert is_unique.any()
    assert not is_unique.all()
    assert np.abs(alone[columns] - submission[columns])[is_unique].max(axis=None) < 1e-6
    responses = [table[column][row] for column in ("response_a", "response_b") for row in (3, 17, 40)]
    requests = [("A question?", responses[:4]), ("Another one?", responses)]
    for request, ranking in zip(requests, judge.rank_many(requests), strict=True):
        assert np.array_equal(judge.rank(*request).matrix, ranking.matrix)
    some = table.iloc[[17, 3, 40]]
    assert np.array_equal(judge.predict(some)[columns], alone.iloc[[17, 3, 40]][columns])
    for row in (3, 40):
        assert np.array_equal(judge.predict(table.iloc[[row]])[columns], alone.iloc[[row]][columns])
