import textwrap
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import ConfigurationError
from adce_assets.scrapers.catalogue import Catalogue, kinds, load_catalogue
from adce_assets_tests.shipped import CATALOGUE as SHIPPED

ENTRY = """\
contact: https://example.org/contact
hosts:
  somewhere:
    base_url: https://example.org
    requests_per_second: 1
scrapers:
  games:
    kind: json_api
    host: somewhere
    path: /games/{game_id}
    parameters: {season: "{season_end}"}
    yields:
      some/games:
        members: [a]
        requirements: {must_have: [a], id_path: a.id, id_is: "{game_id}"}
"""


def load(folder: Path, text: str) -> Catalogue:
    path = folder / "scraper_config.yaml"
    path.write_text(textwrap.dedent(text))
    return load_catalogue(path)


def test_the_shipped_catalogue_is_sound():
    assert {"espn_summary", "espn_scoreboard"} <= SHIPPED.scrapers.keys()
    assert "espn_site" in SHIPPED.hosts


def test_a_summary_yields_three_data_sets_in_one_request():
    entry = SHIPPED.scrapers["espn_summary"]
    assert entry.yields.keys() == {"espn/play_by_play", "espn/box_scores", "espn/team_stats"}


def test_the_shipped_hosts_are_asked_politely():
    for host in SHIPPED.hosts.values():
        assert host.requests_per_second <= 2
        assert host.burst <= 5
        assert not host.allow_private


def test_the_kinds_are_the_modules_of_the_room_that_collect():
    assert "json_api" in kinds()
    assert not {"catalogue", "collect", "interface", "members"} & set(kinds())


def test_a_sound_entry_is_read(tmp_path: Path):
    entry = load(tmp_path, ENTRY).scrapers["games"]
    assert (entry.path, entry.parameters) == ("/games/{game_id}", {"season": "{season_end}"})


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "said"),
    [
        ("kind: json_api", "kind: json_ap", 8, "scrapers.games.kind", "did you mean `json_api`?"),
        (
            "kind: json_api",
            "kind: catalogue",
            8,
            "scrapers.games.kind",
            "valid: command, file_download, ",
        ),
        ("host: somewhere", "host: somwhere", 9, "scrapers.games.host", "did you mean `somewhere`?"),
        ("path: /games/{game_id}", "path: /games/{game_id", 10, "scrapers.games.path", "not a template"),
        ("path: /games/{game_id}", "path: /games/{}", 10, "scrapers.games.path", "is no field"),
        ("path: /games/{game_id}", "path: /games/{a.b}", 10, "scrapers.games.path", "is no field"),
        ("path: /games/{game_id}", "path: /games/{a!r}", 10, "scrapers.games.path", "is no field"),
        ("path: /games/{game_id}", "path: games", 10, "scrapers.games.path", "pattern"),
        ("path: /games/{game_id}", "path: /games?id=1", 10, "scrapers.games.path", "pattern"),
        ('"{season_end}"', '"{0}"', 11, "scrapers.games.parameters.season", "is no field"),
        ("some/games:", "games:", 13, "scrapers.games.yields.games", "pattern"),
        ("members: [a]", "members: [a, a.b]", 13, "scrapers.games.yields.some/games", "part of another"),
        ("must_have: [a], ", "", 13, "scrapers.games.yields.some/games", "must_have"),
        ("must_have: [a]", "must_hav: [a]", 15, "requirements.must_hav", "did you mean `must_have`?"),
        ('id_is: "{game_id}"', 'id_is: "{game id}"', 15, "requirements.id_is", "is no field"),
        ("base_url: https://example.org", "base_url: example.org", 4, "hosts.somewhere.base_url", "http or https"),
        ("requests_per_second: 1", "requests_per_second: 0", 5, "requests_per_second", "greater than 0"),
        ("requests_per_second: 1", "requests_per_sec: 1", 5, "requests_per_sec", "did you mean `requests_per_second`?"),
        ("contact: https://example.org/contact", 'contact: "a b\\r\\nX: y"', 1, "contact", "pattern"),
    ],
)
def test_a_fault_is_named_with_its_line_and_a_way_out(
    tmp_path: Path, old: str, new: str, line: int, field: str, said: str
):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, ENTRY.replace(old, new))
    told = [str(fault) for fault in caught.value.faults]
    assert any(f":{line}:" in fault and field in fault and said in fault for fault in told), told


def test_an_entry_without_anything_to_yield_is_a_fault(tmp_path: Path):
    with pytest.raises(ConfigurationError):
        load(tmp_path, ENTRY[: ENTRY.index("    yields:")] + "    yields: {}\n")


def test_a_stand_in_on_this_machine_is_asked_without_the_hosts_limits(tmp_path: Path):
    catalogue = load(tmp_path, ENTRY).with_base_urls({"somewhere": "http://127.0.0.1:8000/"})
    host = catalogue.hosts["somewhere"]
    assert (host.base_url, host.allow_private) == ("http://127.0.0.1:8000", True)
    assert host.requests_per_second >= 100


def test_a_stand_in_elsewhere_keeps_the_hosts_limits(tmp_path: Path):
    host = load(tmp_path, ENTRY).with_base_urls({"somewhere": "http://mirror.example.org"}).hosts["somewhere"]
    assert (host.requests_per_second, host.burst, host.allow_private) == (1, 1, True)


KEYED = ENTRY.replace(
    "    base_url: https://example.org",
    "    base_url: https://example.org\n"
    "    credential: {header: Authorization, secret: A_KEY}\n"
    "    headers: {X-Api-Key: public, Accept: text/html}",
)


@pytest.mark.parametrize("url", ["http://mirror.example.org", "https://mirror.example.org", "http://10.0.0.1:8000"])
def test_a_stand_in_elsewhere_is_told_none_of_the_hosts_secrets(tmp_path: Path, url: str):
    host = load(tmp_path, KEYED).with_base_urls({"somewhere": url}).hosts["somewhere"]
    assert (host.credential, dict(host.headers)) == (None, {"Accept": "text/html"})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_a_stand_in_on_this_machine_is_asked_like_the_host(tmp_path: Path, url: str):
    catalogue = load(tmp_path, KEYED)
    before, after = catalogue.hosts["somewhere"], catalogue.with_base_urls({"somewhere": url}).hosts["somewhere"]
    assert (after.credential, after.headers) == (before.credential, before.headers)


def test_stand_ins_leave_the_catalogue_as_it_was(tmp_path: Path):
    catalogue = load(tmp_path, ENTRY)
    catalogue.with_base_urls({"somewhere": "http://127.0.0.1:8000"})
    assert catalogue.hosts["somewhere"].base_url == "https://example.org"
    assert catalogue.with_base_urls({}) == catalogue


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ({"nowhere": "http://127.0.0.1"}, "no host is named `nowhere`"),
        ({"somewhere": "file:///etc/passwd"}, "http or https"),
        ({"somewhere": ""}, "http or https"),
        ({"somewhere": "http://[::1"}, "Invalid IPv6"),
        ({"somewhere": "http://127.0.0.1:99999"}, "out of range"),
    ],
)
def test_a_stand_in_that_cannot_be_is_refused(tmp_path: Path, urls: dict[str, Any], said: str):
    with pytest.raises(ConfigurationError, match=said):
        load(tmp_path, ENTRY).with_base_urls(urls)


def test_a_user_in_the_url_of_a_stand_in_is_not_told(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="no user") as caught:
        load(tmp_path, ENTRY).with_base_urls({"somewhere": "http://me:s3cret@127.0.0.1"})
    assert "s3cret" not in str(caught.value)
