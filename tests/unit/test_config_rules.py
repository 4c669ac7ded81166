"""Rules in the configuration: where results go, and rules that would do each other harm."""

from __future__ import annotations

import pathlib

import pytest

from config_files import BASE, OTHER, Written

HERE = BASE + OTHER


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Written:
    return Written(tmp_path / "docferry.toml")


def rule(
    patterns: str = "*.pdf",
    to: str = "other",
    *,
    name: str = "text",
    from_mirror: str = "docs",
    chain: str = "markdown",
    more: str = "",
) -> str:
    lines = ", ".join(f"'{line}'" for line in patterns.split())
    return (
        f"[[convert]]\nname = '{name}'\nfrom = '{from_mirror}'\npatterns = [{lines}]\n"
        f"to = '{to}'\nwith = '{chain}'\n{more}\n"
    )


# How results are called.


@pytest.mark.parametrize(
    ("to", "mirror", "template"),
    [
        ("other", "other", "{ulid}.{ext}"),
        ("other/{path}.{ext}", "other", "{path}.{ext}"),
        ("other/{dir}{stem}.{ext}", "other", "{dir}{stem}.{ext}"),
        ("other/text/{rule}/{sha256}", "other", "text/{rule}/{sha256}"),
        ("other/a {ulid}", "other", "a {ulid}"),
    ],
)
def test_where_results_go_is_a_mirror_and_a_template(
    file: Written, to: str, mirror: str, template: str
) -> None:
    (read,) = file.load(HERE + rule(to=to)).converts

    assert (read.to_mirror, read.template) == (mirror, template)


@pytest.mark.parametrize(
    ("to", "wrong"),
    [
        ("other//{ulid}", '""'),
        ("other/{ulid}/", '""'),
        ("other/../{ulid}", '".."'),
        ("other/./{ulid}", '"."'),
        ("other/.docferry/{ulid}", '".docferry"'),
        ("other/{dir}/{name}", '""'),
        ("other/{dir}.docferry/{name}", '".docferry"'),
        ("other/{size}", "there is no {size}"),
        ("other/{ulid!r}", "{ulid}"),
        ("other/{ulid", ""),
        ("other/{{ulid}}", "a brace"),
        ("other/inbox", "one name"),
        ("other/{rule}.{ext}", "one name"),
        ("/{ulid}", ""),
    ],
)
def test_a_template_that_no_name_can_come_of_is_refused(file: Written, to: str, wrong: str) -> None:
    fault = file.faults(HERE + rule(to=to))["convert.text.to"]

    assert wrong in fault.wrong
    assert "MIRROR" in fault.right


@pytest.mark.parametrize(
    ("patterns", "to", "is_warned"),
    [
        ("*.pdf *.docx", "other/{dir}{stem}.{ext}", True),
        ("*", "other/{dir}{stem}.{ext}", True),
        ("*.pdf", "other/{stem}.{ext}", True),
        ("*.pdf", "other/{name}.{ext}", True),
        ("*.pdf", "other/{dir}{stem}.{ext}", False),
        ("*.pdf *.docx", "other/{dir}{name}.{ext}", False),
        ("*.pdf *.docx", "other/{path}.{ext}", False),
        ("*.pdf *.docx", "other/{stem}-{ulid}.{ext}", False),
    ],
)
def test_names_that_two_documents_would_share_are_warned_of(
    file: Written, patterns: str, to: str, *, is_warned: bool
) -> None:
    config = file.load(HERE + rule(patterns, to))

    assert bool(config.warnings) == is_warned


# Which documents.


@pytest.mark.parametrize(
    ("more", "key", "wrong"),
    [
        ("types = ['pdf']", "types", '"pdf"'),
        ("types = ['Application/PDF']", "types", "Application/PDF"),
        ("min_size = '2MiB'\nmax_size = '1MiB'", "max_size", "no document is taken"),
        ("max_size = '1 cup'", "max_size", "cup"),
        ("wait = 'long'", "wait", "long"),
        ("output = 0", "output", "is 0"),
    ],
)
def test_a_fault_names_its_key(file: Written, more: str, key: str, wrong: str) -> None:
    faults = file.faults(HERE + rule(more=more))

    assert wrong in faults[f"convert.text.{key}"].wrong


@pytest.mark.parametrize(("written", "waits_s"), [("0", None), ("'2h'", 7200.0)])
def test_no_wait_is_for_ever(file: Written, written: str, waits_s: float | None) -> None:
    (read,) = file.load(HERE + rule(more=f"wait = {written}")).converts

    assert read.waits_s == waits_s


# Round and round.


@pytest.mark.parametrize(
    ("patterns", "to", "result"),
    [
        ("*.md", "docs", ".md"),
        ("*", "docs", ".md"),
        ("01*", "docs", "01"),
        ("inbox/", "docs/done/{path}.{ext}", "inbox/"),
        ("*.txt text/", "docs/text/{ulid}.{ext}", "text/"),
        ("* !*.pdf", "docs/{dir}{stem}.{ext}", ".md"),
    ],
)
def test_a_rule_that_matches_its_own_results_is_refused(
    file: Written, patterns: str, to: str, result: str
) -> None:
    fault = file.faults(HERE + rule(patterns, to))["convert.text.patterns"]

    assert "the rule's own results" in fault.wrong
    assert result in fault.wrong
    assert '"!*.md" as the last' in fault.right


@pytest.mark.parametrize(
    ("patterns", "to"),
    [
        ("*.md", "other"),
        ("*.pdf *.docx", "docs"),
        ("*.docx", "docs/{dir}{stem}.{ext}"),
        ("/in/", "docs/out/{path}.{ext}"),
        ("* !*.md", "docs"),
    ],
)
def test_a_rule_that_never_does_is_taken(file: Written, patterns: str, to: str) -> None:
    assert len(file.load(HERE + rule(patterns, to)).converts) == 1


def test_rules_that_feed_each_other_through_two_mirrors_are_refused(file: Written) -> None:
    there = rule("*.docx *.txt", "other/{path}.{ext}", name="there")
    back = rule("*.md", "docs/{path}.{ext}", name="back", from_mirror="other", chain="text")

    faults = file.faults(HERE + there + back)

    assert list(faults) == ["convert.there.patterns"]
    assert faults["convert.there.patterns"].wrong.startswith("closes a circle: there makes ")
    assert "in other, which back takes, back makes " in faults["convert.there.patterns"].wrong


def test_a_way_there_and_back_that_ends_is_taken(file: Written) -> None:
    there = rule("*.docx", "other/{path}.{ext}", name="there")
    back = rule("*.md", "docs/{path}.{ext}", name="back", from_mirror="other", chain="text")

    assert len(file.load(HERE + there + back).converts) == 2


def test_what_the_mirror_on_the_way_leaves_out_closes_no_circle(file: Written) -> None:
    there = rule("*.docx *.txt", "other/out/{path}.{ext}", name="there")
    back = rule("*.md", "docs/{path}.{ext}", name="back", from_mirror="other", chain="text")
    narrow = OTHER + "include = ['/out/*.md', '/in/*.md']\n"

    refused = file.faults(BASE + narrow + there + back)
    taken = file.load(BASE + narrow + there + back.replace("*.md", "/in/*.md"))

    assert list(refused) == ["convert.there.patterns"]
    assert len(taken.converts) == 2


# Results that go nowhere, or over each other.


@pytest.mark.parametrize(
    ("mirror", "is_left_out"),
    [
        ("include = ['*.pdf']", True),
        ("exclude = ['*.md']", True),
        ("include = ['*.md']", False),
        ("exclude = ['drafts/']", False),
        ("exclude = ['*.md', '!*.md']", False),
    ],
)
def test_results_that_their_mirror_leaves_out_are_refused(
    file: Written, mirror: str, *, is_left_out: bool
) -> None:
    content = BASE + OTHER + mirror + "\n" + rule()

    if is_left_out:
        assert "never reach the store" in file.faults(content)["convert.text.to"].wrong
    else:
        assert len(file.load(content).converts) == 1


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (rule(), rule(name="again")),
        (rule("*.pdf"), rule("scans/", name="again")),
        (rule(to="other/{path}.{ext}"), rule(to="other/{dir}{name}.{ext}", name="again")),
        (rule(to="other/{path}.md"), rule(to="other/{path}.{ext}", name="again")),
        (rule(more="max_size = '1MiB'"), rule(name="again", more="min_size = '1MiB'")),
        (rule(more="types = ['image/*']"), rule(name="again", more="types = ['image/png']")),
        (
            rule("*.docx", "both/{path}.{ext}"),
            rule("*.docx", "both/{path}.{ext}", name="again", from_mirror="other"),
        ),
    ],
)
def test_rules_that_would_overwrite_each_others_results_are_refused(
    file: Written, one: str, two: str
) -> None:
    both = OTHER.replace("other", "both").replace("elsewhere", "both")

    faults = file.faults(HERE + both + one + two)

    assert list(faults) == ["convert.again.to"]
    assert "convert.text.to gives" in faults["convert.again.to"].wrong
    assert "{rule}" in faults["convert.again.to"].right


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (rule(), rule("*.docx", name="again")),
        (rule(), rule(name="again", chain="text")),
        (rule(), rule(to="other/again/{ulid}.{ext}", name="again")),
        (rule(to="other/{rule}/{ulid}.{ext}"), rule(to="other/{rule}/{ulid}.{ext}", name="again")),
        (rule(more="max_size = '1MiB'"), rule(name="again", more="min_size = '2MiB'")),
        (rule(more="types = ['image/*']"), rule(name="again", more="types = ['text/plain']")),
        (rule("*.pdf !scans/**"), rule("/scans/*.pdf", name="again")),
        (
            rule("*.docx", "both"),
            rule("*.docx", "both", name="again", from_mirror="other"),
        ),
    ],
)
def test_rules_whose_results_lie_apart_are_taken(file: Written, one: str, two: str) -> None:
    both = OTHER.replace("other", "both").replace("elsewhere", "both")

    assert len(file.load(HERE + both + one + two).converts) == 2
