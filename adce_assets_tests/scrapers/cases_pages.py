"""Pages of other sites: ESPN's with JSON inside, HoopsHype's salaries."""

import json

from adce_assets_tests.scrapers.every_scraper import HTML, Case, sent
from adce_assets_tests.scrapers.made_pages import elements, page

ESPN_GAME = "401585183"


def _players(first: int, count: int) -> list[dict[str, object]]:
    return [{"athlt": {"id": str(first + number)}, "stats": ["30", "5-9", "13"]} for number in range(count)]


def _box_score_page() -> bytes:
    teams = [
        {
            "tm": {"id": str(number), "abbrev": abbreviation},
            "stats": [
                {"type": "starters", "athlts": _players(100 * number, 5)},
                {"type": "bench", "athlts": _players(100 * number + 50, 7)},
                {"type": "totals", "ttls": ["48-88"]},
            ],
        }
        for number, abbreviation in ((10, "HOU"), (20, "PHI"))
    ]
    game = {"gid": ESPN_GAME, "seasonType": 2, "status": {"id": "3", "state": "post"}}
    content = {"gamepackage": {"gmStrp": game, "bxscr": teams}}
    embedded = json.dumps({"app": {}, "page": {"type": "gamepackage", "content": content}})
    script = f"<script>window['__CONFIG__']={{}};window['__espnfitt__']={embedded};</script>"
    return page(f"https://www.espn.com/nba/boxscore/_/gameId/{ESPN_GAME}", script)


def _salaries_page() -> bytes:
    rows = "".join(f"<tr>{elements('td.name', 1)}<td>${number},000</td></tr>" for number in range(420))
    return page("", f"<table><tr><th>Player</th><th>2019/20</th><th>2019/20(*)</th></tr>{rows}</table>")


CASES: dict[str, Case] = {
    "espn_boxscore_page": Case(
        "2023-24",
        {"game_id": ESPN_GAME},
        {"espn_html/box_score_pages": 24},
        sent("/nba/boxscore", {"gameId": ESPN_GAME}, _box_score_page(), HTML),
    ),
    "hoopshype_salaries": Case(
        "2019-20",
        {},
        {"salaries/player_salaries": 420},
        sent("/players/2019-2020/", {}, _salaries_page(), HTML),
    ),
}
