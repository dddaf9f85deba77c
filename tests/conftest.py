"""What many tests share: the tiny models, a pool, and waiting for states instead of sleeping."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test depends on how fast the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# A spare takes seconds of the processor for each app that is started: who tests it asks for it.
os.environ["ATELIER_SPARES"] = "0"

# A shell that runs the tests in the background has its programs ignore interrupts, and those that
# are started here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MODELS = Path(__file__).parent / "models"


@pytest.fixture(scope="session")
def described(tmp_path_factory):
    """The cache of described models, shared by all tests of a session."""
    return tmp_path_factory.mktemp("described")


@pytest.fixture(scope="session")
def catalog(described):
    """The models of tests/models, described once."""
    from model_registry.catalog import Catalog

    return Catalog.load([MODELS], described)


def pytest_collection_modifyitems(items):
    """What starts the whole app or a browser is slow."""
    for item in items:
        whole_app = item.path.name in (
            "test_app.py",
            "test_catalogue.py",
            "test_readme.py",
            "test_starters.py",
        )
        if whole_app or {"address", "browser"} & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.slow)
