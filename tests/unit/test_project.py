"""The project keeps its own rules: sizes, layers, locks, and what a test may not do."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import FAULTS, Fault
from shares import LONGEST, rank, share_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "daemon" / "docferry"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-check.lock")


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_module_is_longer_than_500_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): _lines(path) for path in modules("daemon", "tests")}

    assert {name: length for name, length in lengths.items() if length > 500} == {}


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_fits_the_code_and_names_tests_that_are_there(fault: Fault) -> None:
    assert (PACKAGE / fault.module).read_text().count(fault.old) == 1
    for test in fault.tests:
        module, _, name = test.partition("::")
        defined = re.split(r"::|\[", name)[0]
        assert re.search(rf"^(def|class) {defined}", (ROOT / "tests" / module).read_text(), re.M)


def test_every_package_says_in_its_first_line_what_it_is() -> None:
    # Alembic loads migrations by path: their folders are no packages.
    folders = {path.parent for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts}

    silent = [folder.name for folder in folders if not _docstring(folder / "__init__.py")]

    assert silent == []


def _docstring(module: Path) -> str | None:
    return ast.get_docstring(ast.parse(module.read_text())) if module.exists() else None


def test_the_layers_that_are_checked_are_those_of_the_design() -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    checked = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    designed = _layers_of_the_design()

    for number, layer in enumerate(reversed(checked)):
        names = {name.strip(" ()") for name in layer.split("|")}
        assert names <= {name for name, at in designed.items() if at == number}, layer


def _layers_of_the_design() -> dict[str, int]:
    design = (ROOT / "daemon" / "DESIGN.md").read_text()
    layout = design.split("\n## 8.")[1].split("\n## 9.")[0]
    lines = re.findall(r"^    ([a-z]\S*(?: [a-z]+\.py)*) .*? (\d+)$", layout, re.MULTILINE)
    return {
        name.removesuffix("/").removesuffix(".py"): int(number)
        for names, number in lines
        for name in names.split()
    }


def test_no_test_sleeps() -> None:
    sleeps = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in modules("tests")
        if "benchmarks" not in path.parts  # what is idle is measured by letting time pass
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "sleep"
    ]

    assert sleeps == []


def test_what_takes_longest_is_begun_first() -> None:
    others = (
        "system/test_page.py",
        "contract/test_rot.py",
        "integration/test_drop.py",
        "unit/a.py",
    )
    wanted = [*LONGEST, *(f"tests/{name}" for name in others)]
    by_name = sorted(wanted)

    assert sorted(by_name, key=lambda module: rank(f"{module}::test_one")) == wanted
    assert [name for name in wanted[:-1] if not (ROOT / name).exists()] == []


def test_what_has_services_goes_to_one_worker_and_any_other_module_by_itself() -> None:
    having = {
        str(path.relative_to(ROOT))
        for path in modules("tests/system")
        if path.name.startswith("test_")
        and re.search(r"\bin_systemd\b|\bpackages: Packages|\bbuild\(", path.read_text())
    }

    assert {share_of(f"{module}::test_one") for module in having} == {"services"}
    assert share_of("tests/unit/a.py::test_one[b::c]") == "tests/unit/a.py"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_hashes_and_no_place(name: str) -> None:
    text = (ROOT / "packaging" / name).read_text()

    assert re.findall(r"://|^ *--(?!hash).*|@ .*", text, re.MULTILINE) == []
    for pin in _pins(text):
        assert re.fullmatch(r"\S+==\S+(?: ; .+)?(?: --hash=sha256:[0-9a-f]{64})+", pin), pin


def _pins(text: str) -> Iterator[str]:
    """Give each requirement on one line, without comments."""
    for line in text.replace("\\\n", "").splitlines():
        if not line.lstrip().startswith("#"):
            yield " ".join(line.split())


def test_the_locks_agree_on_every_version() -> None:
    versions: dict[str, set[frozenset[str]]] = {}
    for name in LOCKS:
        for package, pinned in _versions(name).items():
            versions.setdefault(package, set()).add(frozenset(pinned))

    assert {package for package, seen in versions.items() if len(seen) > 1} == set()


def _versions(lock: str) -> dict[str, set[str]]:
    """Give each package's versions: several where they differ by platform."""
    versions: dict[str, set[str]] = {}
    for pin in _pins((ROOT / "packaging" / lock).read_text()):
        package, version = pin.split()[0].split("==")
        versions.setdefault(package, set()).add(version)
    return versions


def test_every_dependency_is_locked() -> None:
    groups = PYPROJECT["dependency-groups"]
    extras = PYPROJECT["project"]["optional-dependencies"]
    asked = {
        "requirements.lock": PYPROJECT["project"]["dependencies"] + extras["markdown"],
        "requirements-test.lock": groups["test"],
        "requirements-check.lock": groups["check"],
    }

    for name, dependencies in asked.items():
        assert {_name(dependency) for dependency in dependencies} <= _versions(name).keys()


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
