import pytest

PAIR = {"prompt": "Why?", "a": "Because of this.", "b": "No."}
OPEN = ["/health", "/", "/page.js", "/page.css", "/docs", "/docs.js", "/openapi.json"]
CLOSED = ["/ready", "/model", "/metrics", "/nowhere"]


def test_all_but_health_and_the_page_needs_the_token(make_client) -> None:
    with make_client(token="open sesame") as client:  # noqa: S106
        for path in OPEN:
            assert client.get(path).status_code == 200
        for path in CLOSED:
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert client.post("/v1/compare", json=PAIR).status_code == 401
        assert client.post("/v1/score", content="{}").status_code == 401


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer open sesame", 200),
        ("bearer open sesame", 200),
        ("Bearer open", 401),
        ("Bearer ", 401),
        ("Bearer öffne".encode("latin-1"), 401),
        ("Basic open sesame", 401),
        ("open sesame", 401),
    ],
)
def test_the_token_is_checked(make_client, header: str, status: int) -> None:
    with make_client(token="open sesame") as client:  # noqa: S106
        assert client.get("/ready", headers={"Authorization": header}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "judge.example"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:8000"}, 403),
        ({"Host": "["}, 403),
        ({"Host": ""}, 403),
        ({"Host": "127.0.0.1", "Origin": "https://evil.example"}, 403),
        ({"Host": "127.0.0.1", "Origin": "null"}, 403),
    ],
)
def test_a_service_on_loopback_answers_to_its_own_names(make_client, headers: dict[str, str], status: int) -> None:
    with make_client(allowed_hosts=("judge.example",)) as client:
        assert client.get("/ready", headers=headers).status_code == status


def test_another_address_answers_to_any_name(make_client) -> None:
    with make_client(host="0.0.0.0", allow_anonymous=True) as client:  # noqa: S104
        assert client.get("/ready", headers={"Host": "judge.example"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/page.js", "/ready", "/nowhere", "/metrics"])
def test_every_answer_has_the_security_headers(make_client, path: str) -> None:
    with make_client() as client:
        headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "server" not in headers
