import pandas as pd

from arena_preference.targets import are_plain, list_examples, read_targets, read_votes


def test_plain_votes_are_the_rows_themselves_without_weights(labels: pd.DataFrame) -> None:
    votes = read_votes(labels)
    rows, classes, weights = list_examples(votes)
    assert rows.tolist() == list(range(len(labels)))
    assert classes.tolist() == labels["label"].tolist()
    assert weights is None
    assert are_plain(votes)


def test_a_soft_label_is_one_example_per_class_weighted_by_probability_times_weight(labels: pd.DataFrame) -> None:
    labels = labels[:2].assign(weight=[1.0, 2.0])
    labels.iloc[1, labels.columns.get_loc("label_winner_model_a") : labels.columns.get_loc("weight")] = [0.5, 0, 0.5]
    assert read_targets(labels)[1].tolist() == [0.5, 0.0, 0.5]
    votes = read_votes(labels)
    assert votes[1].tolist() == [1.0, 0.0, 1.0]
    assert not are_plain(votes)
    votes[1] /= 4
    rows, classes, weights = list_examples(votes)
    assert rows.tolist() == [0, 1, 1]
    assert classes[1:].tolist() == [0, 2]
    assert weights is not None
    assert weights.tolist() == [1.0, 0.25, 0.25]
