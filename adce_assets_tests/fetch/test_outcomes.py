from datetime import UTC, datetime, timedelta

import pytest

from adce_assets import errors
from adce_assets.fetch.outcomes import OUTCOMES, Class, Evidence, classify

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)


def refused(status: int) -> errors.AdceError:
    return errors.RefusedError("no", status=status)


@pytest.mark.parametrize(
    ("error", "kind", "permanent"),
    [
        (errors.TransientFetchError("no address"), Class.UNREACHABLE, False),
        (errors.BusyError("503", status=503), Class.BUSY, False),
        (errors.HostClosedError("jail"), Class.CLOSED, False),
        (errors.EgressBlockedError("silence"), Class.BLOCKED, False),
        (errors.DamagedError("cut off"), Class.DAMAGED, False),
        (errors.ProgramError("failed"), Class.PROGRAM, False),
        (refused(403), Class.REFUSED, True),
        (refused(404), Class.GONE, True),
        (refused(410), Class.GONE, True),
        (errors.GoneError("retired"), Class.GONE, True),
        (errors.LostError("over"), Class.LOST, True),
        (errors.TooLargeError("bomb"), Class.TOO_LARGE, True),
        (errors.UnsafeError("inward"), Class.REFUSED, True),
        (errors.ForbiddenByRobotsError("no"), Class.FORBIDDEN, True),
        (errors.EmptyAnswerError("none"), Class.EMPTY, False),
        (errors.BlockedPageError("captcha"), Class.BLOCKED, False),
        (errors.NotDataError("notice"), Class.NOT_DATA, False),
        (errors.DamagedDocumentError("cut"), Class.DAMAGED, False),
        (errors.OversizedDocumentError("bomb"), Class.TOO_LARGE, True),
        (errors.WrongEntityError("another"), Class.WRONG_ENTITY, False),
        (errors.DriftError("gone"), Class.DRIFT, True),
        (errors.VerifyError("else"), Class.NOT_DATA, False),
        (errors.ConditionFailedError("lost"), Class.CHANGED_MEANWHILE, False),
        (errors.LakeError("disk"), Class.LAKE, False),
        (errors.ConfigurationError("typo"), Class.CONFIGURATION, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, errors.AdceError) else str(value),
)
def test_every_failure_has_its_class(error: errors.AdceError, kind: Class, *, permanent: bool):
    assert classify(error) is kind
    assert classify(error).permanent is permanent


def test_no_line_of_the_table_hides_another():
    causes = [cause for cause, _ in OUTCOMES]
    hidden = [later for n, later in enumerate(causes) if any(issubclass(later, earlier) for earlier in causes[:n])]
    assert hidden == []


def test_evidence_is_written_down_for_a_key():
    told = Evidence("https://example.org/1", 404, "no such game", None, NOW, NOW + timedelta(days=30))
    assert told.of("pbp/1.json").model_dump()["key"] == "pbp/1.json"
