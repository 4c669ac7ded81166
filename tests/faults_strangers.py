"""Faults to be planted in what keeps the contents that others overwrite between two looks."""

from __future__ import annotations

from fault import Fault

TOLD_APART = ("unit/test_strangers.py", "property/test_strangers.py")
KEPT = ("unit/test_store_versions.py",)
CONSIDER = ("unit/test_consider.py",)
PROBE = "test_a_probe_leaves_no_versions_behind_nor_do_killed_ones"
BUCKET = (f"contract/test_bucket_versions.py::{PROBE}",)

STRANGERS = (
    Fault(
        "what is there now passes for something past",
        "core/strangers.py",
        "        if each.is_latest or each.is_delete_marker:\n",
        "        if each.is_delete_marker:\n",
        TOLD_APART,
    ),
    Fault(
        "what was let go long ago stands for what was put there since",
        "core/strangers.py",
        "    return row.left_at is None or kept.modified_at <= row.left_at + CLOCKS_DIFFER\n",
        "    return True\n",
        TOLD_APART,
    ),
    Fault(
        "a content is known by its ETag whatever its size",
        "core/strangers.py",
        "(row.etag, row.size) == (kept.token, kept.size)",
        "row.etag == kept.token",
        TOLD_APART,
    ),
    Fault(
        "a name that the bucket has given away again is believed",
        "core/strangers.py",
        "    return row.store_version == kept.version_id and is_certain\n",
        "    return row.store_version == kept.version_id\n",
        TOLD_APART,
    ),
    Fault(
        "what came after a version that was seen is put before it",
        "core/strangers.py",
        "            found[place] = max(found[place], after + _A_MOMENT)\n",
        "            pass\n",
        TOLD_APART,
    ),
    Fault(
        "a lost version is left lost",
        "engine/strangers.py",
        "                    self._rescue(kept, row)\n",
        "                    pass\n",
        KEPT,
    ),
    Fault(
        "a lost version gets whatever bytes the bucket has",
        "engine/strangers.py",
        "        if sha256 not in (None, row.sha256):\n",
        "        if False:\n",
        KEPT,
    ),
    Fault(
        "a content is archived before there is a version of it",
        "engine/strangers.py",
        "        self._versions.add([row])\n"
        "        if is_shared:\n"
        "            self._on_found()\n"
        "        else:\n"
        "            self._archive(kept, row)\n",
        "        if is_shared:\n"
        "            self._on_found()\n"
        "        else:\n"
        "            self._archive(kept, row)\n"
        "        self._versions.add([row])\n",
        KEPT,
    ),
    Fault(
        "an upload of docferry's own becomes a stranger's version",
        "engine/strangers.py",
        "            if claims.version and intents.is_intended(self._mirror, kept.path,"
        " claims.version):\n",
        "            if False:\n",
        KEPT,
    ),
    Fault(
        "the hash that an object claims is believed",
        "engine/strangers.py",
        "            sha256 = content.sha256()\n            content.confirm()\n",
        "            sha256 = claims.sha256 or content.sha256()\n            content.confirm()\n",
        KEPT,
    ),
    Fault(
        "what is to be erased is taken into the archive",
        "engine/strangers.py",
        "        if self._ledger.requests.is_asked(self._mirror, kept.path, RequestKind.ERASE):\n",
        "        if False:\n",
        KEPT,
    ),
    Fault(
        "what was told of is forgotten where the store fails",
        "engine/strangers.py",
        "            self.changed(told)\n            with self._lock:\n",
        "            with self._lock:\n",
        KEPT,
    ),
    Fault(
        "nobody hears of what others did in the bucket",
        "engine/consider.py",
        "            self._tools.on_remote_change(by_others)\n",
        "            pass\n",
        CONSIDER,
    ),
    Fault(
        "a trial in a versioned bucket leaves its versions there",
        "storage/probe.py",
        "                remove_versions_below(self._client, self._folder)\n",
        "                pass\n",
        BUCKET,
    ),
    Fault(
        "the sweep takes away a trial that another machine is at",
        "storage/probe.py",
        "            remove_versions_below(client, folder, is_old)\n",
        "            remove_versions_below(client, folder)\n",
        BUCKET,
    ),
    Fault(
        "what is found later passes for a path's last version",
        "ledger/versions.py",
        "_NEWEST_FIRST = (version.c.created_at.desc(), version.c.id.desc())\n",
        "_NEWEST_FIRST = (version.c.id.desc(), version.c.created_at.desc())\n",
        ("unit/test_ledger_versions.py",),
    ),
)
