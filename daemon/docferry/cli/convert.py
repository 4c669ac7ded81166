"""The command by which somebody has documents converted on purpose."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from docferry.cli import Context, as_json, pass_context
from docferry.cli.output import emit_json, emit_table, line, say_hidden
from docferry.core.words import counted
from docferry.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docferry.app.convert_again import Counted, Wanted
    from docferry.job import NewJob
    from docferry.model import Ulid

_MOST = 20
_ASK_ABOVE = 100  # conversions


@click.command()
@click.argument("what", metavar="[PATH|VERSION|MIRROR]", default="")
@click.option("--mirror", help="Needed where several have the path.")
@click.option("--rule", help="Only by this rule.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Only say what would be converted.")
@click.option("--yes", "is_sure", is_flag=True, help="Also more than a hundred.")
@as_json
@pass_context
def convert(
    context: Context,
    what: str,
    mirror: str | None,
    rule: str | None,
    *,
    is_dry: bool,
    is_sure: bool,
    is_json: bool,
) -> None:
    """
    Have a document converted again, or all below a folder, before all others.

    With --dry-run alone: how many files each rule would convert that are there already.
    Exit code 2: no rule takes it, with the reason of each.
    """
    from docferry.app.convert_again import ask, count, wanted

    if not what and mirror is None:
        if not is_dry:
            raise UserError("convert what? A path, a version or a mirror; or --dry-run")
        with context.ledger() as ledger:
            _show_counts(count(context.config, ledger, rule), is_json=is_json)
        return
    now = datetime.now(UTC)
    with context.ledger(read_only=is_dry) as ledger:
        found = wanted(context.config, ledger, what, mirror, rule, now)
        _refuse(found, what, is_sure=is_sure or is_dry)
        ids = [] if is_dry else ask(ledger, found.jobs, now)
    if is_json:
        emit_json(
            {
                "documents": found.documents,
                "jobs": _facts(found.jobs, ids),
                "refused": found.refused,
            }
        )
        return
    _show(found, ids, is_dry=is_dry)


def _refuse(found: Wanted, what: str, *, is_sure: bool) -> None:
    if not found.documents:
        where = f"at or below {what!r}" if what else "in that mirror"
        raise UserError(f"there is no file {where} now")
    if not found.jobs:
        whole = "it" if found.documents == 1 else f"any of {found.documents} files"
        reasons: dict[str, list[str]] = {}
        for rule, reason in found.refused.items():
            reasons.setdefault(reason, []).append(rule)
        told = "".join(f"\n  {', '.join(rules)}: {reason}" for reason, rules in reasons.items())
        raise UserError(f"no rule converts {whole}:{told}")
    if len(found.jobs) > _ASK_ABOVE and not is_sure:
        raise UserError(
            f"{counted(found.documents, 'file')}, {len(found.jobs)} conversions: add --yes if "
            "that is meant, or --dry-run to see them"
        )


def _facts(jobs: Sequence[NewJob], ids: Sequence[Ulid]) -> list[Mapping[str, object]]:
    known = [*ids, *[None] * (len(jobs) - len(ids))]
    return [
        {
            "job": job_id,
            "rule": job.rule,
            "mirror": job.mirror,
            "path": job.path,
            "version": job.version,
        }
        for job, job_id in zip(jobs, known, strict=True)
    ]


def _show(found: Wanted, ids: Sequence[Ulid], *, is_dry: bool) -> None:
    rows = [
        (job_id or "-", job.rule, f"{job.mirror}: {job.path}")
        for job, job_id in zip(found.jobs[:_MOST], [*ids, *[None] * _MOST], strict=False)
    ]
    count = counted(len(found.jobs), "conversion")
    emit_table(
        f"{count} would be asked for" if is_dry else f"{count} asked for",
        ("job", "rule", "document"),
        rows,
    )
    say_hidden(len(found.jobs) - _MOST, "--json")
    if is_dry:
        by_rule = Counter(job.rule for job in found.jobs)
        line(", ".join(f"{rule}: {number}" for rule, number in by_rule.items()))
    else:
        line("docferry jobs follows them")


def _show_counts(found: Sequence[Counted], *, is_json: bool) -> None:
    if is_json:
        emit_json(found)
        return
    rows = [
        (one.rule, one.files, "?" if one.missing is None else one.missing, one.trouble or "")
        for one in found
    ]
    emit_table(
        "what is there already", ("rule", "files it takes", "to be converted", "trouble"), rows
    )
