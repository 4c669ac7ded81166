"""Faults of large files: downloads that are gone on with, parts too large for memory."""

from __future__ import annotations

from fault import Fault

_BEGUN = "unit/test_local_begun.py::"
_PARTS = "unit/test_parts.py::"

OF_LARGE_FILES = (
    Fault(
        "a piece that is staged is believed without a look",
        "storage/local_begun.py",
        "        if hashlib.sha256(piece).digest() != noted:\n            return None\n",
        "",
        (_BEGUN + "test_a_piece_that_a_power_cut_has_torn_is_fetched_again[flipped]",),
    ),
    Fault(
        "what came of the object before is mixed with that of the next",
        "storage/local_begun.py",
        'name = f"{_short(path)}-{_short(content.identity)}"',
        'name = f"{_short(path)}-{_short(path)}"',
        (_BEGUN + "test_another_object_at_the_path_begins_anew_and_what_came_of_the_first_goes",),
    ),
    Fault(
        "a hole is left where something was torn",
        "storage/local_write.py",
        " and size >= old_end)",
        ")",
        (_BEGUN + "test_zeros_are_written_over_what_was_torn",),
    ),
    Fault(
        "what is damaged is gone on with for ever",
        "core/going_on.py",
        "        case _ if is_whole:\n            return False\n",
        "",
        (_BEGUN + "test_what_came_whole_and_is_damaged_is_not_kept",),
    ),
    Fault(
        "two threads write into one staged file",
        "storage/local_begun.py",
        "        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "",
        (_BEGUN + "test_two_at_once_do_not_write_into_one_file",),
    ),
    Fault(
        "a start removes what came of a download",
        "storage/local_staging.py",
        "            if is_begun(name):\n",
        "            if False:\n",
        (_BEGUN + "test_only_what_is_missing_is_fetched",),
    ),
    Fault(
        "what was displaced passes for a download by its document's name",
        "storage/local_begun.py",
        'name.count(".") == 1 and ',
        "",
        (_BEGUN + "test_what_a_crash_caught_is_no_download_by_its_documents_name",),
    ),
    Fault(
        "what nobody wants any more stays staged",
        "engine/tidy.py",
        "        return is_still_to_come_down(seen, size)\n",
        "        return True\n",
        ("unit/test_tidy.py",),
    ),
    Fault(
        "an erased document stays in part among what was begun",
        "storage/local_traces.py",
        "        drop_begun(fd)  # of which",
        "        # of which",
        (_BEGUN + "test_an_erasure_leaves_nothing_of_what_was_cut_off",),
    ),
    Fault(
        "room is asked for again for what is staged",
        "storage/local_batch.py",
        "max(0, content.size - coming.taken_bytes)",
        "content.size",
        (_BEGUN + "test_room_is_asked_for_what_is_still_to_come",),
    ),
    Fault(
        "what was sent before is not counted as there",
        "storage/s3_multipart.py",
        "            self._moved(piece.size)\n            return had\n",
        "            return had\n",
        ("contract/test_s3_going_on.py::test_what_was_sent_before_counts_as_there",),
    ),
    Fault(
        "a transfer that failed is told of for ever",
        "storage/under_way.py",
        "            with self._lock:\n                del self._transfers[number]\n",
        "            pass\n",
        ("unit/test_transfers.py",),
    ),
    Fault(
        "what a killed daemon had on its way is told of for ever",
        "engine/transfers.py",
        "self._written: Sequence[Transfer] | None = None",
        "self._written: Sequence[Transfer] | None = ()",
        ("unit/test_transfers.py",),
    ),
    Fault(
        "a part that came as the process was killed is sent again",
        "storage/s3_multipart.py",
        "return etag if size == piece.size and _md5(piece.body) == etag else None",
        "return None",
        (
            "contract/test_s3_going_on.py"
            "::test_a_part_that_was_sent_and_not_noted_is_known_by_its_md5",
        ),
    ),
    Fault(
        "a part of the right size is taken for the one that is to be sent",
        "storage/s3_multipart.py",
        "return etag if size == piece.size and _md5(piece.body) == etag else None",
        "return etag if size == piece.size else None",
        ("contract/test_s3_going_on.py::test_a_part_of_which_other_bytes_were_sent_is_sent_again",),
    ),
    Fault(
        "a log that grows is sent to its end in vain",
        "storage/local_content.py",
        "        if not self.is_as_opened():  # at once: a log that grows is not sent",
        "        if False:  # at once: a log that grows is not sent",
        (
            "unit/test_local_storage.py::test_a_file_that_grows_while_it_is_read_is_given_up_at_once",
        ),
    ),
    Fault(
        "a large log that never rests is sent again and again",
        "engine/problems.py",
        "            return self._in_vain_s(seen)\n",
        "            return 0.0\n",
        ("unit/test_problems.py",),
    ),
    Fault(
        "what has come to rest waits for what it cost before",
        "core/retry.py",
        "    return max(0.0, min(left_s, took_s - rested_s))\n",
        "    return max(0.0, left_s)\n",
        ("unit/test_retry.py", "unit/test_problems.py"),
    ),
    Fault(
        "there are more parts than S3 takes",
        "core/parts.py",
        "    return min(MAX_PART_BYTES, -(-needed // _STEP_BYTES) * _STEP_BYTES)\n",
        "    return min(MAX_PART_BYTES, needed // _STEP_BYTES * _STEP_BYTES)\n",
        ("unit/test_parts.py",),
    ),
    Fault(
        "a large part is held in memory",
        "storage/part_reader.py",
        "max(0, min(most, PART_BYTES, self._size - self._at))",
        "max(0, self._size - self._at)",
        (_PARTS + "test_a_part_of_a_hundred_megabytes_takes_no_more_memory_than_a_usual_one",),
    ),
    Fault(
        "what is sent of a part is not what was hashed",
        "storage/part_reader.py",
        "self._hashed_to != self._size or self._digest.digest() != self._expected",
        "self._hashed_to != self._size",
        (_PARTS + "test_other_bytes_than_were_hashed_are_noticed",),
    ),
    Fault(
        "a part is sent from where it was hashed to",
        "storage/part_reader.py",
        "        self._at = 0  # the client reads from where it finds it\n",
        "",
        ("contract/test_s3_uploads.py",),
    ),
)
