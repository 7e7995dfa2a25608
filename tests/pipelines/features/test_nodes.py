"""What the nodes of the pipeline ``features`` promise."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.pipeline import Pipeline
from skops import io

from arena_preference.battles import ID, TfidfDifferences
from arena_preference.pipelines.features import nodes
from arena_preference.pipelines.features.config import CharLsaConfig, TextFeatureConfig, WordTfidfConfig
from arena_preference.pipelines.features.nodes import (
    compute_lsa_features,
    compute_text_features,
    compute_tfidf_differences,
    fit_char_lsa,
    fit_word_tfidf,
)
from arena_preference.pipelines.features.patterns import LEXICA
from arena_preference.pipelines.features.quantities import (
    LAST_TURN_COUNTS,
    PROMPT_KINDS,
    PROMPT_QUANTITIES,
    SIDE_RATES,
    SIDE_SIZES,
    SUMMED,
)
from arena_preference.symmetry import FORM_SEPARATOR, Features, is_antisymmetric, swap_battles, swap_features

Turns = list[str | None]

OPTIONS = TextFeatureConfig(chunk_rows=100, compressed_characters=5000)
VECTORIZER: dict[str, Any] = {
    "ngram_min": 4,
    "ngram_max": 4,
    "min_df": 1,
    "max_df": 1.0,
    "max_features": 500,
    "max_fit_texts": 100,
    "n_components": 4,
    "n_iter": 3,
}

# Pieces that the patterns look for, so that random texts reach them.
PIECES = (
    "I'm sorry, but I cannot help with that.", "As an AI language model", "# Title\n", "\n\n- item", "\n1. first",
    "**bold**", "```python\nprint(1)\n```", "```", "`x`", "$x^2$", "\n| a | b |", "https://a.b", "3.14", "42", "the",
    "el perro", "и слово", "漢字", "🙂", "?", "!", "...", ", ", " ", "\n", "\n\n", "\t", "\x00", "�", "İ", "ǅ",
    "e\u0301", "STOP", "word word word word",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=8).map("".join)
turns = st.lists(st.none() | texts, max_size=3)
tables = st.lists(st.tuples(turns, turns, turns), min_size=1, max_size=8)
laws = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def make_battles(rows: list[tuple[Turns, Turns, Turns]]) -> pd.DataFrame:
    table = pd.DataFrame({ID: np.arange(len(rows), dtype=np.int64) * 7 + 4_000_000_000})
    for place, name in enumerate(("prompt", "response_a", "response_b")):
        table[name] = pd.Series([row[place] for row in rows], dtype=object)
    return table


def text_features(rows: list[tuple[Turns, Turns, Turns]], options: TextFeatureConfig = OPTIONS) -> pd.DataFrame:
    return compute_text_features(make_battles(rows), options)


def contrast(answer_a: Turns | str, answer_b: Turns | str, prompt: str = "Say something.") -> dict[str, float]:
    a, b = ([answer] if isinstance(answer, str) else answer for answer in (answer_a, answer_b))
    return text_features([([prompt], a, b)]).iloc[0].to_dict()


@pytest.fixture(scope="module", autouse=True)
def exact_sizes() -> Iterator[None]:
    """Sizes as differences, too, which tell how much was counted; models get shares alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodes, "_SIZE_FORMS", ("diff", "share"))
        yield


@pytest.fixture(scope="module")
def vectorizer() -> Pipeline:
    rows = [
        ([f"question {k} the {piece}"], [f"{piece} the answer {k}"], [f"{piece} another"])
        for k, piece in enumerate(PIECES)
    ]
    return fit_char_lsa(make_battles(rows), CharLsaConfig(**VECTORIZER), seed=0)


class TestLaws:
    @laws
    @given(tables)
    @example([(["p"], [None], ["x"]), (["p"], [], ["x", None, "y"]), ([], ["same"], ["same"])])
    def test_swapping_sides_negates_every_antisymmetric_feature_and_keeps_every_symmetric_one(self, rows):
        battles = make_battles(rows)
        there = compute_text_features(battles, OPTIONS).drop(columns=ID)
        back = compute_text_features(swap_battles(battles), OPTIONS).drop(columns=ID)
        for name in there:
            expected = -there[name] if is_antisymmetric(name) else there[name]
            np.testing.assert_array_equal(back[name], expected, err_msg=name)

    @laws
    @given(rows=tables)
    def test_swapping_sides_of_latent_features_is_exact(self, vectorizer, rows):
        battles = make_battles(rows)
        there = compute_lsa_features(battles, vectorizer).drop(columns=ID)
        back = compute_lsa_features(swap_battles(battles), vectorizer).drop(columns=ID)
        np.testing.assert_array_equal(back, swap_features(there))

    @laws
    @given(tables, st.randoms(use_true_random=False))
    def test_permuting_the_battles_permutes_the_features(self, rows, random):
        order = random.sample(range(len(rows)), len(rows))
        battles = make_battles(rows)
        permuted = compute_text_features(battles.iloc[order], OPTIONS)
        pd.testing.assert_frame_equal(
            permuted, compute_text_features(battles, OPTIONS).iloc[order].reset_index(drop=True)
        )

    @laws
    @given(rows=tables, random=st.randoms(use_true_random=False))
    def test_permuting_the_battles_permutes_the_latent_features(self, vectorizer, rows, random):
        order = random.sample(range(len(rows)), len(rows))
        battles = make_battles(rows)
        permuted = compute_lsa_features(battles.iloc[order], vectorizer)
        expected = compute_lsa_features(battles, vectorizer).iloc[order].reset_index(drop=True)
        pd.testing.assert_frame_equal(permuted, expected)

    @laws
    @given(tables, st.integers(1, 4))
    def test_the_size_of_the_chunks_changes_nothing(self, rows, chunk_rows):
        small = OPTIONS.model_copy(update={"chunk_rows": chunk_rows})
        pd.testing.assert_frame_equal(text_features(rows, small), text_features(rows))

    @laws
    @given(tables)
    @example([([None], [None, None], []), ([], [], [])])
    @example([(["x" * 50_000], ["\x00\x1f" * 25_000], ["word. " * 9_000])])
    @example([(["5 + 5 = ?"], ["".join(map(chr, range(0x0, 0x3000)))], ["\u202e\ufeff\U0010ffff"])])
    def test_every_feature_of_any_battle_is_finite_and_fits_the_schema(self, rows):
        features = text_features(rows)
        Features.validate(features)
        assert np.isfinite(features.to_numpy()).all()

    def test_an_answer_of_ten_megabytes_and_uneven_turns_are_measured(self):
        long = "The river runs down to the sea. " * 320_000
        features = compute_text_features(make_battles([(["Why?", "And?"], [long], ["x", None, "y"])]), OPTIONS)
        assert np.isfinite(Features.validate(features).drop(columns=ID).to_numpy()).all()

    @laws
    @given(texts, texts)
    def test_counts_add_up_over_turns(self, first, second):
        together, *apart = text_features([([], answer, []) for answer in ([first, second], [first], [second])]).to_dict(
            "records"
        )
        per_text = (
            "unique_words",
            "new_words",
            "compressed_bytes",
            "repeated_trigrams",
            "repeated_lines",
            "repeated_sentences",
        )
        for name in SIDE_SIZES:
            if name not in per_text and not name.startswith(("last_", "mean_", "longest_", "shortest_")):
                assert together[f"{name}__diff"] == sum(part[f"{name}__diff"] for part in apart), name


class TestTable:
    def test_there_are_at_least_150_columns_each_once_all_float32_after_the_id(self):
        features = text_features([(["p"], ["a"], ["b"])])
        assert features.columns[0] == ID
        assert features[ID].dtype == np.int64
        assert features.columns.is_unique
        assert features.shape[1] > 150
        assert set(features.dtypes.iloc[1:]) == {np.dtype("float32")}

    def test_ids_keep_their_order_whatever_the_index(self):
        battles = make_battles([(["p"], ["a"], ["b c"]), (["p"], ["a b c"], ["b"])]).set_index(pd.Index([9, 3]))
        features = compute_text_features(battles, OPTIONS)
        assert features[ID].tolist() == battles[ID].tolist()
        assert features["words__diff"].tolist() == [-1, 2]

    def test_turns_may_be_arrays_as_parquet_gives_them(self):
        rows = [(["p", "q"], ["a b", None], ["c", "d e f"])]
        battles = make_battles(rows)
        for name in ("prompt", "response_a", "response_b"):
            battles[name] = battles[name].map(lambda cell: np.array(cell, dtype=object))
        pd.testing.assert_frame_equal(compute_text_features(battles, OPTIONS), text_features(rows))

    def test_no_battles_give_every_column_and_no_row(self, vectorizer):
        none = make_battles([])
        some = make_battles([(["p"], ["a"], ["b"])])
        assert (
            compute_text_features(none, OPTIONS).columns.tolist()
            == compute_text_features(some, OPTIONS).columns.tolist()
        )
        latent = compute_lsa_features(none, vectorizer)
        assert latent.columns.tolist() == compute_lsa_features(some, vectorizer).columns.tolist()
        assert len(latent) == 0

    def test_a_missing_column_is_named(self):
        battles = make_battles([(["p"], ["a"], ["b"])]).drop(columns="response_b")
        with pytest.raises(ValueError, match=r"lack the columns \['response_b'\]"):
            compute_text_features(battles, OPTIONS)

    def test_every_name_in_a_table_of_names_exists(self):
        assert set(SIDE_SIZES) >= SUMMED
        assert {f"last_{name}" for name in LAST_TURN_COUNTS} <= set(SIDE_SIZES)
        assert {f"kind_{name}" for name in PROMPT_KINDS} <= set(PROMPT_QUANTITIES)
        assert not set(SIDE_SIZES) & set(SIDE_RATES)
        assert not any(FORM_SEPARATOR in name for name in [*SIDE_SIZES, *SIDE_RATES, *PROMPT_QUANTITIES])


class TestForms:
    def test_the_forms_of_a_size(self):
        features = contrast("one two three", "one")
        assert features["words__share"] == pytest.approx((3 - 1) / (3 + 1))
        assert features["words__sum"] == 4

    def test_zero_over_zero_is_zero(self):
        features = contrast("", "")
        assert features["words__share"] == 0
        assert features["sentence_words__diff"] == 0
        assert features["word_jaccard__pair"] == 0

    def test_each_side_is_measured_on_its_own_text(self):
        features = contrast("one", "one two three four five")
        assert features["words__diff"] == -4
        assert features["words__sum"] == 6
        assert features["longer_words__pair"] == 5
        assert features["shorter_words__pair"] == 1


COUNTS = [
    ("characters", "héllo", 5),
    ("characters", "漢字🙂", 3),
    ("words", "It's a well-known fact: 3.14 isn't 22/7.", 10),
    ("words", "日本語 text", 4),
    ("words", "привет мир", 2),
    ("unique_words", "The cat and the dog and the bird", 5),
    ("sentences", "Dr. No came. He left! Did he? Pi is 3.14.", 5),
    ("sentences", "No full stop", 1),
    ("sentences", 'He said "stop." Then he left...', 2),
    ("sentences", "这是第一句。这是第二句！", 2),
    ("paragraphs", "one\ntwo\n\nthree\n \n\nfour\n", 3),
    ("lines", "one\n\n  two\n   \nthree", 3),
    ("turns", "x", 1),
    ("headers", "# One\ntext # no\n### Two\n#hashtag\n####### seven", 2),
    ("bold", "**a** and **b c** and __d__ but not ** e", 3),
    ("italics", "*a* and *b c*, but not **d** and not 2 * 3 * 4", 2),
    ("bullets", "- a\n* b\n  + c\n• d\n-e\n2 - 1", 4),
    ("numbered_items", "1. a\n2) b\n  10. c\n1.5 d\n2023 e", 3),
    ("nested_items", "- a\n  - b\n\t1. c", 2),
    ("list_items", "- a\n1. b", 2),
    ("formatting", "# h\n- a\n**b**\n| c | d |", 4),
    ("code_fences", "```python\nx\n```\ntext", 2),
    ("code_characters", "ab ```x``` cd", 7),
    ("code_characters", "ab ```cut off", 10),
    ("inline_code", "use `a` and `b c`, not ```x```", 2),
    ("table_rows", "| a | b |\n|---|---|\n| 1 | 2 |\na | b", 3),
    ("links", "https://a.b and http://c.d and www.e.f", 3),
    ("latex", r"$$x$$ and \(y\) and \frac{1}{2} and $x^2$ for $5 or $6", 5),
    ("block_quotes", "> a\n> b\nc > d", 2),
    ("rules", "a\n---\nb\n***\n- - -", 2),
    ("quotes", "\"a\" “b”", 4),
    ("digits", "3.14 and 2", 4),
    ("numbers", "3.14, 1,000 and 2", 3),
    ("capitals", "Ab CD é É", 4),
    ("capitalised_words", "Paris and NATO in May", 2),
    ("acronyms", "NATO, the EU and A plan", 2),
    ("non_ascii", "naïve 漢", 2),
    ("emoji", "🙂 ok 🚀 ✅", 3),
    ("question_marks", "a? b？", 2),
    ("exclamation_marks", "a! b!! c！", 4),
    ("parentheses", "(a) (b)", 2),
    ("commas", "a, b，c、d", 3),
    ("colons", "a: b：c", 2),
    ("semicolons", "a; b", 1),
    ("dashes", "a – b — c - d e-f", 3),
    ("ellipses", "a... b…", 2),
    ("symbols", "a=b+c #1", 3),
    ("control_characters", "a\x00b\x7f\tc\n�", 3),
    ("null_turns", None, 1),
    ("null_turns", "", 0),
    ("empty_turns", " \n\t", 1),
    ("empty_turns", None, 0),
    ("unfinished_turns", "It ends in the mid", 1),
    ("unfinished_turns", "It ends here:", 1),
    ("unfinished_turns", "It ends here.  \n", 0),
    ("unfinished_turns", "", 0),
    ("odd_fences", "```python\nx", 1),
    ("odd_fences", "```python\nx\n```", 0),
    ("refusals", "I'm sorry, but I can't do that. I’m unable to comply.", 2),
    ("refusals", "You can help me; we cannot lose.", 0),
    ("apologies", "Sorry, I apologize. My apologies!", 3),
    ("ai_self", "As an AI language model, I have no body.", 1),
    ("politeness", "Please feel free to ask. Thank you!", 3),
    ("eager_openings", "Certainly! Here it is.", 1),
    ("eager_openings", "It is certainly here.", 0),
    ("closing_offers", "Let me know if you need more.", 2),
    ("conclusions", "In conclusion, yes.\nOverall, it is fine.", 2),
    ("examples", "For example, fruit such as apples.", 2),
    ("cautions", "It is important to consult a professional.", 3),
    ("concessions", "You are right, I made a mistake.", 2),
    ("steps", "Step 1: go. Step 2: stop. A step back.", 2),
    ("opinions", "I think so. In my opinion, no.", 2),
    ("role_leaks", "Yes.\nHuman: next\n### Instruction", 2),
    ("hedges", "It may be, perhaps it might.", 3),
    ("enthusiasm", "Great, absolutely fantastic!", 3),
    ("connectives", "However, it rained; therefore we left because of it.", 3),
    ("first_person", "I gave my book to me; it is mine", 4),
    ("first_person_plural", "We like our house", 2),
    ("second_person", "You know your way", 2),
    ("negations", "No, it isn't and can't be nothing", 4),
    ("imperatives", "Use it, then make sure", 2),
    ("long_words", "extraordinary elephant cat mammoth", 3),
    ("repeated_trigrams", "a b c a b c a b c", 4),
    ("repeated_lines", "x\ny\nx\n\nx", 2),
    ("repeated_sentences", "It is so. It costs 3.5. Is it so? **It IS so!** It is so", 2),
    ("repeated_sentences", "Pros:\n1. Cheap.\n2. Fast.\n\nCons:\n1. Heavy.\n**2.** Loud.", 0),
    ("repeated_sentences", "1. Cheap.\n2. Fast.\n3. Cheap!", 1),
    ("repeated_sentences", "是的。不是。是的。", 1),
    ("repeated_sentences", "- a b\n- a c\n* a b\n}\n}", 1),
    ("new_words", "Say something new", 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def counted() -> tuple[pd.DataFrame, pd.DataFrame]:
    battles = make_battles([(["Say something."], [text], []) for _, text, _ in COUNTS])
    return compute_text_features(battles, OPTIONS), compute_text_features(swap_battles(battles), OPTIONS)


class TestCounts:
    @pytest.mark.parametrize("row", range(len(COUNTS)), ids=[f"{name}-{text!a:.30}" for name, text, _ in COUNTS])
    def test_a_size_is_what_a_reader_counts_on_either_side(self, counted, row):
        quantity, _, count = COUNTS[row]
        on_a, on_b = counted
        assert on_a[f"{quantity}__diff"][row] == count
        assert on_b[f"{quantity}__diff"][row] == -count

    def test_every_size_but_the_derived_ones_is_in_the_table(self):
        derived = {name for name in SIDE_SIZES if name.startswith(("last_", "mean_", "longest_", "shortest_"))}
        assert {name for name, _, _ in COUNTS} == set(SIDE_SIZES) - derived - {"compressed_bytes"}

    def test_every_lexicon_is_lower_case_so_that_its_words_are_found(self):
        assert all(word == word.lower() for words in LEXICA.values() for word in words)


class TestTurns:
    def test_counts_are_summed_over_turns_and_kept_for_the_last(self):
        features = contrast(["one two three. four", "five."], ["six"])
        assert features["words__diff"] == 5 - 1
        assert features["last_words__diff"] == 1 - 1
        assert features["longest_turn_words__diff"] == 4 - 1
        assert features["shortest_turn_words__diff"] == 1 - 1
        assert features["mean_turn_words__diff"] == 2.5 - 1
        assert features["sentences__diff"] == 3 - 1
        assert features["turns__diff"] == 1
        assert features["last_turn_share__diff"] == pytest.approx(5 / 24 - 1)

    def test_a_null_turn_is_a_turn_and_no_turns_are_none(self):
        features = contrast([None], [])
        assert features["turns__diff"] == 1
        assert features["null_turns__diff"] == 1
        assert features["empty_turns__diff"] == 0

    def test_a_sentence_of_an_earlier_turn_is_repeated(self):
        assert contrast(["Yes. No.", "Yes."], ["Yes. No."])["repeated_sentences__diff"] == 1

    def test_no_ngram_crosses_from_one_turn_into_the_next(self):
        apart = contrast(["a b c", "d"], ["a b c d"])
        assert apart["word_jaccard__pair"] == 1
        assert apart["bigram_jaccard__pair"] == pytest.approx(2 / 3)
        assert apart["trigram_jaccard__pair"] == pytest.approx(1 / 2)


class TestRates:
    @pytest.mark.parametrize(
        ("quantity", "text", "rate"),
        [
            ("word_length", "ab abcd", 3),
            ("sentence_words", "One two. Three four five six.", 3),
            ("paragraph_words", "a b c\n\nd", 2),
            ("line_words", "a b c\nd", 2),
            ("long_word_share", "elephant cat", 1 / 2),
            ("syllables_per_word", "banana cat", 2),
            ("flesch_reading_ease", "The cat sat.", 206.835 - 1.015 * 3 - 84.6),
            ("type_token_ratio", "a b a b", 1 / 2),
            ("root_type_token_ratio", "a b a b", 1),
            ("function_word_share", "the cat", 1 / 2),
            ("capital_share", "Ab cD", 1 / 2),
            ("capitalised_share", "Paris rains", 1 / 2),
            ("digit_share", "1a", 1 / 2),
            ("non_ascii_share", "aé", 1 / 2),
            ("letter_share", "a1", 1 / 2),
            ("code_share", "ab```", 3 / 5),
            ("comma_rate", "a, b", 1 / 2),
            ("list_item_share", "- a\nb", 1 / 2),
            ("hedges_rate", "maybe so", 1 / 2),
            ("numbers_rate", "4 cats", 1 / 2),
            ("repeated_bigram_share", "a b a b", 1 / 3),
            ("repeated_trigram_share", "a b c a b c a", 2 / 5),
            ("repeated_line_share", "x\nx", 1 / 2),
            ("repeated_sentence_share", "Yes. No, no. Yes!", 3 / 11),
        ],
    )
    def test_a_rate_is_what_its_name_says(self, quantity, text, rate):
        assert contrast(text, [])[f"{quantity}__diff"] == pytest.approx(rate)
        assert contrast([], text)[f"{quantity}__diff"] == pytest.approx(-rate)

    def test_repetition_compresses(self):
        features = contrast("the same again " * 50, "".join(map(chr, range(0x21, 0x17F))))
        assert features["compression_ratio__diff"] < -0.5


class TestOverlap:
    def test_words_shared_with_the_prompt(self):
        features = contrast("cats chase grey mice", "dogs", prompt="do cats chase mice 12 times")
        assert features["prompt_word_jaccard__diff"] == pytest.approx(3 / 7)
        assert features["prompt_words_covered__diff"] == pytest.approx(3 / 6)
        assert features["prompt_terms_covered__diff"] == pytest.approx(3 / 4)
        assert features["words_from_prompt__diff"] == pytest.approx(3 / 4)
        assert features["bigrams_from_prompt__diff"] == pytest.approx(1 / 3)
        assert features["prompt_bigrams_covered__diff"] == pytest.approx(1 / 5)
        assert features["prompt_figures_covered__diff"] == 0
        assert features["new_words__diff"] == 0

    def test_a_copied_prompt_is_seen(self):
        prompt = "Please tell me about the history of tea"
        features = contrast(prompt, "Tea comes from China.", prompt=prompt)
        assert features["trigrams_from_prompt__diff"] == 1
        assert features["prompt_trigrams_covered__diff"] == 1

    def test_the_jaccard_indices_of_the_answers(self):
        features = contrast("the red cat has 9 lives", "the red dog has 9 lives too")
        assert features["word_jaccard__pair"] == pytest.approx(5 / 8)
        assert features["bigram_jaccard__pair"] == pytest.approx(3 / 8)
        assert features["trigram_jaccard__pair"] == pytest.approx(1 / 8)
        assert features["figure_jaccard__pair"] == 1
        assert features["word_overlap__pair"] == pytest.approx(5 / 6)

    def test_battles_of_one_table_do_not_share_words(self):
        rows = [(["p"], ["alpha beta"], ["gamma"]), (["gamma"], ["gamma"], ["alpha beta"])]
        assert text_features(rows)["word_jaccard__pair"].tolist() == [0, 0]

    def test_identical_answers_are_at_no_distance(self):
        same, other = contrast("The answer is 42. " * 20, "The answer is 42. " * 20), contrast("abc" * 50, "xyz0" * 60)
        assert same["identical__pair"] == 1
        assert same["word_jaccard__pair"] == 1
        assert same["compression_distance__pair"] < other["compression_distance__pair"]
        assert other["identical__pair"] == 0

    def test_the_compression_distance_tells_a_copy_from_another_text(self):
        rng = np.random.default_rng(0)
        one, two = ("".join(map(chr, rng.integers(97, 123, 600))) for _ in range(2))
        assert contrast(one, one)["compression_distance__pair"] < 0.2
        assert contrast(one, two)["compression_distance__pair"] > 0.9

    def test_agreement_in_the_last_number_and_in_the_opening(self):
        features = contrast("Adding them, we find 12 and then 42.", "Adding them, we find that it is 42")
        assert features["same_last_number__pair"] == 1
        assert features["same_opening__pair"] == 1
        assert contrast("It is 41.", "It is 42.")["same_last_number__pair"] == 0
        assert contrast("none", "none")["same_last_number__pair"] == 0
        assert contrast("", "")["same_opening__pair"] == 0

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
    def test_both_means_both(self, quantity, text):
        assert contrast([text], [text])[f"{quantity}__pair"] == 1
        assert contrast([text], "Fine.")[f"{quantity}__pair"] == 0

    def test_an_answer_in_another_script_or_language_than_the_prompt_is_seen(self):
        prompt = "Why is the sky blue and not green? Explain it to me with the help of physics."
        english = "The sky is blue in the day because of the way that light is scattered by the air."
        assert contrast("Небо голубое из-за рассеяния света.", english, prompt)["script_mismatch__diff"] == 1
        assert (
            contrast("Der Himmel ist blau und das ist nicht die Farbe der Luft.", english, prompt)[
                "language_mismatch__diff"
            ]
            > 0.7
        )
        assert contrast(english, english, prompt)["script_mismatch__diff"] == 0


PROMPTS_OF_KINDS = [
    ("Write a Python function that sorts.", "code"),
    ("Solve 3x + 5 = 11", "maths"),
    ("Give me 5 ideas for a party", "list"),
    ("Write a poem about rain", "writing"),
    ("Summarize this text", "rewriting"),
    ("Extract the names", "extraction"),
    ("Act as a pirate", "role_play"),
    ("Answer in one sentence", "brevity"),
    ("Explain in detail", "detail"),
    ("Return JSON", "format"),
    ("Compare tea and coffee", "comparison"),
    ("Who was Ada Lovelace?", "factual"),
    ("How do I bake bread?", "how_to"),
    ("Are you sure? That is wrong.", "correction"),
    ("How to build a bomb", "sensitive"),
    ("Hello there", "greeting"),
    ("A riddle for you", "reasoning"),
    ("What is your favorite film?", "opinion"),
]


class TestPrompt:
    @pytest.mark.parametrize(("prompt", "kind"), PROMPTS_OF_KINDS)
    def test_the_kind_of_a_prompt_is_seen(self, prompt, kind):
        rows = [([prompt], ["x"], ["y"]), (["Tell the tale of rain, hills and seas."], ["x"], ["y"])]
        assert text_features(rows)[f"kind_{kind}__prompt"].tolist() == [1, 0]

    def test_every_kind_has_a_case(self):
        assert {kind for _, kind in PROMPTS_OF_KINDS} == set(PROMPT_KINDS)

    def test_an_asked_length_is_compared_with_the_length_given(self):
        features = contrast("word " * 50, "word " * 10, prompt="Describe the sea in 50 words.")
        assert features["asked_words__prompt"] == 50
        assert features["asked_words_missed__diff"] == pytest.approx(np.log(11 / 51))
        assert contrast("a", "a b")["asked_words_missed__diff"] == 0

    def test_prompt_quantities_are_summed_over_turns(self):
        features = text_features([(["one two?", "three?"], ["x"], ["y"])]).iloc[0]
        assert features["turns__prompt"] == 2
        assert features["words__prompt"] == 3
        assert features["question_marks__prompt"] == 2
        assert features["last_words__prompt"] == 1


@pytest.fixture(scope="module")
def battles() -> pd.DataFrame:
    """Two topics without a common word; answer a is on the prompt's topic and answer b on the other."""
    rng = np.random.default_rng(1)
    topics = (["tea", "cup", "leaf", "hot", "water"], ["code", "loop", "array", "bug", "type"])

    def write(topic: int) -> Turns:
        return [" ".join(rng.choice(topics[topic], 8))]

    return make_battles([(write(k % 2), write(k % 2), write((k + 1) % 2)) for k in range(30)])


class TestTextVectorizer:
    def test_skops_carries_it_without_trusting_any_type(self, battles):
        fitted = fit_char_lsa(battles, CharLsaConfig(**VECTORIZER), seed=0)
        content = io.dumps(fitted)
        assert io.get_untrusted_types(data=content) == []
        pd.testing.assert_frame_equal(
            compute_lsa_features(battles, io.loads(content, trusted=[])), compute_lsa_features(battles, fitted)
        )

    def test_the_same_seed_gives_the_same_vectorizer(self, battles):
        options = CharLsaConfig(**{**VECTORIZER, "max_fit_texts": 20})
        once, again, other = (fit_char_lsa(battles, options, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(once["svd"].components_, again["svd"].components_)
        assert not np.array_equal(once["tfidf"].idf_, other["tfidf"].idf_)

    def test_it_reads_no_more_texts_than_allowed(self, battles):
        one_each = make_battles([([chr(ord("一") + k)], ["x"], ["x"]) for k in range(40)])
        fitted = fit_char_lsa(one_each, CharLsaConfig(**{**VECTORIZER, "max_fit_texts": 25}), seed=0)
        assert len(fitted["ngrams"].vocabulary_) == 25

    def test_a_small_vocabulary_gives_fewer_components(self):
        few = make_battles([(["x y"], ["y"], ["x"])])
        fitted = fit_char_lsa(few, CharLsaConfig(**{**VECTORIZER, "n_components": 50}), seed=0)
        assert fitted["svd"].components_.shape == (2, 2)

    def test_no_vocabulary_of_a_single_battle_says_what_to_change(self):
        few = make_battles([(["red"], ["blue"], ["green"])])
        told = r"3 distinct texts of 1 battles.*Lower features\.vectorizer\.min_df.*or give more battles"
        with pytest.raises(ValueError, match=told):
            fit_char_lsa(few, CharLsaConfig(**{**VECTORIZER, "min_df": 2}), seed=0)

    def test_the_answer_on_the_prompts_topic_is_nearer_to_the_prompt(self, battles):
        fitted = fit_char_lsa(battles, CharLsaConfig(**VECTORIZER), seed=0)
        features = compute_lsa_features(battles, fitted)
        Features.validate(features)
        assert (features["tfidf_prompt_cosine__diff"] > 0.3).all()
        assert (features["latent_prompt_cosine__diff"] > 0.3).all()
        assert (features["tfidf_cosine__pair"] == 0).all()

    def test_identical_answers_have_cosine_one_and_no_difference(self, battles):
        same = battles.assign(response_b=battles["response_a"])
        features = compute_lsa_features(same, fit_char_lsa(battles, CharLsaConfig(**VECTORIZER), seed=0))
        np.testing.assert_allclose(features[["tfidf_cosine__pair", "latent_cosine__pair"]], 1, atol=1e-5)
        assert (features["latent_distance__pair"] == 0).all()
        assert (features.filter(regex="__diff$") == 0).all(axis=None)

    def test_texts_of_unknown_words_have_cosine_zero(self, vectorizer):
        features = compute_lsa_features(make_battles([(["zzz"], ["qqq"], [None])]), vectorizer)
        assert (features.drop(columns=ID) == 0).all(axis=None)

    def test_each_distinct_word_is_cut_into_ngrams_once(self, battles, vectorizer, monkeypatch):
        seen = []
        transform = vectorizer["ngrams"].transform
        monkeypatch.setattr(vectorizer["ngrams"], "transform", lambda words: (seen.extend(words), transform(words))[1])
        compute_lsa_features(pd.concat([battles, battles, swap_battles(battles)]), vectorizer)
        assert sorted(seen) == ["array", "bug", "code", "cup", "hot", "leaf", "loop", "tea", "type", "water"]

    def test_the_number_of_battles_held_at_a_time_changes_nothing(self, battles, vectorizer, monkeypatch):
        at_once = compute_lsa_features(battles, vectorizer)
        monkeypatch.setattr(nodes, "_LATENT_ROWS", 7)
        pd.testing.assert_frame_equal(compute_lsa_features(battles, vectorizer), at_once, check_exact=True)


WORDS = WordTfidfConfig(ngram_max=2, min_df=2, max_features=100, max_fit_texts=100)


def to_array(differences: pd.DataFrame, vocabulary: int = 100) -> np.ndarray:
    TfidfDifferences.validate(differences)
    table = np.zeros((len(differences), vocabulary), dtype=np.float32)
    for row, (words, weights) in enumerate(zip(differences["words"], differences["weights"], strict=True)):
        table[row, words] = weights
    return table


class TestWordDifferences:
    def test_they_are_the_weights_of_a_minus_those_of_b(self, battles):
        vectorizer = fit_word_tfidf(battles, WORDS, seed=0)
        differences = compute_tfidf_differences(battles, vectorizer)
        a, b = (vectorizer.transform(battles[side].map(" ".join)).toarray() for side in ("response_a", "response_b"))
        np.testing.assert_array_equal(to_array(differences, a.shape[1]), a - b)
        np.testing.assert_array_equal(differences[ID], battles[ID])
        assert set(differences["vocabulary"]) == {a.shape[1]}
        assert {"tea", "leaf hot"} <= set(vectorizer.vocabulary_)

    @laws
    @given(rows=tables)
    def test_swapping_sides_negates_them_exactly(self, rows):
        battles = make_battles([*rows, (["p"], ["word here"], ["word there"]), (["p"], ["word"], ["word"])])
        vectorizer = fit_word_tfidf(battles, WORDS, seed=0)
        there, back = (
            to_array(compute_tfidf_differences(table, vectorizer)) for table in (battles, swap_battles(battles))
        )
        np.testing.assert_array_equal(back, -there)

    def test_the_number_of_battles_held_at_a_time_changes_nothing(self, battles, monkeypatch):
        vectorizer = fit_word_tfidf(battles, WORDS, seed=0)
        at_once = compute_tfidf_differences(battles, vectorizer)
        monkeypatch.setattr(nodes, "_LATENT_ROWS", 7)
        pd.testing.assert_frame_equal(compute_tfidf_differences(battles, vectorizer), at_once, check_exact=True)

    def test_no_battles_give_no_row(self, battles):
        vectorizer = fit_word_tfidf(battles, WORDS, seed=0)
        assert TfidfDifferences.validate(compute_tfidf_differences(make_battles([]), vectorizer)).empty

    def test_skops_carries_the_vectorizer_without_trusting_any_type(self, battles):
        fitted = fit_word_tfidf(battles, WORDS, seed=0)
        content = io.dumps(fitted)
        assert io.get_untrusted_types(data=content) == []
        loaded = compute_tfidf_differences(battles, io.loads(content, trusted=[]))
        pd.testing.assert_frame_equal(loaded, compute_tfidf_differences(battles, fitted), check_exact=True)

    def test_no_vocabulary_says_what_to_change(self):
        with pytest.raises(ValueError, match=r"Lower features\.words\.min_df"):
            fit_word_tfidf(make_battles([(["p"], ["?"], ["!"])]), WORDS, seed=0)


class TestOptions:
    def test_a_typo_is_named(self):
        with pytest.raises(ValidationError, match="chunk_row\n"):
            TextFeatureConfig(chunk_row=3, compressed_characters=1000)

    def test_ngrams_run_from_the_shorter_to_the_longer(self):
        with pytest.raises(ValidationError, match="ngram_min 3 is above ngram_max 2"):
            CharLsaConfig(**{**VECTORIZER, "ngram_min": 3, "ngram_max": 2})
