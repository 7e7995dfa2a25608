"""A teacher labels battles fold by fold, and a student learns from its labels and from the votes."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from arena_preference.battles import ID, LABEL_COLUMNS
from arena_preference.metrics import compute_losses, select_probabilities
from arena_preference.pipelines.distil.nodes import label_battles
from arena_preference.pipelines.modelling.calibration import average_orders
from arena_preference.pipelines.modelling.fitting import fit_preference_model
from arena_preference.pipelines.modelling.linear_model import fit_linear_model
from arena_preference.pipelines.student.config import StudentConfig
from arena_preference.pipelines.student.nodes import fit_student, join_soft_labels, leave_out_cross_encoders
from arena_preference.symmetry import swap_probabilities
from arena_preference.targets import read_targets

from ..modelling.conftest import CONFIG, SUMMARY, change_labels, set_votes, swap_input

Teach = Callable[..., pd.DataFrame]
Learn = Callable[..., pd.DataFrame]

FOLD = 1


@pytest.fixture
def unlabelled(model_input: pd.DataFrame) -> pd.DataFrame:
    """Features of 60 other battles."""
    return model_input[:60].assign(id=[f"new-{number}" for number in range(60)])


@pytest.fixture
def teach(model_input: pd.DataFrame, unlabelled: pd.DataFrame) -> Teach:
    """The soft labels of a teacher that has learned from some votes."""

    def make_labels(
        labels: pd.DataFrame,
        cross_encoder_logits: pd.DataFrame | None = None,
        fold_logits: pd.DataFrame | None = None,
        battles: pd.DataFrame = unlabelled,
    ) -> pd.DataFrame:
        linear_model, linear_logits = fit_linear_model(model_input, labels, SUMMARY, CONFIG)
        logits = labels[[ID]] if cross_encoder_logits is None else cross_encoder_logits
        model, calibration, _ = fit_preference_model(model_input, linear_logits, logits, labels, CONFIG, seed=0)
        fold_logits = battles[[ID]] if fold_logits is None else fold_logits
        return label_battles(battles, fold_logits, linear_model, model, calibration)

    return make_labels


@pytest.fixture
def learn(model_input: pd.DataFrame, unlabelled: pd.DataFrame) -> Learn:
    """The out-of-fold logits of a student."""

    def fit(labels: pd.DataFrame, soft_labels: pd.DataFrame, weight: float = 1.0) -> pd.DataFrame:
        linear_model, linear_logits = fit_linear_model(model_input, labels, SUMMARY, CONFIG)
        joined = join_soft_labels(unlabelled, linear_model, soft_labels, StudentConfig(weight=weight))
        return fit_student(model_input, linear_logits, labels, joined, CONFIG, 0)[2]

    return fit


def select(table: pd.DataFrame, fold: int) -> pd.DataFrame:
    return table[table["fold"] == fold].reset_index(drop=True)


def test_no_vote_of_a_fold_reaches_its_soft_labels_nor_the_students_scores(
    teach: Teach, learn: Learn, labels: pd.DataFrame
) -> None:
    changed = change_labels(labels, labels["fold"] == FOLD)
    soft, soft_after = teach(labels), teach(changed)
    pd.testing.assert_frame_equal(select(soft_after, FOLD), select(soft, FOLD), check_exact=True)
    scores, scores_after = learn(labels, soft), learn(changed, soft_after)
    pd.testing.assert_frame_equal(select(scores_after, FOLD), select(scores, FOLD), check_exact=True)
    for other in {0, 1, 2} - {FOLD}:
        assert not select(soft_after, other).equals(select(soft, other))
        assert not select(scores_after, other).equals(select(scores, other))
    # The labels of another fold's teacher, which has seen these votes, do change the scores.
    exchanged, exchanged_after = (
        pd.concat([select(table, 0).assign(fold=fold) for fold in range(3)]) for table in (soft, soft_after)
    )
    of_fold = select(learn(labels, exchanged), FOLD)
    assert not select(learn(changed, exchanged_after), FOLD).equals(of_fold)


def test_each_battle_has_a_distribution_per_fold_and_a_swap_exchanges_it(
    teach: Teach, labels: pd.DataFrame, unlabelled: pd.DataFrame
) -> None:
    soft = teach(labels)
    assert soft[[ID, "fold"]].value_counts().eq(1).all()
    assert len(soft) == 3 * len(unlabelled)
    np.testing.assert_allclose(select_probabilities(soft).sum(axis=1), 1)
    after = teach(labels, battles=swap_input(unlabelled))
    np.testing.assert_array_equal(select_probabilities(after), swap_probabilities(select_probabilities(soft)))


def test_without_ties_the_soft_labels_have_none(teach: Teach, labels: pd.DataFrame) -> None:
    assert (teach(set_votes(labels, labels["label"] % 2))["winner_tie"] == 0).all()


def test_the_cross_encoder_of_each_fold_is_part_of_its_soft_labels(
    teach: Teach, labels: pd.DataFrame, unlabelled: pd.DataFrame
) -> None:
    ids = unlabelled[ID]
    votes = pd.DataFrame(read_targets(labels), columns=list(LABEL_COLUMNS)) + 1
    cross_encoder_logits = votes.assign(id=labels[ID])
    # The cross encoder of fold k is sure of class k.
    fold_logits = pd.concat(
        [
            pd.DataFrame(np.tile(20 * np.eye(3)[fold], (len(ids), 1)), columns=list(LABEL_COLUMNS)).assign(
                id=ids.to_numpy()[::-1], fold=fold
            )
            for fold in range(3)
        ]
    )
    soft = teach(labels, cross_encoder_logits, fold_logits)
    assert (select_probabilities(soft).argmax(axis=1) == soft["fold"]).all()
    with pytest.raises(ValueError, match=r"cross_encoder_logits.*from_run"):
        teach(labels, cross_encoder_logits, fold_logits[1:])


def test_a_student_learns_from_the_soft_labels(learn: Learn, teach: Teach, labels: pd.DataFrame) -> None:
    def compute_loss(scores: pd.DataFrame) -> float:
        return float(compute_losses(softmax(average_orders(scores), axis=1), read_targets(labels)).mean())

    soft = teach(labels)
    # Labels that are the opposite of what the features say.
    wrong = soft.rename(columns={LABEL_COLUMNS[0]: LABEL_COLUMNS[1], LABEL_COLUMNS[1]: LABEL_COLUMNS[0]})
    losses = [compute_loss(learn(labels, wrong, weight)) for weight in (1e-6, 1, 10)]
    assert losses == sorted(losses)
    assert losses[2] > losses[0] + 0.1
    assert compute_loss(learn(labels, soft, 10)) < losses[0] + 0.02


def test_soft_labels_of_other_battles_are_rejected(learn: Learn, teach: Teach, labels: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"soft_labels.*59 rows for 60 ids.*from_run"):
        learn(labels, teach(labels)[1:])


def test_a_student_has_no_cross_encoders(battles: pd.DataFrame) -> None:
    cross_encoders, train, test = leave_out_cross_encoders(battles, battles[:3])
    assert cross_encoders == {}
    assert list(train) == list(test) == [ID]
    assert (len(train), len(test)) == (len(battles), 3)


def test_a_weight_of_0_is_rejected() -> None:
    with pytest.raises(ValueError, match="weight"):
        StudentConfig(weight=0)
