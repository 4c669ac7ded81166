"""What is logged, to be looked at: from INFO on, whatever the tests are run with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.testing import capture_logs


@contextmanager
def logged() -> Iterator[list[Any]]:
    """Give the events that are logged inside the block, as they come."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))
    try:
        with capture_logs() as events:
            yield events
    finally:
        structlog.configure(**before)
