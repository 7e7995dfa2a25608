from hypothesis import given
from hypothesis import strategies as st

from arena_preference.pipelines.finetuning.tokenization import Turn, fit_turns, share_budget

LENGTHS = st.integers(0, 60)
BUDGETS = st.integers(0, 150)


def count(turns: list[Turn]) -> int:
    return sum(len(text) for turn in turns for text in turn)


@given(st.lists(LENGTHS, min_size=2, max_size=3), BUDGETS)
def test_the_budget_is_used_up_except_for_an_odd_token(lengths: list[int], budget: int) -> None:
    kept = share_budget(lengths, budget)
    assert sum(kept) <= budget
    assert sum(kept) >= min(sum(lengths), budget) - (len(lengths) == 3)
    assert all(0 <= size <= length for size, length in zip(kept, lengths, strict=True))


@given(LENGTHS, LENGTHS, LENGTHS, BUDGETS)
def test_swapping_the_responses_swaps_their_shares(prompt: int, a: int, b: int, budget: int) -> None:
    of_prompt, of_a, of_b = share_budget([prompt, a, b], budget)
    assert share_budget([prompt, b, a], budget) == [of_prompt, of_b, of_a]


@given(LENGTHS, LENGTHS, LENGTHS, BUDGETS)
def test_the_longer_response_is_cut_first_and_none_exceeds_its_share_while_another_is_cut(
    prompt: int, a: int, b: int, budget: int
) -> None:
    of_prompt, of_a, of_b = share_budget([prompt, a, b], budget)
    if of_a < a and of_b < b:
        assert of_a == of_b
    if of_a < a:
        assert of_b <= of_a
        assert of_prompt <= of_a // 2 + 2
    if of_prompt < prompt:
        assert max(of_a, of_b) <= 2 * of_prompt + 1


def test_shares_are_one_to_two_to_two() -> None:
    assert share_budget([100, 100, 100], 50) == [10, 20, 20]
    assert share_budget([100, 100], 30) == [10, 20]


def test_what_one_does_not_need_goes_to_the_others() -> None:
    assert share_budget([4, 100, 100], 50) == [4, 23, 23]
    assert share_budget([100, 5, 100], 50) == [15, 5, 30]


@given(st.lists(st.tuples(LENGTHS, LENGTHS, LENGTHS), min_size=1, max_size=6), BUDGETS, st.integers(0, 3))
def test_a_conversation_fits_and_keeps_its_end(sizes: list[tuple[int, int, int]], budget: int, overhead: int) -> None:
    turns: list[Turn] = [tuple([number] * size for size in turn) for number, turn in enumerate(sizes)]

    def find_budget(number: int) -> int:
        return max(0, budget - overhead * (number - 1))

    kept = fit_turns(turns, find_budget)
    assert count(kept) <= find_budget(len(kept))
    if len(kept) > 1:
        # Whole turns, and as many as fit.
        assert kept == turns[-len(kept) :]
        assert len(kept) == len(turns) or count(turns[-len(kept) - 1 :]) > find_budget(len(kept) + 1)
    else:
        whole = turns[-1]
        (last,) = kept
        assert all(part == text[len(text) - len(part) :] for part, text in zip(last, whole, strict=True))


def test_early_turns_are_dropped_before_the_last_is_cut_and_that_keeps_its_ends() -> None:
    turns: list[Turn] = [([0, 0], [0, 0]), ([1, 2, 3], [4, 5, 6, 7])]
    assert fit_turns(turns, lambda _: 11) == turns
    assert fit_turns(turns, lambda _: 10) == turns[1:]
    assert fit_turns(turns, lambda _: 3) == [([3], [6, 7])]
