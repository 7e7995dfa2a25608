"""Judge: the same predictions as the pipelines, whatever is asked together, in whatever form."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from arena_preference import Judge
from arena_preference.battles import LABEL_COLUMNS
from arena_preference.judge.judge import split_queries
from arena_preference.symmetry import swap_probabilities

PAIRS = [
    ("What is 2 + 2?", "4", "I think that it may be 5, but I am not sure. " * 4),
    ("Name three rivers.", "1. Rhine\n2. Danube\n3. Elbe", "Rivers are bodies of water."),
    ("Name three rivers.", "The Rhine.", "The Rhine, the Danube and the Elbe."),
    ("Name three rivers.", "The Danube, the Rhine and the Elbe.", ""),
    ("Écris un poème.", "Sous le pont", "I cannot help with that."),
]
RESPONSES = ["The Rhine.", "The Rhine, the Danube and the Elbe.", "Rhine, Danube, Elbe", "No.", "The Elbe."]


def test_probabilities_are_a_distribution_that_a_swap_exchanges_exactly(judge: Judge) -> None:
    probabilities = judge.predict_pairs(PAIRS)
    assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-12
    swapped = judge.predict_pairs([(prompt, b, a) for prompt, a, b in PAIRS])
    assert np.array_equal(swap_probabilities(swapped), probabilities)


def test_a_pair_does_not_depend_on_what_is_asked_with_it(judge: Judge) -> None:
    together = judge.predict_pairs(PAIRS)
    for pair, expected in zip(PAIRS, together, strict=True):
        assert np.array_equal(judge.predict_pairs([pair]), [expected])
        preference = judge.compare(*pair)
        assert [preference.a, preference.b, preference.tie] == expected.tolist()
    assert np.array_equal(judge.predict_pairs(PAIRS[::-1]), together[::-1])


def test_with_the_context_batch_other_responses_to_the_prompt_count(judge: Judge) -> None:
    alone, together = (judge.predict_pairs(PAIRS, context=context) for context in ("none", "batch"))
    repeated = [index for index, (prompt, *_) in enumerate(PAIRS) if prompt == "Name three rivers."]
    assert (alone[repeated] != together[repeated]).all(axis=1).any()
    others = np.setdiff1d(np.arange(len(PAIRS)), repeated)
    assert np.array_equal(alone[others], together[others])


def test_threads_may_share_a_judge(judge: Judge) -> None:
    expected = [judge.predict_pairs([pair]) for pair in PAIRS]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda pair: judge.predict_pairs([pair]), PAIRS * 4))
    assert all(np.array_equal(one, other) for one, other in zip(found, expected * 4, strict=True))


@pytest.mark.parametrize("context", ["none", "batch"])
def test_a_ranking_has_the_probabilities_of_its_pairs(judge: Judge, context: str) -> None:
    ranking = judge.rank("Name three rivers.", RESPONSES, context=context)
    i, j = np.triu_indices(len(RESPONSES), 1)
    pairs = [("Name three rivers.", RESPONSES[a], RESPONSES[b]) for a, b in zip(i, j, strict=True)]
    expected = judge.predict_pairs(pairs, context=context)
    assert np.array_equal(ranking.matrix[i, j], expected[:, 0])
    assert np.array_equal(ranking.matrix[j, i], expected[:, 1])
    ties = 1 - ranking.matrix - ranking.matrix.T
    np.fill_diagonal(ties, 0)
    wins = (ranking.matrix + ties / 2).sum(axis=1) / (len(RESPONSES) - 1)
    assert ranking.win_probabilities == pytest.approx(wins)
    assert ranking.order == np.argsort(-wins, kind="stable").tolist()
    assert ranking.best == ranking.order[0]


def test_the_order_of_the_responses_does_not_matter(judge: Judge) -> None:
    ranking, reverse = (judge.rank("Name three rivers.", responses) for responses in (RESPONSES, RESPONSES[::-1]))
    assert np.array_equal(ranking.matrix, reverse.matrix[::-1, ::-1])
    assert judge.best_of("Name three rivers.", RESPONSES) == ranking.best


def test_requests_for_the_same_prompt_are_ranked_apart(judge: Judge) -> None:
    requests = [("Name three rivers.", RESPONSES[:3]), ("Name three rivers.", RESPONSES[2:]), ("Hello", ["Hi"])]
    for request, ranking in zip(requests, judge.rank_many(requests), strict=True):
        assert np.array_equal(ranking.matrix, judge.rank(*request).matrix)


def test_one_response_is_the_best() -> None:
    from arena_preference.judge import Ranking

    ranking = Ranking(np.zeros((1, 1)))
    assert (ranking.order, ranking.win_probabilities.tolist()) == ([0], [0.5])


def test_forms_of_a_conversation_mean_the_same(judge: Judge) -> None:
    text = judge.compare("Name a river.", "The Rhine.", "No.")
    message = [{"role": "user", "content": "Name a river."}]
    replies = [[{"role": "assistant", "content": reply}] for reply in ("The Rhine.", "No.")]
    blocks = [{"role": "user", "content": [{"type": "text", "text": "Name a river."}]}]
    for prompt, a, b in ((["Name a river."], ["The Rhine."], ["No."]), (message, *replies), (blocks, *replies)):
        assert judge.compare(prompt, a, b) == text


def test_a_conversation_has_the_replies_so_far_on_both_sides(judge: Judge) -> None:
    messages = [
        {"role": "user", "content": "Name a river."},
        {"role": "assistant", "content": "The Rhine."},
        {"role": "user", "content": "Another one."},
    ]
    turns = judge.compare(["Name a river.", "Another one."], ["The Rhine.", "The Elbe."], ["The Rhine.", "No."])
    assert judge.compare(messages, "The Elbe.", "No.") == turns


@pytest.mark.parametrize(
    ("pair", "error", "match"),
    [
        ((3, "a", "b"), TypeError, "prompt.*int"),
        (("a", "b", None), TypeError, "b is of type NoneType"),
        (("a", "b", [3]), TypeError, "turn of b.*int"),
        (([], "a", "b"), TypeError, "prompt is empty"),
        (("p", [{"role": "user", "content": "x"}], "b"), ValueError, "a .*assistant"),
        (([{"role": "wizard", "content": "x"}], "a", "b"), ValueError, "prompt.*wizard"),
        (([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "a", "b"), ValueError, "prompt"),
        (([{"role": "user", "content": [{"type": "image_url"}]}], "a", "b"), ValueError, "images"),
    ],
)
def test_an_unusable_argument_is_named(judge: Judge, pair: tuple, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        judge.compare(*pair)


def test_responses_are_a_list(judge: Judge) -> None:
    for responses, error, match in (
        ("text", TypeError, "list"),
        ([], ValueError, "empty"),
        (["a", 3], TypeError, r"\[1\]"),
    ):
        with pytest.raises(error, match=match):
            judge.rank("p", responses)
    with pytest.raises(ValueError, match="context"):
        judge.compare("p", "a", "b", context="all")


def test_rows_in_memory_and_files_have_the_same_predictions(judge: Judge, tmp_path: Path) -> None:
    rows = [
        {
            "id": f"00{number}",
            "prompt": json.dumps([prompt]),
            "response_a": json.dumps([a]),
            "response_b": json.dumps([b]),
        }
        for number, (prompt, a, b) in enumerate(PAIRS)
    ]
    predictions = judge.predict(rows)
    assert predictions.columns.to_list() == ["id", *LABEL_COLUMNS]
    assert predictions["id"].to_list() == [row["id"] for row in rows]
    assert np.array_equal(predictions[list(LABEL_COLUMNS)], judge.predict_pairs(PAIRS))
    table = pd.DataFrame(rows)
    pd.testing.assert_frame_equal(judge.predict(table), predictions)
    for suffix, write in ((".csv", table.to_csv), (".parquet", table.to_parquet)):
        write(tmp_path / f"battles{suffix}", index=False)
        pd.testing.assert_frame_equal(judge.predict(tmp_path / f"battles{suffix}"), predictions)
    lists = pd.DataFrame(
        {"prompt": [["p"]], "response_a": [np.array(["a"])], "response_b": [["b"]], "winner": [np.nan]}
    )
    assert judge.predict(lists)["id"].to_list() == ["0"]


def test_rows_that_do_not_fit_are_counted(judge: Judge) -> None:
    from arena_preference.datasets import RawTable

    rows = [{"id": "1", "prompt": '["p"]', "response_a": '["a"]', "response_b": "b"}]
    predictions, rejected = judge.predict_tables([RawTable("rows", "rows", rows, rows)])
    assert len(predictions) == len(rejected) == 1


def test_battles_are_rows(judge: Judge) -> None:
    with pytest.raises(TypeError, match="Row 0"):
        judge.predict(["text"])
    with pytest.raises(ValueError, match="no rows"):
        judge.predict([])


def test_rewards_are_relative_to_the_completions_of_the_prompt(judge: Judge) -> None:
    prompts = ["Name three rivers."] * 3 + ["Hello"] * 2
    completions = [*RESPONSES[:3], "Hi", "Hello, how can I help?"]
    # TRL interleaves nothing, but may pass columns of its data set.
    rewards = judge.reward(prompts=prompts, completions=completions, completion_ids=[[1]] * 5)
    assert rewards[:3] == judge.rank(prompts[0], completions[:3]).win_probabilities.tolist()
    assert rewards[3:] == judge.rank("Hello", completions[3:]).win_probabilities.tolist()
    with pytest.raises(ValueError, match="single completion"):
        judge.reward(["p"], ["a"])
    with pytest.raises(ValueError, match="2 prompts, 1 completions"):
        judge.reward(["p", "p"], ["a"])
    (reward,) = judge.reward(["p"], ["a"], references=["b"])
    assert reward == judge.rank("p", ["a", "b"]).win_probabilities[0]


def test_openrlhf_has_prompt_and_response_in_one_text(judge: Judge) -> None:
    prompts = ["Name three rivers."] * 2
    answer = judge.reward_func(
        [prompt + text for prompt, text in zip(prompts, RESPONSES, strict=False)], prompts, ["", ""]
    )
    assert answer["rewards"].tolist() == pytest.approx(judge.reward(prompts, RESPONSES[:2]))
    with pytest.raises(ValueError, match=r"queries\[0\]"):
        split_queries(["x"], ["y"])


def test_without_transformers_neither_pytorch_nor_transformers_is_imported(data: Path) -> None:
    code = (
        "import sys; import arena_preference; assert 'pandas' not in sys.modules\n"
        f"judge = arena_preference.Judge.load({str(data)!r}); judge.compare('p', 'a', 'b').why\n"
        "assert not {'torch', 'transformers', 'dask'} & sys.modules.keys(), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
