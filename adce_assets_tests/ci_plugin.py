"""What `make test` asks of pytest beyond its own, loaded with ``-p``.

In CI a skipped test is a failure: a check that did not run has shown nothing. And tests of a group run in one process.
"""

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

TOGETHER = (
    "test_loop_settings.py",
    "test_metric_rivals.py",
    "test_on_spark.py",
    "test_rights.py",
    "test_simulated_month.py",
    "test_verify_commands.py",
    "test_warehouse_assets.py",
)
"""Files whose tests share what is slow to start. (``xdist_group`` has no effect from pytest 9.2 to xdist 3.8.)"""


class _ByFile(LoadGroupScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file.endswith(TOGETHER) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadGroupScheduling:
    """Deal tests out one by one, those of some files together."""
    return _ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no process is alone with one of them in the end."""
    items.sort(key=lambda item: "/whole/" not in item.nodeid and not item.path.name.endswith(TOGETHER))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of CI in which a test was skipped, and say which."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if not os.environ.get("CI") or not isinstance(reporter, pytest.TerminalReporter):
        return
    skipped = reporter.stats.get("skipped", [])
    for report in skipped:
        reporter.write_line(f"skipped, which in CI is a failure: {report.nodeid}: {report.longrepr}", red=True)
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
