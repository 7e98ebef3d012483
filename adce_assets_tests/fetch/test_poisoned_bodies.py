from pathlib import Path

import pytest

from adce_assets.errors import VerifyError
from adce_assets.fetch.audit import audit
from adce_assets.fetch.bodies import Body
from adce_assets.fetch.requirements import Arrival, AuditResult
from adce_assets.fetch.staging import Promotion, promote
from adce_assets.lake.store import LakeStore, open_store
from adce_assets_tests.fetch import shapes_files, shapes_html, shapes_json
from adce_assets_tests.fetch.poison import CAME, ENTITY, Shape

SHAPES = [*shapes_json.SHAPES, *shapes_html.SHAPES, *shapes_files.SHAPES]
KEY = "data/it"
HEADERS = {"date": "Tue, 16 Jan 2024 08:59:00 GMT"}


@pytest.fixture
def store(tmp_path: Path) -> LakeStore:
    return open_store((tmp_path / "lake").as_uri(), make=True)


def bring(store: LakeStore, shape: Shape, body: Body, run_id: str = "run-1") -> Promotion:
    def audited(body: Body) -> AuditResult:
        return audit(body, shape.requirements, ENTITY, arrival=Arrival(CAME, HEADERS))

    return promote(store, KEY, body, run_id=run_id, audit=audited, expected_etag=None)


POISONS = [
    pytest.param(shape, body, id=f"{shape.name}: {name}") for shape in SHAPES for name, body in shape.poisons.items()
]


@pytest.mark.parametrize(("shape", "body"), POISONS)
def test_a_poisoned_body_is_kept_aside_and_never_promoted(store: LakeStore, shape: Shape, body: bytes):
    with pytest.raises(VerifyError) as caught:
        bring(store, shape, body)
    assert len(str(caught.value)) < 1000
    kept = {found.key: store.get(found.key) for found in store.list()}
    assert kept.keys() == {f"_adce/quarantine/run-1/{KEY}", f"_adce/quarantine/run-1/{KEY}.reason.json"}
    assert kept[f"_adce/quarantine/run-1/{KEY}"] == body


@pytest.mark.parametrize("in_a_file", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_good_body_is_promoted_as_it_came_with_its_records_counted(
    store: LakeStore, tmp_path: Path, shape: Shape, *, in_a_file: bool
):
    for records, body in shape.good.items():
        store.delete(KEY)
        path = tmp_path / "body"
        path.write_bytes(body)
        promotion = bring(store, shape, path if in_a_file else body)
        assert (promotion.records, promotion.warnings, promotion.size) == (records, (), len(body))
        assert {found.key: store.get(found.key) for found in store.list()} == {KEY: body}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_each_shape_is_tried_with_thirty_poisons_that_are_all_different(shape: Shape):
    assert len(set(shape.poisons.values()) - set(shape.good.values())) >= 30
