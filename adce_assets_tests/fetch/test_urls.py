import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adce_assets.errors import InwardError, UnsafeError
from adce_assets.fetch.hosts import Host
from adce_assets.fetch.urls import below, build, redirected, without_secrets

HOST = Host(base_url="https://api.example.org/v2", requests_per_second=1)
ROOT = Host(base_url="https://api.example.org", requests_per_second=1)

TRAVERSALS = [
    "/../secret",
    "/a/../../secret",
    "/a/..",
    "/..",
    "/.",
    "/./a",
    "/a/./b",
    "/...",
    "/..../a",
    "/....//....//etc/passwd",
    "//evil.example/a",
    "///etc/passwd",
    "/a//b",
    "a",
    "../a",
    "@evil.example/",
    ":8080/",
    ".evil.example/",
    "\\..\\a",
    "/..\\..\\a",
    "/a\\b",
    "/\\evil.example",
    "/%2e%2e/a",
    "/%2E%2E/a",
    "/.%2e/a",
    "/%2e./a",
    "/%252e%252e/a",
    "/%25252e%25252e/a",
    "/%2525252525252e/a",
    "/a%2fb",
    "/a%252Fb",
    "/..%2fa",
    "/..%2Fa",
    "/a%2f..%2fb",
    "/a%2f%2fb",
    "/..%5ca",
    "/%5c..%5ca",
    "/..%255ca",
    "/%c0%ae%c0%ae/a",
    "/%c0%af..%c0%afa",
    "/%e0%80%ae/a",
    "/%uff0e%uff0e/%ff",
    "/..;/a",
    "/..;x=1/a",
    "/.;/a",
    "/ ../a",
    "/%20../a",
    "/..%20/a",
    "/..%09/a",
    "/a%00.json",
    "/a\x00",
    "/a\n/b",
    "/a\r\nHost: evil.example",
    "/a%0d%0aHost:%20evil.example",
    "/a\tb",
    "/a\x7fb",
    "/a%7f",
    "/a\u2028b",
    "/\uff0e\uff0e/a",
    "/\u2025/a",
    "/\u2024\u2024/a",
    "/%ef%bc%8e%ef%bc%8e/a",
    "/%e2%80%a5/a",
    "/%ef%bc%8f..%ef%bc%8fa",
    "/a?b=../c",
    "/a#b",
    "/a%3fb/../c",
    "/a%23/../c",
    "/\u202e/a",
    "/\ud800",
]


@pytest.mark.parametrize("host", [HOST, ROOT])
@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out_of_its_folder(host: Host, path: str):
    with pytest.raises(UnsafeError):
        build(host, path)


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("", "https://api.example.org/v2"),
        ("/", "https://api.example.org/v2/"),
        ("/leagues/NBA_2024.html", "https://api.example.org/v2/leagues/NBA_2024.html"),
        ("/a/", "https://api.example.org/v2/a/"),
        ("/a..b/..c/d..", "https://api.example.org/v2/a..b/..c/d.."),
        ("/.well-known/x", "https://api.example.org/v2/.well-known/x"),
        ("/a%20b", "https://api.example.org/v2/a%20b"),
        ("/a;b=1/c,d:e@f!$&'()*+=~", "https://api.example.org/v2/a;b=1/c,d:e@f!$&'()*+=~"),
        ("/Don%C4%8Di%C4%87", "https://api.example.org/v2/Don%C4%8Di%C4%87"),
    ],
)
def test_a_plain_path_stays_as_it_is(path: str, url: str):
    assert str(build(HOST, path)) == url


@given(st.text(st.sampled_from("/.%25cef0ae\\;:@?#ab \n\uff0e\u2025"), max_size=14))
@example("/%2e%2e")
@settings(max_examples=300)
def test_whatever_the_path_the_url_is_below_its_host(path: str):
    """The oracle is another reading: what a server would make of it that decodes three times and takes dots out."""
    from posixpath import normpath
    from unicodedata import normalize
    from urllib.parse import unquote, urlsplit

    try:
        url = str(build(HOST, f"/{path}"))
    except UnsafeError:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("https", "api.example.org")
    read = normalize("NFKC", unquote(unquote(unquote(parts.path)))).replace("\\", "/")
    assert f"{normpath(read)}/".startswith("/v2/")


@given(st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=100)
def test_no_parameter_leads_out_of_the_query(name: str, value: str):
    try:
        url = build(HOST, "/a", {name: value})
    except (UnsafeError, UnicodeEncodeError):
        return
    assert (url.host, url.path, url.fragment) == ("api.example.org", "/v2/a", "")
    assert "\n" not in str(url)


@pytest.mark.parametrize(
    ("link", "path", "params"),
    [
        ("https://api.example.org/v2/a/b?x=1&y=", "/a/b", {"x": "1", "y": ""}),
        ("http://api.example.org/v2/a", "/a", {}),
        ("https://API.example.org/v2/a", "/a", {}),
        ("https://api.example.org/v2", "", {}),
    ],
)
def test_a_link_of_the_host_is_taken_apart(link: str, path: str, params: dict[str, str]):
    assert below(HOST, link) == (path, params)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v2/a",
        "https://api.example.org.evil.example/v2/a",
        "https://api.example.org@evil.example/v2/a",
        "https://me:secret@api.example.org/v2/a",
        "https://api.example.org:444/v2/a",
        "https://api.example.org:x/v2/a",
        "https://api.example.org/v1/a",
        "https://api.example.org/v22/a",
        "https://api.example.org/v2/../a",
        "https://api.example.org/v2/%2e%2e/a",
        "https://api.example.org/v2//evil",
        "//api.example.org/v2/a",
        "/v2/a",
        "ftp://api.example.org/v2/a",
        "javascript:alert(1)",
        "http://[::1",
        "",
    ],
)
def test_a_link_that_leads_away_is_refused(link: str):
    with pytest.raises(UnsafeError) as caught:
        below(HOST, link)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://a.b/c?apiKey=x&season=2025", "https://a.b/c?apiKey=***&season=2025"),
        ("https://a.b/c?api_key=x", "https://a.b/c?api_key=***"),
        (
            "https://a.b/c?X-Amz-Signature=x&X-Amz-Credential=y",
            "https://a.b/c?X-Amz-Signature=***&X-Amz-Credential=***",
        ),
        ("https://a.b/c?access_token=x&key=y&sig=z", "https://a.b/c?access_token=***&key=***&sig=***"),
        ("https://u:p@a.b/c#token=x", "https://a.b/c"),
        ("https://a.b/c?keyword=x&gamecode=1&monkey=2", "https://a.b/c?keyword=x&gamecode=1&monkey=2"),
        ("http://[::1", "***"),
    ],
)
def test_what_a_url_keeps_to_itself(url: str, told: str):
    assert without_secrets(url) == told


@pytest.mark.parametrize(
    ("location", "inward"),
    [
        ("https://169.254.169.254/latest/", True),
        ("https://2130706433/", True),
        ("https://[::ffff:7f00:1]/", True),
        ("http://localhost/", True),
        ("https://other.example/", False),
        ("http://api.example.org/v2", False),
        ("ftp://api.example.org/v2", False),
    ],
)
def test_a_redirect_inward_is_told_from_one_to_elsewhere(location: str, inward: bool):  # noqa: FBT001 - a table
    with pytest.raises(UnsafeError) as caught:
        redirected(HOST, build(HOST, "/a"), location)
    assert isinstance(caught.value, InwardError) is inward
