"""Faults of what commands say: while they wait, how far they are, how they end."""

from __future__ import annotations

from fault import Fault

SILENT = ("integration/test_silent_store.py",)
RETENTION = ("integration/test_retention_command.py",)


COMMANDS_SAY = (
    Fault(
        "a command ends without a word where nobody can be asked",
        "cli/__init__.py",
        "    if not sys.stdin.isatty():\n",
        "    if sys.stdin is None:\n",
        ("integration/test_commands.py::test_who_cannot_be_asked_is_told_what_to_add",),
    ),
    Fault(
        "a command waits for a store in silence",
        "app/onlooker.py",
        "                self._say_once(whom)\n",
        "",
        SILENT,
    ),
    Fault(
        "a command says that it waits whatever it has heard",
        "app/onlooker.py",
        "            if time.monotonic() - wait.began_s >= self._after_s:\n",
        "            if True:\n",
        SILENT,
    ),
    Fault(
        "what has come does not begin the time anew",
        "app/onlooker.py",
        "    def heard(self) -> None:\n        self.began_s = time.monotonic()\n",
        "    def heard(self) -> None:\n        pass\n",
        SILENT,
    ),
    *(
        Fault(f"{name} waits for a store in silence", module, old, new, SILENT)
        for name, module, old, new in (
            (
                "verify",
                "app/verify.py",
                "        with onlooker.waiting(store if Side.REMOTE in asked else"
                " str(sides.options.local)):\n",
                "        if True:\n",
            ),
            (
                "check",
                "app/check.py",
                "                with onlooker.waiting(store_of(config, name)):\n",
                "                if True:\n",
            ),
            (
                "plan",
                "app/rehearse.py",
                "        with onlooker.waiting(store_of(config, name)):\n",
                "        if True:\n",
            ),
            (
                "rebuild",
                "app/rebuild.py",
                "        with self._onlooker.waiting(store_of(self._config, name)):\n",
                "        if True:\n",
            ),
            (
                "cat",
                "app/version_bytes.py",
                "        with (onlooker or Onlooker()).waiting(whom) as heard:\n",
                "        with Onlooker().waiting(whom) as heard:\n",
            ),
        )
    ),
    Fault(
        "what is said aside comes into the JSON",
        "cli/output.py",
        '    click.secho(in_one_line(f"docferry: {text}"), err=True)\n',
        '    click.secho(in_one_line(f"docferry: {text}"))\n',
        SILENT,
    ),
    Fault(
        "a count goes into what is no terminal",
        "cli/progress.py",
        "        disable=not shown_on.is_terminal,\n",
        "",
        SILENT,
    ),
    Fault(
        "nobody counts what is verified",
        "app/verify.py",
        "        onlooker.count(report.mirror, report.files + report.versions)\n",
        "",
        SILENT,
    ),
    Fault(
        "a timer's question passes for a person's word",
        "app/retention.py",
        "        if not is_sure:\n",
        "        if not config:\n",
        RETENTION,
    ),
    Fault(
        "to read what was let go is called trouble",
        "app/version_bytes.py",
        "        raise let_go(row) from failure\n",
        "        pass\n",
        ("integration/test_version_commands.py",),
    ),
    Fault(
        "check has a ledger moved away that is not there",
        "app/check.py",
        "        if has_ledger:\n",
        "        if True:\n",
        (
            "system/test_rebuild.py::"
            "test_a_fresh_ledger_in_front_of_a_bucket_with_a_past_is_told_of_and_loses_nothing",
        ),
    ),
    Fault(
        "who lists versions waits for the client of a store",
        "app/versions.py",
        "from docferry.app.mirrors import mirror_named\n",
        "from docferry.app.sides import mirror_named\n",
        ("integration/test_starts.py",),
    ),
    Fault(
        "ls says nothing of what it leaves out",
        "cli/inspect.py",
        '    say_hidden(len(found) - most, "--limit N, or --json")\n',
        "",
        ("integration/test_commands.py",),
    ),
    Fault(
        "nobody counts what a rebuild looks at",
        "app/rebuild.py",
        "            self._onlooker.count(name, asked)\n",
        "",
        SILENT,
    ),
)
