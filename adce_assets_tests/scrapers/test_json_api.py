import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from adce_assets.contract.schedule import Game, GameStatus, parse
from adce_assets.contract.seasons import Season
from adce_assets.contract.templates import field_values
from adce_assets.demo.source import LocalSource, Trouble
from adce_assets.errors import ConfigurationError, PermanentFetchError, TransientFetchError, VerifyError
from adce_assets.fetch.audit import audit
from adce_assets.fetch.client import Client
from adce_assets.fetch.limits import Limits
from adce_assets.fetch.requirements import Arrival
from adce_assets.scrapers import json_api
from adce_assets.scrapers.interface import Collected, Failed, Wanted
from adce_assets_tests.shipped import CATALOGUE as SHIPPED

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
DAY = date(2024, 12, 1)
TYPES = ("play_by_play", "box_scores", "team_stats")
HELD = {"play_by_play": {"plays"}, "box_scores": {"boxscore"}, "team_stats": {"boxscore"}}


def game(game_id: str, status: GameStatus = GameStatus.FINAL) -> Game:
    return Game(game_id, 2024, "regular", DAY, datetime(2024, 12, 2, 1, tzinfo=UTC), status, "BOS", "LAL")


GAMES = [game("401704871"), game("401704872"), game("401704873", GameStatus.SCHEDULED)]


def wanted(game_id: str, data_type: str = "play_by_play", **entity: str) -> Wanted:
    fields = field_values(Season(2024), DAY, {"game_id": game_id}) | entity
    return Wanted(f"{data_type}/{game_id}.json", "espn", data_type, "2024-25", fields, None)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Callable[..., tuple[list[Any], LocalSource]]]:
    """Ask a local source through a scraper of the shipped catalogue: the answers, and the source to be asked about."""
    with ExitStack() as stack:

        def ask(*keys: Wanted, scraper: str = "espn_summary", **troubles: Trouble) -> tuple[list[Any], LocalSource]:
            source = stack.enter_context(LocalSource(GAMES, troubles={k.strip("_"): v for k, v in troubles.items()}))
            limits = Limits(tmp_path / "limits.sqlite")
            stack.callback(limits.dispose)
            hosts = SHIPPED.with_base_urls({"espn_site": source.url}).hosts
            client = Client(hosts, limits, agent="adce/0", now=lambda: NOW, sleep=lambda _: None)
            stack.callback(client.close)
            entry = SHIPPED.scrapers[scraper]
            answers: list[Any] = []
            for step in json_api.plan(entry, keys, NOW):
                answers += [step] if isinstance(step, Failed) else json_api.answer(entry, step, client, tmp_path)
            return answers, source

        yield ask


def records(answer: Collected) -> int | None:
    arrival = Arrival(at=answer.fetched_at, headers=answer.headers)
    return audit(answer.body, answer.requirements, answer.wanted.entity, arrival=arrival).records


def test_the_three_data_sets_of_a_game_cost_one_request(asked: Any):
    answers, source = asked(*(wanted("401704871", name) for name in TYPES))
    assert source.requests == 1
    for answer in answers:
        document = json.loads(answer.body)
        assert document["header"]["id"] == "401704871"
        assert document.keys() - {"header"} == HELD[answer.wanted.data_type]
        assert records(answer)


def test_a_document_holds_nothing_of_another_data_set(asked: Any):
    answers, _ = asked(*(wanted("401704871", name) for name in TYPES))
    boxes = {answer.wanted.data_type: json.loads(answer.body).get("boxscore", {}).keys() for answer in answers}
    assert boxes == {"play_by_play": set(), "box_scores": {"players"}, "team_stats": {"teams"}}


def test_every_wanted_key_gets_one_answer(asked: Any):
    keys = [wanted(name, kind) for name in ("401704871", "401704872", "401704999") for kind in TYPES]
    answers, source = asked(*keys)
    assert sorted(answer.wanted.key for answer in answers) == sorted(key.key for key in keys)
    assert source.requests == 3


def test_an_answer_says_where_and_when_it_was_had(asked: Any):
    (answer,), source = asked(wanted("401704871"))
    assert answer.url == f"{source.url}/apis/site/v2/sports/basketball/nba/summary?event=401704871"
    assert answer.fetched_at == NOW


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Trouble("not_found"), PermanentFetchError),
        (Trouble("server_error"), TransientFetchError),
        (Trouble("too_many", retry_after="3600"), TransientFetchError),
    ],
)
def test_a_failure_is_told_for_every_key_of_the_request(asked: Any, trouble: Trouble, error: type[Exception]):
    answers, _ = asked(*(wanted("401704871", name) for name in TYPES), _401704871=trouble)
    assert [type(answer) for answer in answers] == [Failed] * 3
    assert all(isinstance(answer.error, error) for answer in answers)
    assert all("event=401704871" in answer.url for answer in answers)


def test_a_source_that_recovers_is_asked_again(asked: Any):
    (answer,), source = asked(wanted("401704871"), _401704871=Trouble("server_error", times=2))
    assert isinstance(answer, Collected)
    assert source.requests == 3


def test_a_source_that_asked_for_a_long_pause_is_left_alone_by_the_keys_that_follow(asked: Any):
    trouble = Trouble("too_many", retry_after="3600")
    answers, source = asked(wanted("401704871"), wanted("401704872"), _401704871=trouble)
    assert [type(answer) for answer in answers] == [Failed, Failed]
    assert source.requests == 1


@pytest.mark.parametrize(
    ("trouble", "said"), [(Trouble("notice"), "titled 'Back soon'"), (Trouble("other_game"), "not `401704871`")]
)
@pytest.mark.parametrize("data_type", TYPES)
def test_a_wrong_body_is_handed_on_for_the_audit_to_refuse(asked: Any, data_type: str, trouble: Trouble, said: str):
    (answer,), _ = asked(wanted("401704871", data_type), _401704871=trouble)
    with pytest.raises(VerifyError, match=said):
        records(answer)


@pytest.mark.parametrize("data_type", TYPES)
def test_a_game_that_was_not_played_is_no_document(asked: Any, data_type: str):
    (answer,), _ = asked(wanted("401704873", data_type))
    with pytest.raises(VerifyError):
        records(answer)


def test_a_day_of_the_schedule_is_kept_as_it_was_sent(asked: Any):
    (answer,), _ = asked(wanted("", "schedule"), scraper="espn_scoreboard")
    assert records(answer) == 3
    assert parse("espn_scoreboard", answer.body) == GAMES


def test_a_day_without_games_is_a_document_too(asked: Any):
    key = wanted("", "schedule", date="2024-12-25", date_compact="20241225")
    (answer,), _ = asked(key, scraper="espn_scoreboard")
    assert records(answer) == 0


def test_another_day_is_not(asked: Any):
    key = wanted("", "schedule", date="2024-12-25", date_compact="20241201")
    (answer,), _ = asked(key, scraper="espn_scoreboard")
    with pytest.raises(VerifyError, match="2024-12-01"):
        records(answer)


VECTORS = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "..%2f",
    "%2e%2e",
    "a/b",
    "a\\b",
    "a?b",
    "a#b",
    "a&b=c",
    "a b",
    "a\nb",
    "a\r\nHost: x",
    "a\0",
    "a..b",
    "-a",
    ".a",
    "_a",
    "{game_id}",
    "{0}",
    "a:b",
    "a@b",
    "a;b",
    "a'b",
    'a"b',
    "<a>",
    "é",
    "\u0661",
    "\u202e",
    "a" * 101,
    "http://example.org",
    "//example.org",
]


@pytest.mark.parametrize("game_id", VECTORS)
def test_no_id_leads_a_request_elsewhere(asked: Any, game_id: str):
    (answer, good), source = asked(wanted(game_id), wanted("401704871"))
    assert isinstance(answer, Failed)
    assert isinstance(answer.error, VerifyError)
    assert isinstance(good, Collected)
    assert source.requests == 1


def test_a_template_that_nothing_fills_is_a_fault_of_the_configuration(asked: Any):
    with pytest.raises(ConfigurationError, match="date_compact"):
        asked(Wanted("x.json", "espn", "schedule", "2024-25", {}, None), scraper="espn_scoreboard")


def test_a_data_set_that_the_scraper_does_not_yield_is_one_too(asked: Any):
    with pytest.raises(ConfigurationError, match="espn/rosters"):
        asked(wanted("401704871", "rosters"))
