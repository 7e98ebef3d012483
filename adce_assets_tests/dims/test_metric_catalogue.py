"""What the file of metrics may say, and what is said of its faults."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.dims.catalogue import Catalogue, load_metrics
from adce_assets.errors import ConfigurationError, Fault
from adce_assets_tests.dims.conftest import NUMBERS, declared

if TYPE_CHECKING:
    from adce_assets_tests.dims.conftest import Site

SMALL = """
version: 1
leagues: {nba: {first_season: 2020-21, season_starts: 10}, wnba: {first_season: 2020-21, season_starts: 4}}
sources:
  one:
    description: a source
    league: nba
    data_types:
      totals: {description: a season, templates: ['one/totals_{season}.json'], seasons: 2020-21..}
      extra: {description: more, templates: ['one/extra_{season}.json'], seasons: 2020-21.., required: false}
  two:
    description: another
    league: wnba
    data_types:
      other: {description: a season, templates: ['two/{season}.json'], seasons: 2020-21.., required: false}
"""
ENTRY = "{measure: {kind: objects}, unit: objects, nature: volatile, description: some}"
TWO_LINES, RED = '"a\\nb"', 'unit: "\\e[31m"'
CLOCK = 'schedules: {events: {uplaod: "0 1 * * *"}}'
Load = Callable[[str], Catalogue]


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    """A contract of two sources, one of which has nothing that is required."""
    path = tmp_path_factory.mktemp("contract") / "data_inventory.yaml"
    path.write_text(SMALL)
    return load_contract(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


@pytest.fixture
def load(file: Path, contract: Contract) -> Load:
    """Read the definitions of metrics from a text."""

    def loaded(text: str) -> Catalogue:
        file.write_text(f"version: 1\n{text}")
        return load_metrics(file, contract)

    return loaded


@pytest.fixture
def refuse(load: Load) -> Callable[[str], tuple[Fault, ...]]:
    """Read a text that has faults, and return them."""

    def refused(text: str) -> tuple[Fault, ...]:
        with pytest.raises(ConfigurationError) as caught:
            load(text)
        return caught.value.faults

    return refused


def test_an_entry_is_a_metric(load: Load):
    text = """
metrics:
  lake:
    pages:
      measure: {kind: objects, source: one}
      unit: pages
      nature: stable
      critical: true
      thresholds: {minor: 1, moderate: 2, major: 3}
      ttl_minutes: 5
      season_months: [12, 1]
      description: Pages of the first source
"""

    (metric,) = load(text).metrics.values()

    assert metric.id == "lake.pages"
    assert metric.measure.model_dump(exclude_none=True) == {"kind": "objects", "source": "one"}
    assert (metric.unit, metric.nature, metric.critical, metric.ttl_minutes) == ("pages", "stable", True, 5)
    assert (metric.thresholds.minor, metric.thresholds.moderate, metric.thresholds.major) == (1, 2, 3)
    assert metric.season_months == (12, 1)


def test_a_critical_metric_waits_from_its_moderate_threshold_on_unless_another_is_given(load: Load):
    text = f"""
metrics:
  lake:
    usual: {ENTRY}
    narrow: {ENTRY[:-1]}, thresholds: {{minor: 1, moderate: 4, major: 9}}}}
    own: {ENTRY[:-1]}, approve_from: 0.5}}
"""

    assert [metric.approve_from for metric in load(text).metrics.values()] == [15, 4, 0.5]


def test_a_metric_takes_the_months_of_a_season(load: Load):
    text = f"seasons: {{nba: [10, 11]}}\nmetrics: {{lake: {{pages: {ENTRY[:-1]}, season_months: nba}}}}}}"

    assert load(text).metrics["lake.pages"].season_months == (10, 11)


def test_a_template_is_a_metric_of_each_source(load: Load):
    text = """
seasons: {nba: [10, 11]}
for_each_source:
  pages:
    measure: {kind: objects, source: "{source}", prefix: "{league}/{source}/"}
    unit: pages
    nature: volatile
    season_months: "{league}"
    description: Pages of {source}
"""

    made = load(text).metrics

    assert [(id_, metric.description, metric.season_months) for id_, metric in made.items()] == [
        ("source_one.pages", "Pages of one", (10, 11)),
        ("source_two.pages", "Pages of two", None),
    ]
    assert made["source_two.pages"].measure.model_dump(exclude_none=True) == {
        "kind": "objects",
        "source": "two",
        "prefix": "wnba/two/",
    }


@pytest.mark.parametrize(
    ("section", "made"),
    [
        ("for_each_source", ["source_one.x", "source_two.x"]),
        ("for_each_required_source", ["source_one.x"]),
        ("for_each_data_type", ["source_one.totals_x", "source_one.extra_x", "source_two.other_x"]),
        ("for_each_required_data_type", ["source_one.totals_x"]),
    ],
)
def test_templates_may_be_of_sources_or_data_types_or_only_of_those_required(load: Load, section: str, made: list[str]):
    name = "{data_type}_x" if "type" in section else "x"

    assert list(load(f'{section}: {{"{name}": {ENTRY}}}').metrics) == made


def test_a_profile_switches_metrics_on_and_off(load: Load):
    text = f"""
metrics:
  lake:
    always: {ENTRY}
    there: {ENTRY[:-1]}, profile: extra}}
    gone: {ENTRY[:-1]}, profile: spare}}
profiles: {{extra: on, spare: off}}
"""

    catalogue = load(text)

    assert list(catalogue.metrics) == ["lake.always", "lake.there"]
    assert catalogue.off == {"lake.gone": "spare"}


@pytest.fixture
def some(load: Load) -> Catalogue:
    """Four metrics in two categories, one switched off, and a third category that is switched off."""
    return load(f"""
profiles: {{spare: off}}
events: {{upload: {{refresh: [code, lake.pa*]}}, audit: {{refresh: ["*"], cooldown_seconds: 5, update: false}}}}
metrics:
  lake: {{pages: {ENTRY}, bytes: {ENTRY}, spare: {ENTRY[:-1]}, profile: spare}}}}
  code: {{lines: {ENTRY}, files: {ENTRY}}}
  away: {{gone: {ENTRY[:-1]}, profile: spare}}}}
""")


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        ({}, "lake.pages lake.bytes code.lines code.files"),
        ({"categories": ["code"]}, "code.lines code.files"),
        ({"ids": ["lake.bytes"]}, "lake.bytes"),
        ({"categories": ["lake"]}, "lake.pages lake.bytes"),
        ({"categories": ["code"], "ids": ["lake.pages", "code.files"]}, "lake.pages code.lines code.files"),
    ],
)
def test_metrics_are_selected_by_category_and_id(some: Catalogue, wanted: dict[str, Any], selected: str):
    assert " ".join(metric.id for metric in some.select(**wanted)) == selected


@pytest.mark.parametrize(
    ("wanted", "what", "hint"),
    [
        ({"ids": ["lake.page"]}, "there is no metric `lake.page`", "did you mean `lake.pages`"),
        ({"ids": ["pages"]}, "there is no metric `pages`", "did you mean `lake.pages`"),
        ({"categories": ["cod"]}, "there is no category `cod`", "did you mean `code`?"),
        ({"ids": ["lake.spare"]}, "the metric `lake.spare` is switched off", "`profiles: {spare: on}`"),
        ({"categories": ["away"]}, "the category `away` is switched off", "`profiles: {spare: on}`"),
        ({"categories": ["..."]}, "there is no category `...`", "`adce dims list`"),
    ],
)
def test_what_is_not_there_cannot_be_selected(some: Catalogue, wanted: dict[str, Any], what: str, hint: str):
    with pytest.raises(ConfigurationError) as caught:
        some.select(**wanted)

    assert caught.value.what == what
    assert hint in caught.value.hint


def test_an_event_refreshes_what_its_patterns_mean(some: Catalogue):
    assert [metric.id for metric in some.of_event("upload")] == ["lake.pages", "code.lines", "code.files"]
    assert some.of_event("audit") == some.select()
    assert (some.events["audit"].cooldown_seconds, some.events["audit"].update) == (5, False)


def test_an_event_that_is_not_configured_is_told(some: Catalogue):
    with pytest.raises(ConfigurationError, match=r"there is no event `uplaod`\nhint: did you mean `upload`\?"):
        some.of_event("uplaod")
    with pytest.raises(ConfigurationError, match=r"valid: audit, upload\nhint: `events` of inventory/config.yaml"):
        some.of_event("nope")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            "metrics:\n  lake:\n    pages: {measure: {kind: object}, unit: x, nature: stable, description: x}",
            4,
            "`metrics.lake.pages.measure.kind`: `object` is not known; valid: ",
        ),
        (
            "metrics:\n  lake:\n    pages:\n      measure:\n        kind: objects\n        sorce: one\n      unit: x",
            7,
            "`metrics.lake.pages.measure.sorce`: unknown key; valid: ",
        ),
        ("metrics:\n  lake:\n    pages: {unit: x, nature: stable, description: x}", 4, "pages.measure`: is required"),
        (f"metrics:\n  Lake: {{pages: {ENTRY}}}", 3, "`metrics.Lake`: `Lake` is no name; valid: small letters"),
        (f"metrics:\n  lake: {{page-s: {ENTRY}}}", 3, "`metrics.lake.page-s`: `page-s` is no name"),
        (
            f"metrics:\n  lake:\n    pages: {ENTRY[:-1]}, thresholds: {{minor: 9, moderate: 4}}}}",
            4,
            "`metrics.lake.pages.thresholds`: `minor`, `moderate` and `major` ascend",
        ),
        (
            f"profiles: {{mine: on}}\nmetrics:\n  lake:\n    pages: {ENTRY[:-1]}, profile: mien}}",
            5,
            "`metrics.lake.pages.profile`: `mien` is declared nowhere; valid: mine; did you mean `mine`?",
        ),
        (
            f"seasons: {{nba: [10]}}\nmetrics: {{lake: {{pages: {ENTRY[:-1]}, season_months: nbaa}}}}}}",
            3,
            "`metrics.lake.pages.season_months`: `nbaa` is no season; valid: nba; did you mean `nba`?",
        ),
        (f"metrics: {{lake: {{pages: {ENTRY[:-1]}, season_months: [13]}}}}}}", 2, "less than or equal to 12"),
        (
            f"metrics: {{lake: {{pages: {ENTRY}}}}}\nevents:\n  upload: {{refresh: [lake.page]}}",
            4,
            "`events.upload.refresh.0`: `lake.page` is no metric; valid: lake, lake.pages; did you mean `lake.pages`?",
        ),
        (
            f"metrics: {{a: {{b: {ENTRY}}}}}\nevents: {{upload: {{refresh: [a]}}}}\n{CLOCK}",
            4,
            "`schedules.events.uplaod`: `uplaod` is no event; valid: upload; did you mean `upload`?",
        ),
        ('schedules:\n  hourly: "61 * * * *"', 3, "`schedules.hourly`: `61` is no minute"),
        ("seasons: {nba: []}", 2, "`seasons.nba`: must name months by their numbers, 1 to 12, each once"),
        ("seasons: {nba: [1, 1]}", 2, "`seasons.nba`: must name months"),
        ("retention: {days: 0}", 2, "`retention.days`: Input should be greater than or equal to 1"),
        (
            'for_each_source:\n  "{data_type}_x": ' + ENTRY,
            3,
            "`for_each_source.{data_type}_x`: `{data_type}` stands for nothing here; valid: league, source",
        ),
        (
            f"for_each_source:\n  x:\n    {ENTRY[1:-1].replace(', ', chr(10) + '    ')}\n    unti: x",
            8,
            "`metrics.source_one.x.unti`: unknown key; valid: ",
        ),
        (
            f"for_each_source:\n  x: {ENTRY}\nmetrics:\n  source_one:\n    x: {ENTRY}",
            6,
            "`metrics.source_one.x`: stands here, and a template makes it too",
        ),
        ("for_each_source: [x]", 2, "`for_each_source`: must be a mapping of names to metrics"),
        ("for_each_source: {x: 5}", 2, "`metrics.source_one.x`: Input should be"),
        ("metrics: 5", 2, "`metrics`: Input should be a valid"),
        ("metrics: {source_one: 5}\nfor_each_source: {x: 5}", 2, "a template makes it too"),
        ("metric: {}", 2, "`metric`: unknown key; valid: "),
        (f"metrics:\n  metadata: {{pages: {ENTRY}}}", 3, "`metrics.metadata`: `metadata` is no name: metrics.yaml"),
        (f"metrics: {{lake: {{pages: {ENTRY[:-1]}, ttl_minutes: true}}}}}}", 2, "ttl_minutes`: Input should be"),
        ("seasons: {nba: [true]}", 2, "`seasons.nba.0`: Input should be"),
        (f"metrics: {{lake: {{pages: {ENTRY.replace('some', TWO_LINES)}}}}}", 2, "description`: must be one line"),
        (f"metrics: {{lake: {{pages: {ENTRY.replace('unit: objects', RED)}}}}}", 2, "unit`: must be one line"),
    ],
)
def test_a_fault_is_told_with_its_line(refuse: Callable[[str], tuple[Fault, ...]], text: str, line: int, said: str):
    told = [(fault.line, str(fault)) for fault in refuse(text)]

    assert [line for line, fault in told if said in fault] == [line]


def test_a_fault_of_a_template_is_told_once(refuse: Callable[[str], tuple[Fault, ...]]):
    text = f"for_each_source:\n  x: {ENTRY.replace('objects}', 'objets}')}\n  y: {ENTRY.replace('stable', 'x')}"

    assert [fault.line for fault in refuse(text)] == [3]


def test_an_installation_without_the_file_is_told_what_to_do(tmp_path: Path, contract: Contract):
    with pytest.raises(ConfigurationError) as caught:
        load_metrics(tmp_path / "config.yaml", contract)

    assert str(caught.value) == (
        f"{tmp_path}/config.yaml: no metrics are configured\nhint: copy the project's own inventory/config.yaml there"
    )


def test_a_file_may_include_others(file: Path, load: Load):
    (file.parent / "more").mkdir()
    (file.parent / "more" / "code.yaml").write_text(f"metrics: {{code: {{lines: {ENTRY}}}}}")

    assert list(load(f"include: [more/*.yaml]\nmetrics: {{lake: {{pages: {ENTRY}}}}}").metrics) == [
        "lake.pages",
        "code.lines",
    ]


def test_the_measured_project_may_lie_elsewhere(small_site: "Site", tmp_path: Path):
    home, ttl = small_site.project.settings.home, {"lake": {"objects": declared("objects", ttl_minutes=60)}}
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / NUMBERS).write_text('{"objects": 7}')
    (home / "code").mkdir()
    (home / "code" / NUMBERS).write_text('{"objects": 3}')
    found = []
    for project in (".", "code", str(tmp_path / "elsewhere")):  # nothing is remembered of another folder
        place = small_site.configure(project=project, metrics=ttl, events={})
        found.append((place.world.root, small_site.verdicts()["lake.objects"].measurement.value))
    assert found == [(home, 100), (home / "code", 3), (tmp_path / "elsewhere", 7)]
