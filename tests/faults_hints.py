"""Faults of hints: believed, followed without end, or opening a door that is not theirs."""

from __future__ import annotations

from fault import Fault

PARSED = ("unit/test_notifications.py",)
LED = ("unit/test_hinted.py",)
HEARD = ("unit/test_hints.py",)
TOLD = ("integration/test_api_notifications.py",)
READ = ("unit/test_queue_readers.py",)

HINTS = (
    Fault(
        "a hint of a read is followed, and each look leads to the next",
        "core/notifications.py",
        '_CHANGES = ("ObjectCreated",',
        '_CHANGES = ("Object", "ObjectCreated",',
        PARSED,
    ),
    Fault(
        "JSON in JSON without end breaks whoever reads a hint",
        "core/notifications.py",
        "except (ValueError, RecursionError):",
        "except ValueError:",
        PARSED,
    ),
    Fault(
        "a person is shown any address by which to confirm a topic",
        "core/notifications.py",
        'url if _AT_AWS.fullmatch(url) else ""',
        "url",
        PARSED,
    ),
    Fault(
        "a hint of an odd key is followed, and the store's refusal blocks the mirror",
        "core/hinted.py",
        "if key in aliases or path_of(key) == key]",
        "]",
        LED,
    ),
    Fault(
        "a hint leads to what is docferry's own",
        "core/hinted.py",
        "if key and not is_reserved(path_of(key))]",
        "if key]",
        LED,
    ),
    Fault(
        "a flood of hints is followed to its end",
        "core/hinted.py",
        "granted = max(0, min(wanted, room, int(marks)))",
        "granted = wanted",
        LED,
    ),
    Fault(
        "what a flood of hints went beyond is forgotten",
        "core/hinted.py",
        "owes_poll = budget.owes_poll or granted < wanted or odd > 0",
        "owes_poll = budget.owes_poll or odd > 0",
        LED,
    ),
    Fault(
        "hints that go on and on have the bucket listed without end",
        "core/hinted.py",
        "max(0.0, budget.polled_s + POLLS_EVERY_S - now_s)",
        "0.0",
        LED,
    ),
    Fault(
        "a hint of one store is followed in a bucket of another",
        "app/hints.py",
        "if mirror is None or mirror.store != store:",
        "if mirror is None:",
        HEARD,
    ),
    Fault(
        "every user of the machine may send hints to the daemon",
        "app/hints.py",
        "os.fchmod(receiver.fileno(), 0o600)",
        "os.fchmod(receiver.fileno(), 0o666)",
        HEARD,
    ),
    Fault(
        "a stranger's file makes room for the hints' socket",
        "app/hints.py",
        "if stat.S_ISSOCK((state_dir / NAME).lstat().st_mode):\n                    (state",
        "if (state_dir / NAME).lstat():\n                    (state",
        HEARD,
    ),
    Fault(
        "a beginning of the secret of notifications is enough",
        "web/notifications.py",
        "hmac.compare_digest(given, secret.get_secret_value().encode())",
        "secret.get_secret_value().encode().startswith(given)",
        TOLD,
    ),
    Fault(
        "the secret of notifications may be guessed without end",
        "web/notifications.py",
        '        desk.limits.count_failure(address, "notifications")\n',
        "",
        TOLD,
    ),
    Fault(
        "who has no secret of notifications is let in where there is none",
        "web/notifications.py",
        "    if secret is None:\n",
        "    if secret is None:\n        return\n    if secret is None:\n",
        TOLD,
    ),
    Fault(
        "a message of a queue that says nothing comes for ever",
        "app/queue_readers.py",
        "        if messages:  # also",
        "        if messages and isinstance(found, tuple):  # also",
        READ,
    ),
    Fault(
        "a message of a queue is deleted before it is followed",
        "app/queue_readers.py",
        "            self._follow(found)\n",
        "            queue.delete(messages)\n            self._follow(found)\n",
        READ,
    ),
    Fault(
        "a queue is not read with the new keys of its store",
        "config/changes.py",
        "_queues_of(new, reached | renewed)",
        "_queues_of(new, reached)",
        ("unit/test_reload_changes.py",),
    ),
    Fault(
        "a queue that left the configuration is read on",
        "app/queue_readers.py",
        "                self._readers.take(name).begin_stop()\n",
        "                self._readers.take(name)\n",
        ("unit/test_queue_readers.py",),
    ),
    Fault(
        "the daemon hears no hints",
        "app/daemon.py",
        "        hints.start()\n",
        "",
        ("system/test_notifications.py::test_what_is_told_is_on_the_disk_before_a_poll",),
    ),
)
