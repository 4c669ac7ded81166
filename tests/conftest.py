"""What holds for every test: how long Hypothesis looks, what may be skipped, when, and where."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings
from xdist.remote import Producer

from shares import ByModule, rank

IN_CI = os.environ.get("CI") == "true"

# quick goes with every `make test`. In CI it tries the same examples each time, so that a red run
# is the change's own doing. long is `make soak`: other examples every time, as many as asked for.
settings.register_profile(
    "quick", max_examples=100, deadline=None, print_blob=True, derandomize=IN_CI
)
settings.register_profile(
    "long",
    max_examples=int(os.environ.get("DOCFERRY_EXAMPLES", "20000")),
    deadline=None,
    print_blob=True,
)
settings.load_profile("quick")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByModule:
    return ByModule(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where tests are shared out to workers, begin with what takes longest."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, by name, what cannot run here; in CI everything must run."""
    missing = _missing(item)
    if not missing:
        return
    if IN_CI:
        pytest.fail(f"needs {', '.join(missing)}: CI skips nothing, see .ci/run", pytrace=False)
    pytest.skip(f"needs {', '.join(missing)}")


def _missing(item: pytest.Item) -> list[str]:
    programs = [name for marker in item.iter_markers("tools") for name in marker.args]
    missing = [name for name in programs if shutil.which(name) is None]
    if item.get_closest_marker("root") and os.geteuid() != 0:
        missing.append("root")
    return missing


@pytest.fixture(scope="session", autouse=True)
def _an_environment_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the developer's credentials, configuration, proxies and home out of every test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "DOCFERRY_", "RCLONE_")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        for name in ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "XDG_CONFIG_HOME"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        # Daemons of several tests would want the same port; who tests the API asks for one.
        patch.setenv("DOCFERRY_API__PORT", "0")
        # Without it boto3 asks the cloud's metadata address for credentials, and waits.
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command says where the logs of its process go: here that is every test's."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
