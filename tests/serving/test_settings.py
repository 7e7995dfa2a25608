import pytest
from pydantic import ValidationError

from arena_preference.serving import ServiceSettings


def test_the_default_is_loopback_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARENA_PREFERENCE_TOKEN", raising=False)
    settings = ServiceSettings()
    assert (settings.host, settings.token, settings.is_loopback) == ("127.0.0.1", None, True)


def test_the_token_is_read_from_the_environment_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_PREFERENCE_TOKEN", "open sesame\n")
    settings = ServiceSettings(host="0.0.0.0")  # noqa: S104
    assert settings.token.get_secret_value() == "open sesame"
    assert "sesame" not in repr(settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "judge.example"])  # noqa: S104
def test_an_address_that_others_reach_needs_a_token_or_the_flag(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("ARENA_PREFERENCE_TOKEN", " ")
    with pytest.raises(ValidationError, match=r"ARENA_PREFERENCE_TOKEN.*allow_anonymous"):
        ServiceSettings(host=host)
    assert not ServiceSettings(host=host, allow_anonymous=True).is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_needs_none(host: str) -> None:
    assert ServiceSettings(host=host, token=None).is_loopback
