"""The planted faults of which the README says how many histories each takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fault import Fault
from simulation.faults_rare import RARE
from simulation.power import FAULTS, ROOT

FEWEST = 30


@pytest.mark.parametrize("fault", [*FAULTS, *RARE], ids=lambda fault: fault.name)
def test_a_fault_that_histories_are_to_find_fits_the_code(fault: Fault) -> None:
    text = (ROOT / "daemon" / "docferry" / fault.module).read_text()

    assert text.count(fault.old) == 1


def test_there_are_enough_faults_and_each_was_found() -> None:
    table = Path(__file__).with_name("README.md").read_text()

    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= FEWEST
    assert [fault.name for fault in FAULTS if f"\n| {fault.name} |" not in table] == []
    assert "not found" not in table
