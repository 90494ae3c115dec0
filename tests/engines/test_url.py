"""Addresses as people write them, and proxies as environments name them."""

from __future__ import annotations

import pytest

from steelyard.domain.errors import BadInput
from steelyard.engines.url import Endpoint, proxy_for

CHAT = "/v1/chat/completions"


def chat(url: str) -> str:
    endpoint = Endpoint.read(url)
    return endpoint.origin + endpoint.target(CHAT)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("http://h:8000", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1/", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1/chat/completions", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1/models", "http://h:8000/v1/chat/completions"),
        ("HTTPS://H/gate", "https://h/gate/v1/chat/completions"),
        ("https://h/gate/v1", "https://h/gate/v1/chat/completions"),
        ("https://h/api/paas/v4", "https://h/api/paas/v4/chat/completions"),
        ("https://h/v1beta/openai/chat/completions", "https://h/v1beta/openai/chat/completions"),
        ("https://h/chat/completions", "https://h/chat/completions"),
    ],
)
def test_the_chat_route_is_found(written: str, asked: str) -> None:
    assert chat(written) == asked


def test_the_servers_own_routes_lie_beside_the_api_not_in_it() -> None:
    endpoint = Endpoint.read("https://h/gate/v1/chat/completions")
    assert endpoint.target("/tokenize") == "/gate/tokenize"
    assert endpoint.base_path == "/gate"
    assert str(endpoint) == "https://h/gate/v1"


@pytest.mark.parametrize(
    ("written", "host", "port", "authority"),
    [
        ("http://h", "h", 80, "h"),
        ("http://h:80", "h", 80, "h"),
        ("https://h", "h", 443, "h"),
        ("https://h:80", "h", 80, "h:80"),
        ("http://h:443", "h", 443, "h:443"),
        ("http://h.example.", "h.example", 80, "h.example"),
        ("http://[::1]:8000", "::1", 8000, "[::1]:8000"),
        ("https://[2001:DB8:0::1]", "2001:db8::1", 443, "[2001:db8::1]"),
        ("http://[fe80::1%25eth0]:81", "fe80::1%eth0", 81, "[fe80::1]:81"),
        ("http://10.0.0.7:1", "10.0.0.7", 1, "10.0.0.7:1"),
        ("http://my_box:65535", "my_box", 65535, "my_box:65535"),
    ],
)
def test_host_and_port_are_read_and_written(
    written: str, host: str, port: int, authority: str
) -> None:
    endpoint = Endpoint.read(written)
    assert (endpoint.host, endpoint.port, endpoint.authority) == (host, port, authority)


@pytest.mark.parametrize(
    ("written", "what", "way_out"),
    [
        ("localhost:8000", "http or https", "http://localhost:8000"),
        ("h/v1", "http or https", "http://h/v1"),
        ("", "http or https", "http://"),
        ("ftp://h", "ftp://", "http://h"),
        ("ws://h:1/v1", "ws://", "http://h:1/v1"),
        ("http://", "no host", "http://127.0.0.1"),
        ("http:///v1", "no host", "http://127.0.0.1"),
        ("http://:8000", "no host", "http://127.0.0.1"),
        ("http://-h", "no host", "http://127.0.0.1"),
        ("http://a..b", "no host", "http://127.0.0.1"),
        ("http://256.1.1.1", "no address", "four numbers"),
        ("http://10.1", "no address", "four numbers"),
        ("http://[::1", "no URL", "http://127.0.0.1"),
        ("http://[zz::1]", "zz", "http://127.0.0.1"),
        ("http://h:0", "port", "65535"),
        ("http://h:", "port", "65535"),
        ("http://h:65536", "port", "65535"),
        ("http://h:80a", "port", "65535"),
        ("http://h/../v1", "path", "http://127.0.0.1"),
        ("http://h//v1", "path", "http://127.0.0.1"),
        ("http://h/a\\b", "path", "http://127.0.0.1"),
        ("http://h\n:80", "space", "percent"),
        ("http://h /v1", "space", "percent"),
        ("http://hö/v1", "letter", "xn--"),
        ("http://h/v1#top", "fragment", "write http://h/v1;"),
    ],
)
def test_what_cannot_be_an_address_is_refused_with_the_way_out(
    written: str, what: str, way_out: str
) -> None:
    with pytest.raises(BadInput, match=what) as caught:
        Endpoint.read(written)
    assert way_out in caught.value.hint


@pytest.mark.parametrize(
    "written",
    [
        "http://me:hunter2@h",
        "me:hunter2@h",
        "http://hunter2@h/v1",
        "http://me:hun/hunter2@h",
        "http://h/v1?api_key=hunter2",
        "h?hunter2",
        "http://h#hunter2",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(written: str) -> None:
    with pytest.raises(BadInput) as caught:
        Endpoint.read(written)
    assert "hunter2" not in str(caught.value) + caught.value.hint
    assert "--api-key-env" in caught.value.hint


@pytest.mark.parametrize(
    ("written", "stays"),
    [
        ("http://localhost", True),
        ("http://api.localhost", True),
        ("http://127.8.0.1", True),
        ("http://[::1]", True),
        ("http://localhost.example.com", False),
        ("http://10.0.0.1", False),
    ],
)
def test_what_stays_on_this_machine_is_known(written: str, stays: bool) -> None:
    assert Endpoint.read(written).loopback is stays


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, None),
        ({"HTTP_PROXY": ""}, None),
        ({"HTTP_PROXY": "http://p:3128"}, "HTTP_PROXY (http://p:3128)"),
        ({"http_proxy": "a:1", "HTTP_PROXY": "b:2"}, "http_proxy (a:1)"),
        ({"ALL_PROXY": "socks5://p:1"}, "ALL_PROXY (socks5://p:1)"),
        ({"HTTPS_PROXY": "http://p:3128"}, None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "*"}, None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "other, example.com"}, None),
        ({"HTTP_PROXY": "p", "no_proxy": ".example.com"}, None),
        ({"HTTP_PROXY": "p", "no_proxy": "*.example.com"}, None),
        ({"HTTP_PROXY": "p", "no_proxy": "api.example.com:8000"}, None),
        ({"HTTP_PROXY": "p", "no_proxy": "api.example.com:9000"}, "HTTP_PROXY (p)"),
        ({"HTTP_PROXY": "p", "no_proxy": "ample.com"}, "HTTP_PROXY (p)"),
        ({"HTTP_PROXY": "p", "no_proxy": ","}, "HTTP_PROXY (p)"),
    ],
)
def test_a_proxy_that_would_apply_is_named(env: dict[str, str], said: str | None) -> None:
    assert proxy_for(Endpoint.read("http://api.example.com:8000"), env) == said


@pytest.mark.parametrize("listed", ["10.0.0.0/8", "10.1.2.3", "10.1.2.3:8000"])
def test_addresses_are_exempt_by_network(listed: str) -> None:
    endpoint = Endpoint.read("http://10.1.2.3:8000")
    assert proxy_for(endpoint, {"HTTP_PROXY": "p", "NO_PROXY": listed}) is None
    assert proxy_for(endpoint, {"HTTP_PROXY": "p", "NO_PROXY": "11.0.0.0/8"}) is not None


def test_a_password_of_a_proxy_is_not_repeated() -> None:
    env = {"https_proxy": "http://me:hunter2@p:3128"}
    assert proxy_for(Endpoint.read("https://h"), env) == "https_proxy (http://p:3128)"


def test_another_ipv6_server_is_told_apart_from_its_port() -> None:
    endpoint = Endpoint.read("http://[::1]:8000")
    assert proxy_for(endpoint, {"HTTP_PROXY": "p", "NO_PROXY": "::1"}) is None
    assert proxy_for(endpoint, {"HTTP_PROXY": "p", "NO_PROXY": "[::1]:8000"}) is None
    assert proxy_for(endpoint, {"HTTP_PROXY": "p", "NO_PROXY": "[::1]:1"}) is not None
