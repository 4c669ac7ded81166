"""Faults of what is done, or said, where a side fails or the world moved on."""

from __future__ import annotations

from fault import Fault

ASKED = ("unit/test_asked.py",)
STRANGERS = ("unit/test_strangers.py",)
VERIFY = ("unit/test_verify.py",)
HEAL = ("unit/test_heal_refuses.py",)
HAD = ("unit/test_contents_had.py",)
CARE = ("unit/test_archive_care_refuses.py",)
SNAPSHOTS = ("unit/test_rebuild_snapshots.py",)
MIRRORS = ("unit/test_ledger_two_mirrors.py",)
STORE_VERSIONS = ("unit/test_store_versions.py", "unit/test_store_versions_sweep.py")


OF_DOUBT = (
    # What is answered.
    Fault(
        "a heal replaces another version than it was asked for",
        "core/asked.py",
        "    is_same = base is not None and _is_expected(request, base)\n",
        "    is_same = base is not None\n",
        ASKED,
    ),
    Fault(
        "what is new in the bucket counts as taken away",
        "core/asked.py",
        "        if seen.local is None and seen.remote is None:\n",
        "        if seen.local is None:\n",
        ASKED,
    ),
    Fault(
        "an edit passes for the content that is asked for",
        "core/asked.py",
        " and base.sha256 == wanted.sha256 and base.local_token == local\n",
        " and base.sha256 == wanted.sha256\n",
        ASKED,
    ),
    Fault(
        "an erasure is refused where nothing travels",
        "core/asked.py",
        "    if request.barred and request.kind in (RequestKind.RESTORE, RequestKind.REMOVE):\n",
        "    if request.barred:\n",
        ASKED,
    ),
    # What is said.
    Fault(
        "what is put again much later came when it was first seen",
        "core/strangers.py",
        "        if seen is not None and each.modified_at - seen <= CLOCKS_DIFFER:\n",
        "        if seen is not None:\n",
        STRANGERS,
    ),
    Fault(
        "of a content that was put twice the last one is the one that was seen",
        "core/strangers.py",
        "            nearest[row.id] = place\n",
        "            pass\n",
        STRANGERS,
    ),
    Fault(
        "a deleted file is called one that never was here",
        "core/verify.py",
        "            never_had = side is Side.LOCAL and not agreed\n",
        "            never_had = side is Side.LOCAL\n",
        VERIFY,
    ),
    Fault(
        "what is lost is no trouble",
        "core/verify.py",
        "        return self.is_damage or self.kind is Kind.NOT_SYNCED\n",
        "        return self.kind is Kind.NOT_SYNCED\n",
        VERIFY,
    ),
    # What is healed.
    Fault(
        "what somebody writes, or nobody may read, is healed all the same",
        "engine/heal.py",
        "        _refuse_what_is_no_rot(seen)\n",
        "",
        HEAL,
    ),
    Fault(
        "a bucket that does not answer is written to in another way",
        "engine/heal.py",
        "        except (UnreachableError, ThrottledError):\n            raise\n",
        "",
        HEAL,
    ),
    Fault(
        "for a file that cannot be displaced an object is overwritten",
        "engine/heal.py",
        "            if operation.side is Side.LOCAL or not isinstance(seen, Unreadable):\n",
        "            if not isinstance(seen, Unreadable):\n",
        HEAL,
    ),
    Fault(
        "sound bytes are kept as evidence of rot",
        "engine/heal.py",
        "            if sha256 == synced.sha256:\n",
        "            if False:\n",
        HEAL,
    ),
    Fault(
        "a healed file takes the time of the copy",
        "engine/heal.py",
        "self._mtime_ns(operation) or content.attributes.mtime_ns",
        "content.attributes.mtime_ns",
        HEAL,
    ),
    # What is had back.
    Fault(
        "bytes of another length are given for a version",
        "engine/contents.py",
        "            if content.size == version.size:\n",
        "            if True:\n",
        HAD,
    ),
    Fault(
        "what a bucket that does not answer may have is gone",
        "engine/contents.py",
        "  # perhaps the next place answers\n                failure = _weightier(",
        "\n                _weightier(",
        HAD,
    ),
    Fault(
        "one archive that fails keeps the other from being asked",
        "engine/contents.py",
        "  # perhaps the next place answers\n                failure = _weightier(",
        "\n                raise _weightier(",
        HAD,
    ),
    Fault(
        "damage here is the answer while the other side does not answer",
        "engine/contents.py",
        "    if first is None or isinstance(other, UnreachableError | ThrottledError):\n",
        "    if first is None:\n",
        HAD,
    ),
    Fault(
        "what is displaced unseen is not on the disk first",
        "engine/on_request.py",
        "            self._local.make_last(operation.path, content)\n",
        "",
        ("unit/test_put_back.py",),
    ),
    Fault(
        "what the bucket keeps of a version to be had is removed",
        "core/retention.py",
        "    return version.gone_at is not None and is_it and not is_needed\n",
        "    return is_it and not is_needed\n",
        ("unit/test_retention.py",),
    ),
    # What is mended in an archive.
    Fault(
        "what was let go while the patrol read it is mended",
        "engine/archive_care.py",
        "        if not self._is_still_wanted(row):\n            return found\n",
        "",
        CARE,
    ),
    Fault(
        "a side that is another one has its archive mended",
        "engine/archive_care.py",
        "            self.prove(side)\n",
        "",
        CARE,
    ),
    Fault(
        "a side that is another one gets a reference",
        "engine/archive_care.py",
        "        self.prove(Side.REMOTE)\n",
        "",
        CARE,
    ),
    Fault(
        "rotten bytes are called archived",
        "engine/archive_care.py",
        " and row.bytes_of is None and is_sound(sights[side], row.sha256):\n",
        " and row.bytes_of is None:\n",
        CARE,
    ),
    Fault(
        "what shares the bytes of another is called archived by itself",
        "engine/archive_care.py",
        " and row.bytes_of is None and is_sound(sights[side], row.sha256):\n",
        " and is_sound(sights[side], row.sha256):\n",
        CARE,
    ),
    Fault(
        "an archive is written to though the mode says no",
        "engine/archive_care.py",
        "                if side not in left:\n",
        "                if True:\n",
        CARE,
    ),
    Fault(
        "what the mode leaves rotten in an archive is called mended",
        "engine/archive_care.py",
        "        if left:\n",
        "        if False:\n",
        CARE,
    ),
    Fault(
        "a sound file beside the bytes of its equal is put aside as rotten",
        "engine/archive_care.py",
        "        if not is_rotten(own, row.sha256) or not may_mend(self.mode, Side.LOCAL):\n",
        "        if not may_mend(self.mode, Side.LOCAL):\n",
        CARE,
    ),
    # What a rebuild begins with.
    Fault(
        "the past of a lost ledger is hidden by a fresh one",
        "engine/rebuild.py",
        "            self._ledger.take_past(plain, self._mirror, self._targets, taken_at)\n",
        "            pass\n",
        SNAPSHOTS,
    ),
    Fault(
        "all snapshots of a ledger are read",
        "engine/rebuild.py",
        "            taken.add(facts.instance)\n",
        "",
        SNAPSHOTS,
    ),
    Fault(
        "a damaged snapshot ends a rebuild",
        "engine/rebuild.py",
        "            except (PermanentError, StaleError) as error:\n",
        "            except StaleError as error:\n",
        SNAPSHOTS,
    ),
    Fault(
        "a snapshot that the store cannot give now costs the past",
        "engine/rebuild.py",
        "            except (PermanentError, StaleError) as error:\n",
        "            except DocferryError as error:\n",
        SNAPSHOTS,
    ),
    Fault(
        "a damaged snapshot is passed over in silence",
        "engine/rebuild.py",
        '                self.result.refused.append(f"{snapshot}: {error}")\n',
        "",
        SNAPSHOTS,
    ),
    # What a bucket keeps itself.
    Fault(
        "of many paths those of all whole batches are left out",
        "engine/strangers.py",
        "            yield batch\n            batch = []\n",
        "            batch = []\n",
        STORE_VERSIONS,
    ),
    Fault(
        "a lost version that only its content tells stays lost",
        "engine/strangers.py",
        "            if is_lost(known):\n",
        "            if False:\n",
        STORE_VERSIONS,
    ),
    Fault(
        "a sweep that failed is done again in an hour",
        "engine/strangers.py",
        "                self._are_too_many = self._are_too_many or is_sweep\n",
        "                pass\n",
        STORE_VERSIONS,
    ),
    # What the ledger tells.
    Fault(
        "what a path holds is let go",
        "ledger/versions.py",
        "        version.c.held.is_(false()),\n        version.c.left_at.is_not(null()),\n",
        "        version.c.held.is_(false()),\n",
        MIRRORS,
    ),
    Fault(
        "what was asked for once is kept for ever",
        "ledger/versions.py",
        "        request.c.state.in_(UNFINISHED),\n",
        "",
        MIRRORS,
    ),
    Fault(
        "what was deleted in another mirror is had back here",
        "ledger/versions.py",
        "            .where(version.c.mirror == mirror, *_below(below), ~is_there.exists())\n",
        "            .where(*_below(below), ~is_there.exists())\n",
        MIRRORS,
    ),
    Fault(
        "a round of retention cannot be stopped while it removes",
        "engine/retention.py",
        "                    if self._is_stopping():\n                        return\n",
        "",
        ("unit/test_retention_stops.py",),
    ),
    Fault(
        "an archived version of the far future is believed",
        "core/rebuild.py",
        " or is_reserved(claims.path) or not is_credible(one.version, now):\n",
        " or is_reserved(claims.path):\n",
        ("unit/test_rebuild_archived.py",),
    ),
    Fault(
        "a side is listed that nobody asked about",
        "engine/verify.py",
        "        if side not in self._asked:\n            return ()\n",
        "",
        ("unit/test_verifier.py",),
    ),
)
