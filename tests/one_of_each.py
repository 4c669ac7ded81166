"""A ledger with one of everything that the API tells of, and the words by which routes name it."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import replace

from commands import held
from conversion_rows import dead, done
from docferry.app.chains import rules_of
from docferry.app.sending import webhooks_of
from docferry.config import Config
from docferry.engine.webhooks import Webhooks
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.model import FileState, KeepBoth, Mode, OrderedRun, Outcome, RequestKind
from docferry.storage.local import LocalStorage
from ledger_rows import NOW, agreed, uploaded, version

#: Of the only file whose bytes are in the folder; as long as the rows say.
PATH, CONTENT = "a/one.docx", "0123456789"

#: For a configuration with the mirrors docs and processed, and a credential crm.webhook.
CONFIG = (
    '[[convert]]\nname = "to-markdown"\nfrom = "docs"\npatterns = ["*.docx", "*.pdf"]\n'
    'to = "processed"\nwith = "markdown"\n'
    '[webhook.crm]\nurl = "http://127.0.0.1:1/"\nallow_private = true\n'
)


def fill(ledger: Ledger, config: Config) -> Mapping[str, str]:
    """Give by what each parameter of a path names what is there; without `key` and `run`."""
    folder = config.mirrors["docs"].local
    _save(folder / PATH, CONTENT)
    ledger.mirrors.put(
        "docs", store="main", bucket="documents", prefix="docs/", local=f"{folder}", mode=Mode.PUSH
    )
    told = Webhooks(ledger, webhooks_of(config), now=lambda: NOW)
    told.prepare()
    ledger.record("docs", [_came(folder)], at=NOW)
    told.work_off()
    recipe = rules_of(config)[0].recipe
    done(ledger, "two.docx", recipe=recipe)
    job = dead(ledger, "broken.docx", recipe=recipe)
    ledger.problems.put("docs", "p", kind="rot", message="rotten", at=NOW, retry_at=None)
    one = version(PATH, CONTENT).id
    wanted = NewRequest("docs", PATH, RequestKind.RESTORE, one)
    ledger.requests.add([wanted], NOW)
    [request] = ledger.requests.some(None, None, newest_first=False)
    order, _ = ledger.orders.ask("docs", OrderedRun.POLL, NOW)
    return {
        "conflict": str(conflict(ledger)),
        "hold": str(held(ledger, "b", "c")),
        "identifier": one,
        "job": job.id,
        "mirror": "docs",
        "request": str(request.id),
        "run": str(order.id),
        "store": "main",
        "ulid": one,
        "webhook": "crm",
    }


def conflict(ledger: Ledger) -> int:
    """Record that both sides had changed a.docx: the folder's content is at a.conflict.docx."""
    state = agreed("a.docx", "the bucket's")
    local = FileState("l", "sha", 1)
    remote = FileState(state.remote_token, state.sha256, state.size)
    kept = KeepBoth("a.docx", "a.conflict.docx", local, remote)
    came = version("a.docx", "the bucket's")
    ledger.record("docs", [Outcome(kept, state, came, conflict_copy="a.conflict.docx")], at=NOW)
    ledger.record("docs", [uploaded("a.conflict.docx", "the folder's")], at=NOW)
    [row] = ledger.conflicts.all()
    return row.id


def _came(folder: pathlib.Path) -> Outcome:
    """Give that the file went up, as it is in the folder: its bytes can be had."""
    seen = LocalStorage(folder).stat(PATH)
    assert isinstance(seen, FileState)
    state = replace(agreed(PATH, CONTENT), local_token=seen.token)
    return replace(uploaded(PATH, CONTENT), synced=state)


def _save(path: pathlib.Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
