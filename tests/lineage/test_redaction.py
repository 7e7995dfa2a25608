"""Secrets are not recorded."""

import pytest

from arena_preference.lineage.redaction import MASK, list_secrets, redact


def test_all_but_the_shortest_texts_of_the_credentials_are_secret() -> None:
    credentials = {"s3": {"key": "abcd", "tls": True, "list": ["efgh", 5]}, "user": "me"}
    assert list_secrets(credentials) == {"abcd", "efgh"}


@pytest.mark.parametrize(
    ("value", "redacted"),
    [
        ({"hub_token": "hf_1", "max_tokens": 512}, {"hub_token": MASK, "max_tokens": 512}),
        ({"tokens": "many", "keys": [1]}, {"tokens": "many", "keys": [1]}),
        ({"deep": [{"password": "x"}]}, {"deep": [{"password": MASK}]}),
        ({"api-key": None, "store": {"secret": "x"}}, {"api-key": None, "store": {"secret": MASK}}),
        ("kedro run --params=kaggle.key=12,seed=1", f"kedro run --params=kaggle.key={MASK},seed=1"),
        ("kedro run --params=kaggle.token:12", f"kedro run --params=kaggle.token:{MASK}"),
        ("https://me:pass@host/x", f"https://{MASK}@host/x"),
        ("says open sesame", f"says {MASK}"),
        (("open sesame", 1.5), [MASK, 1.5]),
        ("monkey=1", "monkey=1"),
    ],
)
def test_only_secrets_are_replaced(value, redacted) -> None:
    assert redact(value, {"open sesame"}) == redacted
