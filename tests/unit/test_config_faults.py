"""The configuration: how it is refused. Each fault names its key and its remedy."""

from __future__ import annotations

import pathlib

import pytest

from config_files import BASE, DOCS, DROP, OTHER, RULE, STORE, Written
from docferry.config import ConfigError


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Written:
    return Written(tmp_path / "docferry.toml")


IN_DOCS = "mirror.docs."
QUEUE = "[sqs.q]\nstore = 'main'\nqueue_url = 'https://sqs.eu-west-1.amazonaws.com/1/q'\n"
FAULTS: list[tuple[str, str, str, str]] = [
    # what is written, the key, what is wrong, what would be right
    ("", "mirror", "there is none", "[mirror.NAME]"),
    # keys and tables
    (BASE + "prefx = 'a'", IN_DOCS + "prefx", "no such key", "did you mean prefix?"),
    (
        BASE + "colour = 'red'",
        IN_DOCS + "colour",
        "no such key",
        "one of: bucket, canary, change_limit, d",
    ),
    (BASE + "name = 'docs'", IN_DOCS + "name", "no such key", "one of"),
    (BASE + "state_dir = '/x'", IN_DOCS + "state_dir", "no such key", "above the first [table]"),
    ("statedir = '/x'\n" + BASE, "statedir", "no such key", "did you mean state_dir?"),
    ("endpoint_url = 'http://a'\n" + DOCS, "endpoint_url", "no such key", "header, [store.NAME]"),
    ("local = '/srv/a'\n" + BASE, "local", "no such key", "header, [mirror.NAME]"),
    ("settle = '1s'\n" + BASE, "settle", "no such key", "[mirror.NAME] or [drop.NAME]"),
    (BASE + "port = 9412", IN_DOCS + "port", "no such key", "header, [metrics]"),
    ("[mirrors.docs]\n" + BASE, "mirrors", "no such key", "did you mean mirror?"),
    (BASE + "[metrics]\nprt = 1", "metrics.prt", "no such key", "did you mean metrics.port?"),
    ("metrics = 5\n" + BASE, "metrics", "is 5", "[metrics]"),
    ("store = 'main'\n" + DOCS, "store", 'is "main"', "[store.NAME]"),
    ("[store]\nregion = 'eu'\n" + DOCS, "store.region", "[store] has no name", "[store.NAME]"),
    (BASE + "[convert]\nname = 'x'", "convert", "is a table", "[[convert]]"),
    (BASE + "[store.'My Store']", "store.My Store", '"My Store" is no name', "letters a-z"),
    (f"{BASE}[store.{'a' * 64}]", f"store.{'a' * 64}", "is no name", "at most 63"),
    # the top
    ("state_dir = 'state'\n" + BASE, "state_dir", "does not begin with /", "absolute path"),
    ("transfers = 0\n" + BASE, "transfers", "is 0", "from 1 to 256"),
    ("transfers = true\n" + BASE, "transfers", "is true", "a whole number"),
    ("transfers = 1.5\n" + BASE, "transfers", "is 1.5", "a whole number"),
    (BASE + "[metrics]\nport = 70000", "metrics.port", "is 70000", "to 65535"),
    (BASE + "[metrics]\naddress = 'all'", "metrics.address", 'is "all"', '"0.0.0.0" for all'),
    (BASE + "[log]\nlevel = 'loud'", "log.level", 'is "loud"', '"warning" or "error"'),
    # stores
    (STORE + "endpoint_url = 'nas:9000'\n" + DOCS, "store.main.endpoint_url", "nas", "http://"),
    (STORE + "endpoint_url = 'http://'\n" + DOCS, "store.main.endpoint_url", "is", "http://"),
    (STORE + "endpoint_url = 'http://a:x'\n" + DOCS, "store.main.endpoint_url", "Port", "http://"),
    (STORE + "endpoint_url = 'http://a?b'\n" + DOCS, "store.main.endpoint_url", '"?"', "http://"),
    (STORE + "verify_tls = '/no/ca.pem'\n" + DOCS, "store.main.verify_tls", "no such file", "CA"),
    (STORE + "verify_tls = 'ca.pem'\n" + DOCS, "store.main.verify_tls", "begin with /", "CA"),
    (STORE + "verify_tls = 1\n" + DOCS, "store.main.verify_tls", "is 1", "true, false"),
    (STORE + "addressing_style = 'dns'\n" + DOCS, "store.main.addressing_style", "dns", '"path"'),
    (STORE + "region = ''\n" + DOCS, "store.main.region", 'is ""', "us-east-1"),
    # queues
    (BASE + "[sqs.q]\nstore = 'main'", "sqs.q.queue_url", "is missing", "sqs.eu-central-1"),
    (BASE + QUEUE.replace("main", "min"), "sqs.q.store", "no [store.min]", "did you mean main?"),
    (BASE + QUEUE.replace("/1/q", ""), "sqs.q.queue_url", "no queue in it", "address"),
    (BASE + QUEUE.replace("//", "//a:b@"), "sqs.q.queue_url", "a password in it", "address"),
    (
        BASE + QUEUE + "secret = 'x'",
        "sqs.q.secret",
        "not written here",
        "main.secret_access_key",
    ),
    # mirrors
    (STORE + "[mirror.docs]", IN_DOCS + "store", "is missing", "[store.NAME]"),
    (STORE + "[mirror.docs]", IN_DOCS + "bucket", "is missing", "3 to 63"),
    (STORE + "[mirror.docs]", IN_DOCS + "local", "is missing", "an absolute path"),
    ("[store.mine]\n" + DOCS, IN_DOCS + "store", "no [store.main]", "did you mean mine?"),
    (DOCS, IN_DOCS + "store", "no [store.main]", "there is none yet"),
    (BASE.replace("documents", "Documents"), IN_DOCS + "bucket", "Documents", "a-z"),
    (BASE.replace("documents", "ab"), IN_DOCS + "bucket", "ab", "3 to 63"),
    (BASE.replace("documents", "a..b"), IN_DOCS + "bucket", "a..b", 'no ".."'),
    (BASE.replace("documents", "my_docs"), IN_DOCS + "bucket", "my_docs", "S3 allows"),
    (BASE.replace("documents", "docs-"), IN_DOCS + "bucket", "docs-", "both ends"),
    (BASE.replace("documents", "10.0.0.1"), IN_DOCS + "bucket", "an IP address", "S3 allows"),
    (BASE.replace("documents", "xn--docs"), IN_DOCS + "bucket", "for itself", "S3 allows"),
    (BASE.replace('"docs"', '"a//b"'), IN_DOCS + "prefix", '"//"', 'no "//"'),
    (BASE.replace('"docs"', '"a//"'), IN_DOCS + "prefix", '"//"', 'no "//"'),
    (BASE.replace('"docs"', '"a/../b"'), IN_DOCS + "prefix", '".."', 'no "." or ".."'),
    (BASE.replace('"docs"', '"./a"'), IN_DOCS + "prefix", '"."', 'no "." or ".."'),
    (BASE.replace('"docs"', '".docferry/a"'), IN_DOCS + "prefix", '".docferry"', "prefix"),
    (BASE.replace('"docs"', '"a\\u0000"'), IN_DOCS + "prefix", "control character", "prefix"),
    (BASE.replace('"docs"', f'"{"é" * 450}"'), IN_DOCS + "prefix", "900 bytes", "at most 900"),
    (BASE.replace("/srv/docs", "docs"), IN_DOCS + "local", "begin with /", "absolute"),
    (BASE.replace("/srv/docs", "~/docs"), IN_DOCS + "local", "begin with /", "to a service"),
    (BASE.replace("/srv/docs", "//"), IN_DOCS + "local", "whole machine", "absolute"),
    (BASE + "mode = 'both'", IN_DOCS + "mode", 'is "both"', '"two-way", "push" or "pull"'),
    (BASE + "poll = 'soon'", IN_DOCS + "poll", 'is "soon"', '"30s"'),
    (BASE + "poll = 0", IN_DOCS + "poll", "is 0", "from 0.1 s"),
    (BASE + "poll = inf", IN_DOCS + "poll", "is Infinity", '"30s"'),
    (BASE + "poll = nan", IN_DOCS + "poll", "is NaN", '"30s"'),
    (BASE + "patrol = '400d'", IN_DOCS + "patrol", 'is "400d"', "at most a year"),
    (BASE + "patrol_rate = '0'", IN_DOCS + "patrol_rate", 'is "0"', "at least 1 MiB"),
    (BASE + "rescan = true", IN_DOCS + "rescan", "is true", '"30s"'),
    (BASE + 'keep_for = "1y"', IN_DOCS + "keep_for", 'is "1y"', "90d"),
    (BASE + "keep_last = -1", IN_DOCS + "keep_last", "is -1", "0 for no such rule"),
    (BASE + "settle = -1", IN_DOCS + "settle", "is -1", "at most a year"),
    (BASE + "settle = '2 weeks'", IN_DOCS + "settle", "weeks", '"1h"'),
    (BASE + "delete_limit = -1", IN_DOCS + "delete_limit", "is -1", "from 0"),
    (BASE + "include = '*.pdf'", IN_DOCS + "include", 'is "*.pdf"', "a list"),
    (BASE + "include = [1]", IN_DOCS + "include", "no text", "a list of patterns"),
    (BASE + "include = ['[z-a]']", IN_DOCS + "include", "[z-a]", ".gitignore"),
    (BASE + "exclude = ['!']", IN_DOCS + "exclude", '"!"', ".gitignore"),
    (BASE + "exclude = ['#a#']", IN_DOCS + "exclude", "a comment", ".gitignore"),
    (BASE + 'canary = "1m"', IN_DOCS + "canary", "alone take 32 s", "at least twice"),
    (BASE + "canary = 900\ninclude = ['*.pdf']", IN_DOCS + "canary", "leaves out", "include"),
    (BASE + "canary = 900\nexclude = ['/*.canary']", IN_DOCS + "canary", "leaves out", "exclude"),
    (BASE + "watch = 'never'", IN_DOCS + "watch", "never", '"polling"'),
    ("a = " + "[" * 3000, "the file", "nested too deeply", "key = value"),
    (BASE + "extra = 1\n" + "x = " + "{a = " * 3000, "the file", "nested too deeply", "TOML"),
    # drops
    (BASE + "[drop.scans]", "drop.scans.into", "is missing", "MIRROR/a/folder"),
    (BASE + DROP.replace("docs/", "dosc/"), "drop.scans.into", "[mirror.dosc]", "mean docs?"),
    (BASE + DROP.replace("inbox", "../x"), "drop.scans.into", '".."', "MIRROR"),
    (BASE + DROP.replace("/inbox", "//x"), "drop.scans.into", '"//"', "MIRROR"),
    (BASE + DROP.replace("docs/inbox", "/docs"), "drop.scans.into", "/docs", "MIRROR"),
    (BASE + DROP.replace("inbox", "x" * 256), "drop.scans.into", "255 bytes", "MIRROR"),
    (BASE + "mode='pull'\n" + DROP, "drop.scans.into", "is pull", "two-way or push"),
    (BASE + DROP + "naming = 'uuid'", "drop.scans.naming", "uuid", '"path" or "ulid"'),
    # rules
    (BASE + OTHER + "[[convert]]", "convert.1.name", "is missing", "letters"),
    (BASE + OTHER + RULE + RULE, "convert.text.name", "another rule", "each rule"),
    (BASE + RULE, "convert.text.to", "no [mirror.other]", "one of: docs"),
    (BASE + OTHER + RULE.replace('m = "docs"', 'm = "doc"'), "convert.text.from", "doc", "docs?"),
    (BASE + OTHER + "mode='pull'\n" + RULE, "convert.text.to", "is pull", "two-way or push"),
    (BASE + OTHER + RULE.replace('"*.pdf"', ""), "convert.text.patterns", "empty", "*.pdf"),
    (BASE + OTHER + RULE.replace('"markdown"', '"pdv"'), "convert.text.with", "pdv", "pdf?"),
    (BASE + OTHER + RULE + "memory = 1", "convert.text.memory", "is 1", '"2GiB"'),
    (BASE + OTHER + RULE + "memory = '2 cups'", "convert.text.memory", "cups", '"2GiB"'),
    (BASE + OTHER + RULE + "attempts = 0", "convert.text.attempts", "is 0", "from 1"),
    (
        BASE + RULE.replace('"other"', '"docs"').replace("*.pdf", "*.md"),
        "convert.text.patterns",
        "the rule's own results",
        'another mirror in "to"',
    ),
]


@pytest.mark.parametrize(("content", "key", "wrong", "right"), FAULTS)
def test_a_fault_names_its_key_and_its_remedy(
    file: Written, content: str, key: str, wrong: str, right: str
) -> None:
    faults = file.faults(content)

    assert key in faults
    assert wrong in faults[key].wrong
    assert right in faults[key].right


def test_all_faults_are_told_at_once(file: Written) -> None:
    content = (
        "transfers = 'many'\n[store.main]\nregoin = 'eu'\n"
        + DOCS.replace("documents", "Documents").replace('"docs"', '".."')
        + DROP.replace("/srv/scans", "/srv/docs/scans").replace("docs/inbox", "dosc")
    )

    with pytest.raises(ConfigError) as caught:
        file.load(content, {"DOCFERRY_LOG__LEVLE": "info"})

    told = [fault.key for fault in caught.value.faults]
    assert sorted(told) == [
        "DOCFERRY_LOG__LEVLE",
        "drop.scans.folder",
        "drop.scans.into",
        "mirror.docs.bucket",
        "mirror.docs.prefix",
        "store.main.regoin",
        "transfers",
    ]
    for fault in caught.value.faults:
        text = f"\n  {fault.key}\n    wrong: {fault.wrong}\n    right: {fault.right}"
        assert text in str(caught.value)
    assert str(caught.value).startswith(f"{file.path} has 7 faults:")


def test_a_fault_brings_no_second_one_with_it(file: Written) -> None:
    # With the faulty prefix read as "" the two mirrors would seem to overlap.
    content = STORE + DOCS.replace('"docs"', '"a//b"') + OTHER.replace("elsewhere", "documents")

    assert list(file.faults(content)) == ["mirror.docs.prefix"]


def test_a_faulty_endpoint_is_not_taken_for_aws(file: Written) -> None:
    stores = "[store.aws]\n[store.main]\nendpoint_url = 'nas'\n"
    content = stores + DOCS + OTHER.replace("main", "aws").replace("elsewhere", "documents")

    assert list(file.faults(content)) == ["store.main.endpoint_url"]


def test_a_key_read_twice_is_told_of_once(file: Written) -> None:
    with pytest.raises(ConfigError) as caught:
        file.load(BASE + "[drop.scans]\nfolder = '/srv/scans'\n")

    assert [fault.key for fault in caught.value.faults] == ["drop.scans.into"]


def test_results_in_another_mirror_may_match_the_patterns(file: Written) -> None:
    config = file.load(BASE + OTHER + RULE.replace("*.pdf", "*.md"))

    assert config.converts[0].patterns == ("*.md",)


# What overlaps.


@pytest.mark.parametrize(
    ("one", "two"), [("", ""), ("", "a"), ("a", ""), ("a", "a/"), ("a", "a/b"), ("a/b/c", "/a/b")]
)
def test_nested_prefixes_of_a_bucket_are_refused(file: Written, one: str, two: str) -> None:
    faults = file.faults(_two_mirrors(one, two))

    assert '"documents"' in faults["mirror.two.prefix"].wrong
    assert "mirror.one.prefix" in faults["mirror.two.prefix"].wrong


@pytest.mark.parametrize(("one", "two"), [("a", "b"), ("a", "ab"), ("a/b", "a/c")])
def test_prefixes_side_by_side_are_taken(file: Written, one: str, two: str) -> None:
    assert len(file.load(_two_mirrors(one, two)).mirrors) == 2


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("http://nas", "http://NAS:80/"),
        ("https://nas", "https://nas:443"),
        ("https://s3.eu-west-1.amazonaws.com", "https://s3.amazonaws.com"),
    ],
)
def test_two_stores_may_be_the_same_server(file: Written, one: str, two: str) -> None:
    stores = f"[store.a]\nendpoint_url = '{one}'\n[store.b]\nendpoint_url = '{two}'\n"
    content = stores + _two_mirrors("x", "x").replace(STORE, "").replace("main", "a", 1)

    assert "mirror.two.prefix" in file.faults(content.replace("main", "b"))


def test_equal_prefixes_on_different_servers_are_taken(file: Written) -> None:
    stores = "[store.a]\nendpoint_url = 'http://a'\n[store.b]\nendpoint_url = 'http://b'\n"
    content = stores + _two_mirrors("x", "x").replace(STORE, "").replace("main", "a", 1)

    assert len(file.load(content.replace("main", "b")).mirrors) == 2


def _two_mirrors(prefix: str, other_prefix: str) -> str:
    return STORE + "".join(
        f'[mirror.{name}]\nstore = "main"\nbucket = "documents"\nprefix = "{prefix}"\n'
        f'local = "/srv/{name}"\n'
        for name, prefix in (("one", prefix), ("two", other_prefix))
    )


@pytest.mark.parametrize(
    ("state", "mirror", "drop", "key"),
    [
        ("/s", "/m", "/m", "drop.scans.folder"),
        ("/s", "/m", "/m/in", "drop.scans.folder"),
        ("/s", "/m/in", "/m", "drop.scans.folder"),
        ("/s", "/m", "/x/../m/in", "drop.scans.folder"),
        ("/m/state", "/m", "/d", "mirror.docs.local"),
        ("/d/state", "/m", "/d", "drop.scans.folder"),
        ("/s", "/s/docs", "/d", "mirror.docs.local"),
        ("/s", "//s", "/d", "mirror.docs.local"),
    ],
)
def test_folders_in_one_another_are_refused(
    file: Written, state: str, mirror: str, drop: str, key: str
) -> None:
    content = (
        f'state_dir = "{state}"\n'
        + BASE.replace("/srv/docs", mirror)
        + DROP.replace("/srv/scans", drop)
    )

    (fault,) = file.faults(content).values()

    assert fault.key == key
    assert "a folder of its own" in fault.right


def test_folders_whose_names_begin_alike_are_taken(file: Written) -> None:
    content = BASE + OTHER.replace("/srv/other", "/srv/docs2")

    assert len(file.load(content).mirrors) == 2


def test_two_drop_folders_in_one_another_are_refused(file: Written) -> None:
    inner = DROP.replace("scans", "inner").replace("/srv/inner", "/srv/scans/inner")

    faults = file.faults(BASE + DROP + inner)

    assert "lies in drop.scans.folder" in faults["drop.inner.folder"].wrong


def test_a_folder_behind_a_link_is_found_out(file: Written, tmp_path: pathlib.Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    link = tmp_path / "link"
    link.symlink_to(real)
    mirrors = BASE.replace("/srv/docs", str(real)) + OTHER.replace("/srv/other", f"{link}/not-yet")

    faults = file.faults(mirrors)

    assert f'which is "{real}/not-yet"' in faults["mirror.other.local"].wrong
    assert "lies in mirror.docs.local" in faults["mirror.other.local"].wrong


def test_links_in_a_circle_are_no_traceback(file: Written, tmp_path: pathlib.Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)

    config = file.load(BASE.replace("/srv/docs", str(loop)))

    assert config.mirrors["docs"].local == loop
