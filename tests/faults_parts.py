"""Faults of uploads in parts that are gone on with."""

from __future__ import annotations

from fault import Fault

GOING_ON = "contract/test_s3_going_on.py"
BEGUN = ("unit/test_begun.py",)
TIDY = ("unit/test_tidy.py",)
UNDER_LOAD = "system/test_stop_under_load.py"


def _going_on(*tests: str) -> tuple[str, ...]:
    return tuple(f"{GOING_ON}::{test}" for test in tests)


PARTS = (
    Fault(
        "an upload that was cut off is begun anew",
        "storage/s3_multipart.py",
        "        found = take_up(client, key, self._plan) if self._plan else None\n",
        "        found = None\n",
        _going_on("test_the_next_try_sends_only_what_is_missing[moto]"),
    ),
    Fault(
        "what a part was sent of is not compared",
        "storage/s3_multipart.py",
        "had is not None and had.sha256_so_far == piece.sha256_so_far",
        "had is not None",
        _going_on("test_a_part_of_which_other_bytes_were_sent_is_sent_again"),
    ),
    Fault(
        "the note of a part is believed without the store",
        "storage/s3_uploads.py",
        "for part in noted if _is_there(part, has, plan)}",
        "for part in noted}",
        _going_on("test_a_part_of_which_the_note_tells_another_etag_is_not_taken_by_that"),
    ),
    Fault(
        "an upload of another version is gone on with",
        "storage/s3_uploads.py",
        "if left.plan == plan and found is None else None",
        "if left.plan is not None and found is None else None",
        _going_on("test_what_is_said_about_it_is_never_another_uploads"),
    ),
    Fault(
        "parts of a content that was edited stay",
        "storage/s3_uploads.py",
        "        with suppress(DocferryError):  # it is swept later\n"
        "            abort(client, key, left.id)\n",
        "        with suppress(DocferryError):  # it is swept later\n",
        _going_on("test_another_content_begins_anew_and_the_old_parts_go"),
    ),
    Fault(
        "an upload that the store has forgotten is gone on with",
        "storage/s3_uploads.py",
        "    except (DocferryError, KeyError):\n        return None\n",
        "    except (DocferryError, KeyError):\n        return {}\n",
        _going_on("test_what_the_store_has_forgotten_begins_anew[moto]"),
    ),
    Fault(
        "an upload that comes no further is tried for ever",
        "core/going_on.py",
        "            return has_gone_on\n",
        "            return True\n",
        _going_on("test_an_upload_that_fails_where_it_failed_before_is_begun_anew"),
    ),
    Fault(
        "what came to nothing keeps its parts in the store",
        "core/going_on.py",
        "        case DocferryError() | OSError() | None:\n            return False\n",
        "        case DocferryError() | OSError() | None:\n            return True\n",
        _going_on("test_what_came_to_nothing_leaves_no_parts"),
    ),
    Fault(
        "a part that was sent is not noted",
        "storage/s3_multipart.py",
        "            self._client.uploads.sent(self._key, self._id, part)\n",
        "            pass\n",
        _going_on("test_parts_that_the_store_took_are_noted_as_they_come"),
    ),
    Fault(
        "a sweep takes away what is still to go up",
        "storage/s3_uploads.py",
        "        if left.plan is not None and is_wanted(left):\n            continue\n",
        "",
        _going_on("test_a_sweep_leaves_what_is_wanted_and_asks_about_nothing_else"),
    ),
    Fault(
        "the next try goes up under a version of its own",
        "engine/begun.py",
        "        return replace(task, version=version), replace(attributes, version=version)\n",
        "        return task, attributes\n",
        BEGUN,
    ),
    Fault(
        "the ledger notes another version than the object has",
        "engine/begun.py",
        "        return replace(task, version=version), replace",
        "        return task, replace",
        BEGUN,
    ),
    Fault(
        "what goes on is not intended",
        "engine/begun.py",
        "        self.known.intend(self.mirror, path, version)\n",
        "",
        BEGUN,
    ),
    Fault(
        "an older version comes after a newer one",
        "engine/begun.py",
        ' or version < (self.known.newest(self.mirror, path) or "")',
        "",
        BEGUN,
    ),
    Fault(
        "what an earlier try has sent counts as moved again",
        "engine/execute.py",
        "content.size - written.had_bytes",
        "content.size",
        BEGUN,
    ),
    Fault(
        "parts of a deleted file stay in the store",
        "core/intents.py",
        "    return not seen.is_settled and seen.local is not None and seen.local.size == size\n",
        "    return True\n",
        TIDY,
    ),
    Fault(
        "parts of an erased document stay in the store",
        "engine/erase.py",
        "lambda other, size, begun_at: other != path and not is_reserved(other)",
        "lambda other, size, begun_at: True",
        ("unit/test_erase_parts.py::test_parts_of_it_go_and_those_of_others_stay",),
    ),
    Fault(
        "to erase one document takes the parts of all others away",
        "engine/erase.py",
        "lambda other, size, begun_at: other != path and not is_reserved(other)",
        "lambda other, size, begun_at: False",
        ("unit/test_erase_parts.py::test_parts_of_it_go_and_those_of_others_stay",),
    ),
    Fault(
        "parts wait for ever to be gone on with",
        "core/intents.py",
        "    return now - begun_at < TRANSFER_LIFE\n",
        "    return True\n",
        TIDY,
    ),
    Fault(
        "parts are noted where an upload has ended",
        "ledger/uploads.py",
        "            for table in (upload_part, upload):\n",
        "            for table in (upload,):\n",
        ("unit/test_ledger_tables.py",),
    ),
)
