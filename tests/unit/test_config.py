"""The configuration: what it means, whichever of its sources it comes from."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from config_files import BASE, DOCS, NOTHING, OTHER, RULE, STORE, Written
from docferry.config import (
    Config,
    ConfigError,
    ConvertConfig,
    DropConfig,
    MirrorConfig,
    SecretStr,
    StoreConfig,
    config_path,
    load,
)
from docferry.core.filters import DEFAULT_EXCLUDES
from docferry.core.retention import Policy
from docferry.model import Mode


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Written:
    return Written(tmp_path / "docferry.toml")


# What is written becomes options.


def test_what_is_not_written_has_its_default(file: Written) -> None:
    config = file.load(BASE)

    assert config.stores == {"main": StoreConfig(name="main")}
    assert config.mirrors == {
        "docs": MirrorConfig("docs", "main", "documents", pathlib.Path("/srv/docs"), "docs/")
    }
    assert config == replace(Config(), stores=config.stores, mirrors=config.mirrors)


def test_every_key_reaches_its_attribute(file: Written, tmp_path: pathlib.Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()

    config = file.load(
        f"""
        state_dir = "/var/lib/elsewhere"
        transfers = 4
        [metrics]
        address = "::1"
        port = 0
        [log]
        level = "debug"
        format = "json"
        [store.main]
        endpoint_url = "https://s3.example.org:9000/"
        region = "eu"
        verify_tls = "{authority}"
        addressing_style = "virtual"
        [mirror.docs]
        store = "main"
        bucket = "documents"
        prefix = "docs"
        local = "/srv/docs/"
        mode = "push"
        poll = 5
        rescan = "2h"
        settle = "500ms"
        delete_limit = 0
        include = ["*.pdf", "*.md"]
        exclude = ["!*.tmp"]
        watch = "polling"
        patrol = "7d"
        patrol_rate = "1 GiB"
        keep_last = 3
        keep_for = "2w"
        keep_hourly = 24
        keep_daily = 7
        keep_weekly = 52
        [drop.scans]
        folder = "/srv/scans"
        into = "docs/in/box"
        naming = "ulid"
        settle = 0
        [[convert]]
        name = "text"
        from = "docs"
        patterns = ["*.pdf"]
        to = "docs/text/{{path}}.{{ext}}"
        with = ["ocrmypdf", "markdown"]
        types = ["application/pdf", "image/*"]
        min_size = "10KiB"
        max_size = "20 MiB"
        timeout = "1m"
        memory = "1 GiB"
        output = "8MiB"
        wait = "1h"
        attempts = 2
        """
    )

    store = StoreConfig(
        name="main",
        endpoint_url="https://s3.example.org:9000",
        region="eu",
        verify_tls=str(authority),
        addressing_style="virtual",
    )
    mirror = MirrorConfig(
        name="docs",
        store="main",
        bucket="documents",
        local=pathlib.Path("/srv/docs"),
        prefix="docs/",
        mode=Mode.PUSH,
        poll_s=5.0,
        rescan_s=7200.0,
        settle_s=0.5,
        delete_limit=0,
        include=("*.pdf", "*.md"),
        exclude=(*DEFAULT_EXCLUDES, "!*.tmp"),
        watch="polling",
        patrol_s=7 * 86400.0,
        patrol_rate_mib=1024,
        keep_last=3,
        keep_for_s=14 * 86400.0,
        keep_hourly=24,
        keep_daily=7,
        keep_weekly=52,
    )
    drop = DropConfig("scans", pathlib.Path("/srv/scans"), "docs", "in/box/", "ulid", 0.0)
    rule = ConvertConfig(
        "text",
        "docs",
        ("*.pdf",),
        "docs",
        ("ocrmypdf", "markdown"),
        "text/{path}.{ext}",
        ("application/pdf", "image/*"),
        10240,
        20 << 20,
        60.0,
        1024,
        8,
        2,
        3600.0,
    )
    assert config == Config(
        state_dir=pathlib.Path("/var/lib/elsewhere"),
        transfers=4,
        metrics_address="::1",
        metrics_port=0,
        log_level="debug",
        log_format="json",
        stores={"main": store},
        mirrors={"docs": mirror},
        drops={"scans": drop},
        converts=(rule,),
    )


@pytest.mark.parametrize(
    ("written", "prefix"),
    [
        ("", ""),
        ("/", ""),
        ("docs", "docs/"),
        ("docs/", "docs/"),
        ("/docs", "docs/"),
        ("/a/b/", "a/b/"),
        ("été/文書", "été/文書/"),
        ("...", ".../"),
        ("p" * 899, "p" * 899 + "/"),
    ],
)
def test_a_prefix_ends_with_one_slash_and_begins_with_none(
    file: Written, written: str, prefix: str
) -> None:
    config = file.load(BASE.replace('"docs"', f'"{written}"', 1))

    assert config.mirrors["docs"].prefix == prefix


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30", 30.0),
        ("2.5", 2.5),
        ('"30"', 30.0),
        ('"500ms"', 0.5),
        ('"1.5 s"', 1.5),
        ('"5m"', 300.0),
        ('"1h"', 3600.0),
        ('"2D"', 172800.0),
        ('"1w"', 604800.0),
    ],
)
def test_a_duration_is_seconds_or_has_a_unit(file: Written, written: str, seconds: float) -> None:
    config = file.load(f"{BASE}poll = {written}")

    assert config.mirrors["docs"].poll_s == seconds


def test_versions_can_be_kept_for_longer_than_anything_else_lasts(file: Written) -> None:
    config = file.load(f'{BASE}keep_for = "3650d"\nkeep_last = 5')

    assert config.mirrors["docs"].retention == Policy(last=5, at_least=timedelta(days=3650))


def test_what_is_not_told_to_go_stays_for_ever(file: Written) -> None:
    assert not file.load(BASE).mirrors["docs"].retention.lets_go


def test_unverified_tls_is_warned_of(file: Written) -> None:
    config = file.load('[store.main]\nendpoint_url = "https://nas"\nverify_tls = false\n' + DOCS)

    (warning,) = config.warnings
    assert "store.main.verify_tls" in warning
    assert "https://nas" in warning


# The file.


@pytest.mark.parametrize(
    ("option", "environ", "chosen"),
    [
        ("mine.toml", {"DOCFERRY_CONFIG": "/their.toml"}, "mine.toml"),
        (None, {"DOCFERRY_CONFIG": "/their.toml"}, "/their.toml"),
        (None, {"DOCFERRY_CONFIG": ""}, "/etc/docferry/docferry.toml"),
        (None, {}, "/etc/docferry/docferry.toml"),
    ],
)
def test_the_option_comes_before_the_variable_before_etc(
    option: str | None, environ: Mapping[str, str], chosen: str
) -> None:
    assert config_path(option, environ) == pathlib.Path(chosen)


def test_a_missing_file_names_the_three_places(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "absent.toml", NOTHING)

    for place in ("absent.toml", "--config", "$DOCFERRY_CONFIG", "/etc/docferry/docferry.toml"):
        assert place in str(caught.value)


def test_a_folder_is_no_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, NOTHING)


def test_bytes_that_are_not_utf8_are_refused(file: Written) -> None:
    file.path.write_bytes(b'state_dir = "/\xff"')

    with pytest.raises(ConfigError, match="not UTF-8 at byte 14"):
        load(file.path, NOTHING)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("transfers = 1\nstate_dir = /var\n", "line 2, column 13"),
        (STORE + STORE, "line 2, column 12"),
        ('state_dir = "/var', "end of document"),
    ],
)
def test_a_mistake_in_the_syntax_is_located(file: Written, content: str, place: str) -> None:
    assert place in file.faults(content)


# The environment.


def test_a_variable_wins_over_the_file(file: Written) -> None:
    content = "transfers = 1\n" + BASE + OTHER + RULE + "[log]\nlevel = 'info'\n[mirror.a-b]\n"

    config = file.load(
        content,
        {
            "DOCFERRY_TRANSFERS": "8",
            "DOCFERRY_LOG__LEVEL": "DEBUG",
            "DOCFERRY_STORE__MAIN__ENDPOINT_URL": "http://nas:9000",
            "DOCFERRY_STORE__MAIN__VERIFY_TLS": "False",
            "DOCFERRY_MIRROR__DOCS__POLL": "5s",
            "DOCFERRY_MIRROR__DOCS__INCLUDE": '["*.pdf", "*.docx"]',
            "DOCFERRY_MIRROR__A_B__STORE": "main",
            "DOCFERRY_MIRROR__A_B__BUCKET": "123",
            "docferry_mirror__a_b__local": "/srv/ab",
            "DOCFERRY_CONVERT__TEXT__ATTEMPTS": "1",
        },
    )

    assert (config.transfers, config.log_level) == (8, "debug")
    assert config.stores["main"].endpoint_url == "http://nas:9000"
    assert config.stores["main"].verify_tls is False
    assert config.mirrors["docs"].poll_s == 5.0
    assert config.mirrors["docs"].include == ("*.pdf", "*.docx")
    assert config.mirrors["a-b"].bucket == "123"
    assert config.mirrors["a-b"].local == pathlib.Path("/srv/ab")
    assert config.converts[0].attempts == 1


@pytest.mark.parametrize(
    ("variable", "right"),
    [
        ("DOCFERRY_MIRROR__DOCS__PREFX", "DOCFERRY_MIRROR__DOCS__PREFIX?"),
        ("DOCFERRY_MIRROR__DOSC__PREFIX", "DOCFERRY_MIRROR__DOCS__PREFIX?"),
        ("DOCFERRY_METRICS_PORT", "DOCFERRY_METRICS__PORT?"),
        ("DOCFERRY_CONVERT__TEXT__NAME", "DOCFERRY_CONVERT__TEXT__"),
        ("DOCFERRY_STORE__MAIN__SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_a_variable_that_sets_nothing_is_refused(file: Written, variable: str, right: str) -> None:
    faults = file.faults(BASE + OTHER + RULE, {variable: "sesame"})

    assert right in faults[variable].right
    assert "sesame" not in str(faults)


@pytest.mark.parametrize(
    "variable", ["DOCFERRY_CONFIG", "DOCFERRY_SERVICE_HOST", "DOCFERRY_PORT_9412_TCP_ADDR", "HOME"]
)
def test_a_variable_that_is_no_key_is_left_alone(file: Written, variable: str) -> None:
    assert file.load(BASE, {variable: "x"}) == file.load(BASE)


def test_a_faulty_variable_is_named(file: Written) -> None:
    faults = file.faults(BASE, {"DOCFERRY_MIRROR__DOCS__POLL": "\udcff soon"})

    assert "set by DOCFERRY_MIRROR__DOCS__POLL" in faults["mirror.docs.poll"].wrong
    str(faults["mirror.docs.poll"].wrong).encode()


def test_a_variable_of_two_tables_is_refused(file: Written) -> None:
    faults = file.faults(BASE + "[store.a-b]\n[store.a_b]\n", {"DOCFERRY_STORE__A_B__REGION": "eu"})

    assert "store.a-b.region and store.a_b.region" in faults["DOCFERRY_STORE__A_B__REGION"].wrong


# Secrets.


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("secret_access_key", "main.secret_access_key"),
        ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
        ("secret_key", "main.secret_access_key"),
        ("access_key_id", "main.access_key_id"),
        ("session_token", "AWS_SESSION_TOKEN"),
    ],
)
def test_a_secret_in_the_file_is_told_its_place_and_not_shown(
    file: Written, key: str, where: str
) -> None:
    faults = file.faults(f"[store.main]\n{key} = 'sesame'\n{DOCS}")

    assert where in faults[f"store.main.{key}"].right
    assert "$CREDENTIALS_DIRECTORY" in faults[f"store.main.{key}"].right
    assert "sesame" not in str(faults)


def test_a_password_in_the_endpoint_is_refused_and_not_shown(file: Written) -> None:
    faults = file.faults(f"[store.main]\nendpoint_url = 'http://me:sesame@nas'\n{DOCS}")

    assert "has a user or a password" in faults["store.main.endpoint_url"].wrong
    assert "sesame" not in str(faults)


def test_secrets_come_from_the_credentials_directory(file: Written, tmp_path: pathlib.Path) -> None:
    environ = _credentials(
        tmp_path,
        {
            "main.access_key_id": "AKIA\n",
            "main.secret_access_key": "open-sesame\n",
            "main.session_token": "tok",
            "unrelated": "x",
        },
    )

    config = file.load(BASE + "[store.other]\n", environ)

    main = config.stores["main"]
    assert main.access_key_id == "AKIA"
    assert main.secret_access_key == SecretStr("open-sesame")
    assert main.session_token is not None
    assert main.session_token.get_secret_value() == "tok"
    assert config.stores["other"].access_key_id is None
    assert "sesame" not in f"{config} {config!r}"


def test_the_secret_of_notifications_is_nobody_elses(file: Written, tmp_path: pathlib.Path) -> None:
    environ = _credentials(tmp_path, {"docferry_notifications.secret": "open-sesame-open-sesame\n"})

    config = file.load(BASE, environ)

    assert config.notifications_secret == SecretStr("open-sesame-open-sesame")
    assert "sesame" not in repr(config)


def test_a_converter_cannot_have_the_secret_of_notifications(
    file: Written, tmp_path: pathlib.Path
) -> None:
    environ = _credentials(tmp_path, {"notifications.secret": "open-sesame-open-sesame"})

    faults = file.faults(
        BASE + '[converter.notifications]\nkind = "tika"\nurl = "http://127.0.0.1:9998"\n', environ
    )

    assert "converter.notifications" in faults["$CREDENTIALS_DIRECTORY/notifications.secret"].wrong


@pytest.mark.parametrize(
    ("files", "key", "wrong"),
    [
        ({"notifications.secret": "short"}, "notifications.secret", "too short"),
        ({"main.access_key_id": "A"}, "main.secret_access_key", "is missing"),
        ({"main.session_token": "t"}, "main.access_key_id", "is missing"),
        ({"access_key_id": "A"}, "access_key_id", "which store"),
        ({"mian.access_key_id": "A"}, "mian.access_key_id", "no store mian"),
        ({"main.access_key_id": "", "main.secret_access_key": "s"}, "main.access_key_id", "empty"),
        ({"main.access_key_id": "é", "main.secret_access_key": "s"}, "main.access_key_id", "plain"),
    ],
)
def test_a_fault_in_the_credentials_names_the_file(
    file: Written, tmp_path: pathlib.Path, files: Mapping[str, str], key: str, wrong: str
) -> None:
    faults = file.faults(BASE, _credentials(tmp_path, files))

    assert wrong in faults[f"$CREDENTIALS_DIRECTORY/{key}"].wrong


def test_credentials_that_cannot_be_read_are_told(file: Written, tmp_path: pathlib.Path) -> None:
    (tmp_path / "main.access_key_id").mkdir()

    faults = file.faults(BASE, {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert "Is a directory" in faults["$CREDENTIALS_DIRECTORY/main.access_key_id"].wrong
    assert "$CREDENTIALS_DIRECTORY" in file.faults(BASE, {"CREDENTIALS_DIRECTORY": "/no/such"})


def _credentials(folder: pathlib.Path, files: Mapping[str, str]) -> dict[str, str]:
    directory = folder / "credentials"
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_text(content, encoding="utf-8")
    return {"CREDENTIALS_DIRECTORY": str(directory)}
