"""The table of text features: forms, overlaps, and laws that hold for any text."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arena_preference.battles import ID
from arena_preference.pipelines.features.config import TextFeatureConfig
from arena_preference.pipelines.features.quantities import SIDE_COUNTS
from arena_preference.pipelines.features.text_statistics import compute_text_features
from arena_preference.symmetry import Features, swap_battles, swap_features

from .conftest import Turns, laws, make_battles, measure, measure_response, tables, texts

CONFIG = TextFeatureConfig(chunk_rows=100, compressed_characters=5000)
UNICODE = "".join(map(chr, range(0x3000)))


def text_features(rows: list[tuple[Turns, Turns, Turns]], config: TextFeatureConfig = CONFIG) -> pd.DataFrame:
    return compute_text_features(make_battles(rows), config)


def contrast(response_a: Turns | str, response_b: Turns | str, prompt: str = "Say something.") -> dict[str, float]:
    a, b = ([response] if isinstance(response, str) else response for response in (response_a, response_b))
    return text_features([([prompt], a, b)]).iloc[0].to_dict()


@laws
@given(tables)
@example([(["p"], [None], ["x"]), (["p"], [], ["x", None, "y"]), ([], ["same"], ["same"])])
def test_swapping_sides_negates_every_antisymmetric_feature_and_keeps_every_symmetric_one(rows):
    battles = make_battles(rows)
    expected = swap_features(compute_text_features(battles, CONFIG).drop(columns=ID))
    swapped = compute_text_features(swap_battles(battles), CONFIG).drop(columns=ID)
    np.testing.assert_array_equal(swapped, expected)


@laws
@given(tables, st.randoms(use_true_random=False), st.integers(1, 4))
def test_neither_the_order_of_the_battles_nor_the_size_of_the_chunks_changes_a_bit(rows, random, chunk_rows):
    order = random.sample(range(len(rows)), len(rows))
    config = CONFIG.model_copy(update={"chunk_rows": chunk_rows})
    permuted = compute_text_features(make_battles(rows).iloc[order], config)
    pd.testing.assert_frame_equal(permuted, text_features(rows).iloc[order].reset_index(drop=True), check_exact=True)


@laws
@given(tables)
@example([([None], [None, None], []), ([], [], [])])
@example([(["x" * 5000], ["\x00\x1f" * 2500], ["word. " * 900])])
@example([(["5 + 5 = ?"], [UNICODE], ["\u202e\ufeff\U0010ffff"])])
def test_every_feature_of_any_battle_is_finite_and_fits_the_schema(rows):
    assert np.isfinite(Features.validate(text_features(rows)).drop(columns=ID).to_numpy()).all()


@pytest.mark.slow
def test_a_response_of_ten_megabytes_is_measured():
    long = "The river runs down to the sea. " * 320_000
    features = text_features([(["Why?", "And?"], [long], ["x", None, "y"])])
    assert np.isfinite(Features.validate(features).drop(columns=ID).to_numpy()).all()


@laws
@given(texts, texts)
def test_counts_add_up_over_turns(first, second):
    per_text = {"unique_words", "new_words", "compressed_bytes"}
    per_text |= {"repeated_trigrams", "repeated_lines", "repeated_sentences"}
    measured = measure([([], response, []) for response in ([first, second], [first], [second])]).a
    for name in SIDE_COUNTS:
        if name not in per_text and not name.startswith(("last_", "mean_", "longest_", "shortest_")):
            together, *apart = measured[name]
            assert together == sum(apart), name


def test_there_are_at_least_150_columns_each_once_all_float32_after_the_id():
    features = text_features([(["p"], ["a"], ["b"])])
    assert features.columns[0] == ID
    assert features.columns.is_unique
    assert features.shape[1] > 150
    assert set(features.dtypes.iloc[1:]) == {np.dtype("float32")}


def test_ids_keep_their_order_whatever_the_index():
    battles = make_battles([(["p"], ["a"], ["b c"]), (["p"], ["a b c"], ["b"])]).set_index(pd.Index([9, 3]))
    features = compute_text_features(battles, CONFIG)
    assert features[ID].tolist() == battles[ID].tolist()
    np.testing.assert_allclose(features["words__reldiff"], [-1 / 3, 1 / 2], rtol=1e-6)


def test_turns_may_be_arrays_as_read_from_parquet():
    rows = [(["p", "q"], ["a b", None], ["c", "d e f"])]
    battles = make_battles(rows)
    for name in ("prompt", "response_a", "response_b"):
        battles[name] = battles[name].map(lambda cell: np.array(cell, dtype=object))
    pd.testing.assert_frame_equal(compute_text_features(battles, CONFIG), text_features(rows))


def test_no_battles_yield_every_column_and_no_row():
    none = text_features([])
    assert none.columns.tolist() == text_features([(["p"], ["a"], ["b"])]).columns.tolist()
    assert none.empty


def test_a_missing_column_is_named():
    battles = make_battles([(["p"], ["a"], ["b"])]).drop(columns="response_b")
    with pytest.raises(ValueError, match=r"\['response_b'\].*pipeline ingestion"):
        compute_text_features(battles, CONFIG)


def test_a_count_is_a_normalised_difference_and_some_are_sums_too():
    features = contrast("one two three", "one", prompt="one two")
    assert features["words__reldiff"] == pytest.approx((3 - 1) / (3 + 1))
    assert features["words__sum"] == 4
    assert features["words_from_prompt__diff"] == pytest.approx(2 / 3 - 1)
    assert (features["longer_words__pair"], features["shorter_words__pair"]) == (3, 1)
    assert features["words__prompt"] == 2


def test_zero_over_zero_is_zero():
    features = contrast("", "")
    assert features["words__reldiff"] == features["sentence_words__diff"] == features["word_jaccard__pair"] == 0


def test_words_shared_with_the_prompt():
    measured = measure_response("cats chase grey mice", prompt="do cats chase mice 12 times")
    expected = {"prompt_word_jaccard": 3 / 7, "prompt_words_covered": 3 / 6, "prompt_terms_covered": 3 / 4}
    expected |= {"words_from_prompt": 3 / 4, "bigrams_from_prompt": 1 / 3, "prompt_bigrams_covered": 1 / 5}
    expected |= {"prompt_numbers_covered": 0, "new_words": 1}
    assert {name: measured[name] for name in expected} == pytest.approx(expected)


def test_a_copied_prompt_is_recognised():
    prompt = "Please tell me about the history of tea"
    measured = measure_response(prompt, prompt=prompt)
    assert measured["trigrams_from_prompt"] == measured["prompt_trigrams_covered"] == 1


def test_the_jaccard_indices_of_the_responses():
    pair = measure([(["p"], ["the red cat has 9 lives"], ["the red dog has 9 lives too"])]).pair
    expected = {"word_jaccard": 5 / 8, "bigram_jaccard": 3 / 8, "trigram_jaccard": 1 / 8, "number_jaccard": 1}
    expected |= {"word_overlap": 5 / 6, "words_shared_beyond_prompt": 5}
    assert {name: pair[name][0] for name in expected} == pytest.approx(expected)


def test_no_ngram_crosses_from_one_turn_into_the_next():
    pair = measure([(["p"], ["a b c", "d"], ["a b c d"])]).pair
    jaccard = [pair[f"{item}_jaccard"][0] for item in ("word", "bigram", "trigram")]
    assert jaccard == pytest.approx([1, 2 / 3, 1 / 2])


def test_battles_of_one_table_do_not_share_words():
    pair = measure([(["p"], ["alpha beta"], ["gamma"]), (["gamma"], ["gamma"], ["alpha beta"])]).pair
    assert pair["word_jaccard"].tolist() == [0, 0]


def test_a_copy_is_identical_and_closer_by_compression_than_another_text():
    rng = np.random.default_rng(0)
    one, other = ("".join(map(chr, rng.integers(97, 123, 600))) for _ in range(2))
    pair = measure([(["p"], [one], [one]), (["p"], [one], [other])]).pair
    assert pair["identical"].tolist() == [1, 0]
    assert pair["compression_distance"][0] < 0.2
    assert pair["compression_distance"][1] > 0.9


def test_agreement_in_the_last_number_and_in_the_opening():
    responses = [
        ("Adding them, we find 12 and then 42.", "Adding them, we find that it is 42"),
        ("It is 41.", "It is 42."),
        ("none", "none"),
        ("", ""),
    ]
    pair = measure([(["p"], [a], [b]) for a, b in responses]).pair
    assert pair["same_last_number"].tolist() == [1, 0, 0, 0]
    assert pair["same_opening"].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        ("both_refusals", "I cannot do that."),
        ("both_null_turns", None),
        ("both_empty_turns", ""),
        ("both_unfinished_turns", "and then"),
        ("both_ai_self", "As an AI model"),
    ],
)
def test_both_means_both(quantity, text):
    pair = measure([(["p"], [text], [text]), (["p"], [text], ["Fine."])]).pair
    assert pair[quantity].tolist() == [1, 0]


def test_a_response_in_another_script_or_language_than_the_prompt_is_recognised():
    prompt = "Why is the sky blue and not green? Explain it to me with the help of physics."
    english = measure_response("The sky is blue in the day because of the way that light is scattered.", prompt)
    russian = measure_response("Небо голубое из-за рассеяния света.", prompt)
    german = measure_response("Der Himmel ist blau und das ist nicht die Farbe der Luft.", prompt)
    assert (russian["script_mismatch"], english["script_mismatch"]) == (1, 0)
    assert german["language_mismatch"] > english["language_mismatch"] + 0.7


def test_a_requested_length_is_compared_with_the_length_of_the_response():
    prompt = "Describe the sea in 50 words."
    assert measure([([prompt], ["x"], ["y"])]).prompt["asked_words"] == [50]
    assert measure_response("word " * 50, prompt)["asked_words_missed"] == 0
    assert measure_response("word " * 10, prompt)["asked_words_missed"] == pytest.approx(np.log(51 / 11))
    assert measure_response("a b")["asked_words_missed"] == 0
