"""Dockerfile and compose.yaml: no engine runs them here, so they are read closely."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from docferry.config import load

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
DOCKERFILE = (PACKAGING / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((PACKAGING / "compose.yaml").read_text())
# https://github.com/compose-spec/compose-spec, schema/compose-spec.json at 170098b; Apache-2.0.
SCHEMA = json.loads((ROOT / "tests" / "samples" / "compose-spec.json").read_text())


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    ended = subprocess.run(
        [hadolint, PACKAGING / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (ended.stdout, ended.returncode) == ("", 0)


def test_what_the_dockerfile_copies_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)

    assert len(copied) == 3
    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []


def test_the_dockerfiles_health_check_is_a_program() -> None:
    command = json.loads(re.findall(r"HEALTHCHECK [^\n]+\n +CMD (.+)", DOCKERFILE)[0])

    compile(command[-1], "HEALTHCHECK", "exec")

    assert command[0] == "/opt/docferry/bin/python3"


def test_the_image_has_the_uv_of_the_lock() -> None:
    lock = (PACKAGING / "requirements-check.lock").read_text()

    assert re.findall(r"^uv==(\S+)", lock, re.MULTILINE) == re.findall(r"/uv:(\S+)", DOCKERFILE)


def test_the_compose_file_is_one_by_the_schema_of_compose() -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(COMPOSE)

    profiles = {name: service["profiles"] for name, service in COMPOSE["services"].items()}
    assert sorted(profile for each in profiles.values() for profile in each) == [
        "converter",
        "daemon",
        "grafana",
        "prometheus",
        "store",
    ]


def test_every_place_that_the_compose_file_names_is_there() -> None:
    volumes, secrets = COMPOSE["volumes"], COMPOSE["secrets"]
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source = re.sub(r"\$\{\w+:-(.+?)}", r"\1", volume).split(":")[0]
            is_there = (PACKAGING / source).exists() if source[0] == "." else source in volumes
            assert is_there, volume
        assert set(service.get("secrets", ())) <= secrets.keys()


def test_docferrys_configuration_in_the_compose_file_is_valid_and_fits_the_volumes() -> None:
    config = load(PACKAGING / "compose" / "docferry.toml", {})

    assert config.warnings == ()
    assert {mirror.local.parent for mirror in config.mirrors.values()} == {Path("/srv/docferry")}
    assert config.stores["main"].endpoint_url == "http://seaweedfs:8333"
    assert "seaweedfs" in COMPOSE["services"]


@pytest.mark.tools("promtool")
def test_prometheus_takes_its_configuration_in_the_compose_file() -> None:
    file = PACKAGING / "compose" / "prometheus.yml"

    ended = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", file],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
