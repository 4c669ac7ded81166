"""Faults of local names: of objects that have a second one, and of files that claim the first."""

from __future__ import annotations

from fault import Fault

_LOOP = ("unit/test_aliased.py", "integration/test_loop_aliases.py")
_KEYS = ("contract/test_s3_keys.py",)

NAMES = (
    Fault(
        "a second name lasts for ever",
        "engine/aliased.py",
        "        is_taken = isinstance(error, NameTakenError)\n",
        "        is_taken = False\n",
        _LOOP,
    ),
    Fault(
        "a second name ends though what was edited there has not gone up",
        "engine/aliased.py",
        "        if not self._is_as_agreed(name):\n",
        "        if False:\n",
        _LOOP,
    ),
    Fault(
        "a second name lasts though its file is gone",
        "engine/aliased.py",
        "            return True\n        agreed",
        "            return False\n        agreed",
        _LOOP,
    ),
    Fault(
        "a file that is given its own name back counts as deleted under the second one",
        "engine/aliased.py",
        "        if is_taken and self._was_renamed(seen, blocked_by):\n",
        "        if False:\n",
        _LOOP,
    ),
    Fault(
        "the end of a second name is only known until the next start",
        "engine/aliased.py",
        "        self._ledger.aliases.remove(self._mirror, key_of(path))\n",
        "",
        _LOOP,
    ),
    Fault(
        "the file at a second name that is over counts as deleted in the bucket",
        "engine/consider.py",
        "        is_let_through |= self._aliasing.is_over(seen.path)",
        "        is_let_through |= False",
        _LOOP,
    ),
    Fault(
        "a file at a second name goes before the object is here by its own",
        "engine/consider.py",
        "isinstance(operation, DeleteLocal) and self._aliasing.is_own_name_awaited(seen.path)",
        "False",
        _LOOP,
    ),
    Fault(
        "a file at a second name is never brought to the first",
        "engine/execute.py",
        "            result = self._to_own_name.move(task, error)\n",
        "            raise error\n",
        _LOOP,
    ),
    Fault(
        "a file at a second name is brought to the first even where that is blocked",
        "engine/aliased.py",
        " or self._local.blocker(own_name):",
        ":",
        _LOOP,
    ),
    Fault(
        "a file is written over an object that has another name here",
        "storage/s3.py",
        "        require_own_name(path, self._aliases)\n        key = self._key(path)\n",
        "        key = self._key(path)\n",
        _KEYS,
    ),
    Fault(
        "an object is copied over one that has another name here",
        "storage/s3.py",
        "        require_own_name(path, self._aliases)\n        source_key,",
        "        source_key,",
        _KEYS,
    ),
    Fault(
        "an object is deleted by a name that it has not here",
        "storage/s3.py",
        'is not None:\n            raise StaleError(f"the object with the key',
        'is ...:\n            raise StaleError(f"the object with the key',
        _KEYS,
    ),
)
