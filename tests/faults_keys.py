"""Faults of API keys: one counts that must not, a secret gets out, an act leaves no trace."""

from __future__ import annotations

from fault import Fault

KEYS = ("unit/test_keys.py",)
PROPERTY = ("property/test_keys.py",)
ATTEMPTS = ("unit/test_attempts.py",)
LEDGER = ("unit/test_ledger_keys.py",)
AUTHENTICATE = ("unit/test_authenticate.py",)
COMMANDS = ("integration/test_key_commands.py",)
BACKUP = ("integration/test_backup.py",)
AUDIT = ("unit/test_ledger_audit.py",)


OF_KEYS = (
    Fault(
        "API keys: who acts for another one writes as itself",
        "ledger/database.py",
        "        other._actor = actor\n",
        "",
        AUDIT,
    ),
    Fault(
        "API keys: who acts first is who acts for all",
        "ledger/database.py",
        "        other = copy(self)\n",
        "        other = self\n",
        AUDIT,
    ),
    Fault(
        "API keys: roles compare by their letters",
        "core/keys.py",
        "order.index(self) >= order.index(needed)",
        "self >= needed",
        KEYS,
    ),
    Fault(
        "API keys: one for a mirror may make one for all",
        "core/keys.py",
        "(mirrors is not None and set(mirrors) <= set(self.mirrors))",
        "mirrors is None or set(mirrors) <= set(self.mirrors)",
        KEYS,
    ),
    Fault(
        "API keys: a line break at the end is mended",
        "core/keys.py",
        "    found = _FORM.fullmatch(text)\n",
        "    found = _FORM.fullmatch(text.strip())\n",
        KEYS,
    ),
    Fault(
        "API keys: the hash leaves out the id",
        "core/keys.py",
        "    whole = key.text.encode()\n",
        "    whole = key.secret.encode()\n",
        KEYS,
    ),
    Fault(
        "API keys: the pepper is not in the hash",
        "core/keys.py",
        "    if pepper is None:\n        return hashlib.sha256(whole)",
        "    if True:\n        return hashlib.sha256(whole)",
        KEYS,
    ),
    Fault(
        "API keys: a revoked one counts",
        "core/keys.py",
        "        return Refused(Why.REVOKED, key.id)\n",
        "        pass\n",
        KEYS,
    ),
    Fault(
        "API keys: an expired one counts at the very moment of its end",
        "core/keys.py",
        "self.expires_at is not None and now >= self.expires_at",
        "self.expires_at is not None and now > self.expires_at",
        KEYS,
    ),
    Fault(
        "API keys: the old secret counts for ever",
        "core/keys.py",
        "(key.previous_until is None or now >= key.previous_until)",
        "key.previous_until is None",
        KEYS,
    ),
    Fault(
        "API keys: the stamp of no secret passes for the one before",
        "core/keys.py",
        "key.previous_hash if is_previous else None  #",
        "(key.previous_hash or _NOBODYS) if is_previous else None  #",
        KEYS,
    ),
    Fault(
        "API keys: who has not the secret is told what the key is worth",
        "core/keys.py",
        "    if not is_current and previous is None:\n",
        "    if not is_current and previous is None and state is KeyState.VALID:\n",
        KEYS,
    ),
    Fault(
        "API keys: any secret is accepted",
        "core/keys.py",
        "    is_current = hmac.compare_digest(found, current or _NOBODYS)\n",
        "    is_current = key is not None\n",
        PROPERTY,
    ),
    Fault(
        "API keys: those of a backup come to life again",
        "core/keys.py",
        "key if key.revoked_at else replace(key, revoked_at=at) for key in keys",
        "key for key in keys",
        BACKUP,
    ),
    Fault(
        "API keys: a backup brings its own in the place of those of now",
        "app/backup.py",
        "_keys_of(path) or _keys_then(",
        "_keys_then(",
        BACKUP,
    ),
    Fault(
        "API keys: those of a backup stay beside those of now",
        "ledger/keys.py",
        "    tx.run(api_key.delete())\n",
        "    tx.run(api_key.delete().where(api_key.c.name == ''))\n",
        BACKUP,
    ),
    Fault(
        "API keys: a flood of refused ones fills the audit",
        "core/attempts.py",
        "            source.untold += 1\n            return None\n",
        "            source.untold += 1\n",
        ATTEMPTS,
    ),
    Fault(
        "API keys: many addresses together fill the audit",
        "core/attempts.py",
        "        if len(self._rows) >= MOST_ROWS:\n",
        "        if False:\n",
        ATTEMPTS,
    ),
    Fault(
        "API keys: each address of a network is another source",
        "core/attempts.py",
        "_IPV6_NETWORK = 64",
        "_IPV6_NETWORK = 128",
        ATTEMPTS,
    ),
    Fault(
        "API keys: where no use can be written down each request tries to",
        "app/authenticate.py",
        "            self._used[key.id] = now\n",
        "            pass\n",
        AUTHENTICATE,
    ),
    Fault(
        "API keys: each request writes",
        "core/keys.py",
        "    return noted_at is None or abs(now - noted_at) >= NOTE_USE_EVERY\n",
        "    return True\n",
        AUTHENTICATE,
    ),
    Fault(
        "API keys: on a full disk nobody is let in",
        "app/authenticate.py",
        "                    self._note_refusal(verdict, key, address, now)\n"
        "        except DocferryError as error:\n"
        "            log.error(",
        "                    self._note_refusal(verdict, key, address, now)\n"
        "        except ValueError as error:\n"
        "            log.error(",
        AUTHENTICATE,
    ),
    Fault(
        "API keys: one is made with a pepper that the API has not",
        "app/keys.py",
        "    if ledger.keys.pepper() not in (None, mark_of(pepper)):\n",
        "    if False:\n",
        AUTHENTICATE,
    ),
    Fault(
        "API keys: by a key a stronger one is rotated, and had",
        "app/keys.py",
        "    if by is not None and not by.covers(key.role, key.mirrors):\n",
        "    if False:\n",
        AUTHENTICATE,
    ),
    Fault(
        "API keys: the list says what a secret's hash is",
        "app/keys.py",
        "        key.state(pepper, now),\n        key.created_at,\n",
        "        key.hash,  # type: ignore\n        key.created_at,\n",
        COMMANDS,
    ),
    Fault(
        "API keys: a revocation is not in the audit",
        "ledger/keys.py",
        '            note(tx, Action.KEY_REVOKED, at, None, {"key": key_id, "name": key.name})\n',
        "",
        LEDGER,
    ),
    Fault(
        "API keys: when the last one is revoked the API is open to all",
        "ledger/keys.py",
        "select(func.count()).select_from(api_key)",
        "select(func.count()).where(api_key.c.revoked_at.is_(null()))",
        LEDGER,
    ),
    Fault(
        "API keys: two have one name",
        "ledger/migrations/versions/0007_faces.py",
        '        ["name"],\n        unique=True,\n',
        '        ["name"],\n        unique=False,\n',
        LEDGER,
    ),
    Fault(
        "API keys: they are in the snapshots, for whoever reads the bucket",
        "ledger/snapshots.py",
        "    schema.result,\n)",
        "    schema.result,\n    schema.api_key,\n)",
        LEDGER,
    ),
    Fault(
        "API keys: one that slipped into a text is logged",
        "logs.py",
        '    text = _API_KEY.sub(rf"\\1{MASK}", text)\n',
        "",
        ("unit/test_logs.py",),
    ),
    Fault(
        "API keys: who has a network of addresses guesses with each of them",
        "web/limits.py",
        '        self._counter.hit(self._failures, f"{of} {network_of(address)}")\n',
        '        self._counter.hit(self._failures, f"{of} {address}")\n',
        ("unit/test_limits.py",),
    ),
)
