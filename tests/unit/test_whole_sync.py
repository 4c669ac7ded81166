"""When many files are brought to the disk at once, and when one by one."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest

from docferry.storage.whole_sync import WholeSync


@pytest.fixture
def on_disk(tmp_path: pathlib.Path) -> Iterator[int]:
    if os.major(tmp_path.stat().st_dev) == 0:
        tmp_path = pathlib.Path("/")  # only looked at, and synced
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_where_there_is_no_block_device_it_is_one_by_one() -> None:
    """Of a network's file system, or one in user space, the other end may hear of fsync only."""
    fd = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert not WholeSync().is_worth_it(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize(("took_s", "is_worth_it"), [(0.2, True), (5.0, False)])
def test_where_others_write_much_it_is_one_by_one_for_a_while(
    on_disk: int, took_s: float, *, is_worth_it: bool
) -> None:
    now_s = [100.0]

    def clock() -> float:
        now_s[0] += took_s
        return now_s[0]

    has_device = os.major(os.fstat(on_disk).st_dev) != 0
    sync = WholeSync(clock)
    sync.run(on_disk)
    soon = sync.is_worth_it(on_disk)
    now_s[0] += 60.0

    assert soon is (is_worth_it and has_device)
    assert sync.is_worth_it(on_disk) is has_device
