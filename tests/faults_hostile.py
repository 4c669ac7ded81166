"""Faults by which somebody who may write to a folder reaches what is not in it."""

from __future__ import annotations

from fault import Fault

SWAPPED = "integration/test_swapped_folders.py"
AT_NO_MOMENT = (f"{SWAPPED}::test_at_no_moment_does_a_swapped_name_lead_out_of_the_folder",)
NO_PATH = (f"{SWAPPED}::test_no_path_below_the_folder_is_ever_given_to_the_kernel",)
FASTEST = (f"{SWAPPED}::test_however_fast_it_is_swapped_nothing_leads_out_of_the_folder",)
NAMES = "integration/test_hostile_names.py"
FUZZ = "fuzz/test_fuzz.py::test_what_was_found_once_breaks_nothing"
ODD = "unit/test_local_odd_files.py"
LOCKS = ("unit/test_ledger_lock.py",)


HOSTILE = (
    Fault(
        "a file that became a link is opened where that leads",
        "storage/atomic.py",
        "        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC\n",
        "        flags |= os.O_NONBLOCK | os.O_CLOEXEC\n",
        ("unit/test_atomic.py::test_a_link_is_not_opened",),
    ),
    Fault(
        "a pipe that took a file's place is waited for",
        "storage/atomic.py",
        "        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC\n",
        "        flags |= os.O_NOFOLLOW | os.O_CLOEXEC\n",
        (f"{SWAPPED}::test_what_takes_a_files_place_after_the_look_makes_nobody_wait",),
    ),
    Fault(
        "a folder that became a link is entered",
        "storage/atomic.py",
        "os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC",
        "os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC",
        FASTEST,
    ),
    Fault(
        "a file behind a link that becomes a folder again is taken for deleted",
        "storage/local.py",
        "            return Unknown(path, _CHANGED if above is None else above.reason)\n",
        "            return Unknown(path, above.reason) if above is not None else None\n",
        (f"{SWAPPED}::test_a_file_behind_a_swapped_folder_is_never_taken_for_deleted",),
    ),
    Fault(
        "another mirror gets this one's marker",
        "storage/local_staging.py",
        '        return Place(self._own_fd, MARKER_PATH.rpartition("/")[2])\n',
        "        return Place(self._root_fd, MARKER_PATH)\n",
        AT_NO_MOMENT,
    ),
    Fault(
        "a content is read by its path",
        "storage/local.py",
        "                fd = place.open(os.O_RDONLY)\n",
        "                fd = os.open(self.root / path, os.O_RDONLY)\n",
        NO_PATH,
    ),
    Fault(
        "what is left of a document is looked for behind links",
        "storage/local_traces.py",
        '        return _Level(open_folder(name, dir_fd=self.fd), f"{self.prefix}{name}/")\n',
        "        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.fd)\n"
        '        return _Level(fd, f"{self.prefix}{name}/")\n',
        AT_NO_MOMENT,
    ),
    Fault(
        "a folder is watched at its path, wherever that leads",
        "engine/inotify.py",
        'b"/proc/self/fd/%d" % fd',
        'os.fsencode(self._root) + b"/" + folder',
        (f"{SWAPPED}::test_a_folder_that_became_a_link_is_not_watched",),
    ),
    Fault(
        "a lock is written behind a link",
        "ledger/lock.py",
        "    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC\n",
        "    flags |= os.O_NONBLOCK | os.O_CLOEXEC\n",
        LOCKS,
    ),
    Fault(
        "a lock is looked for behind a linked folder",
        "ledger/lock.py",
        "    _folder_flags = os.O_NOFOLLOW\n",
        "",
        LOCKS,
    ),
    Fault(
        "a lock is written into whatever file was linked to its name",
        "ledger/lock.py",
        "        if found.st_nlink == 1 and os.path",
        "        if os.path",
        LOCKS,
    ),
    Fault(
        "what is put aside can be read by whoever could not before",
        "storage/local_folder.py",
        "_OWN_MODE if own else 0o777",
        "0o777",
        (f"{ODD}::test_what_is_put_aside_in_a_drop_folder_is_for_docferrys_user_alone",),
    ),
    Fault(
        "a new content gets the right to be run as its owner",
        "storage/local_write.py",
        "stat.S_IMODE(replaced.st_mode) & 0o777)",
        "stat.S_IMODE(replaced.st_mode))",
        (f"{ODD}::test_no_content_that_docferry_writes_can_be_run_as_somebody_else",),
    ),
    Fault(
        "nobody is told that any file may be linked into a folder",
        "app/check_links.py",
        'if said == "0":',
        'if said == "none":',
        ("integration/test_check_links.py",),
    ),
    Fault(
        "a name in a complaint makes lines of its own",
        "cli/output.py",
        "safe(text) if error.has_lines else in_one_line(text)",
        "safe(text)",
        (f"{NAMES}::test_no_name_steers_the_terminal",),
    ),
    Fault(
        "a reason is read as markup, and ends the run that shows it",
        "cli/progress.py",
        'TextColumn("{task.fields[facts]}", markup=False)',
        'TextColumn("{task.fields[facts]}")',
        (f"{NAMES}::test_no_name_steers_what_shows_how_far_it_is",),
    ),
    Fault(
        "a name in an error looks like an event in the log",
        "logs.py",
        'indent(text, "    ") if is_traceback else text',
        "text",
        (f"{NAMES}::test_no_name_steers_the_log_on_a_terminal",),
    ),
    Fault(
        "a listing that goes round in a circle is followed for ever",
        "storage/listing.py",
        "            if after is not None and after == before:\n",
        "            if False:\n",
        ("unit/test_listing.py",),
    ),
    Fault(
        "an object has a size that nothing has",
        "storage/s3_metadata.py",
        "    if not 0 <= size <= _MOST_WHOLE:\n",
        "    if False:\n",
        (f"{FUZZ}[listing]",),
    ),
    Fault(
        "a stranger's mtime is one that no ledger takes",
        "storage/s3_metadata.py",
        "number is not None and abs(number) <= _MOST_WHOLE",
        "number is not None",
        (f"{FUZZ}[metadata]",),
    ),
    Fault(
        "an archived object's path ends in the middle",
        "storage/s3_metadata.py",
        'return path if path and "\\0" not in path else None',
        "return path or None",
        (f"{FUZZ}[metadata]",),
    ),
    Fault(
        "a configuration that is nested deeply ends the command",
        "config/load.py",
        "    except RecursionError as error:\n",
        "    except MemoryError as error:\n",
        (f"{FUZZ}[configuration]",),
    ),
    Fault(
        "a range of many digits is a bug of ours",
        "web/headers.py",
        'int((digits.lstrip("0") or "0")[:_MOST_DIGITS])',
        "int(digits)",
        (f"{FUZZ}[ranges]",),
    ),
    Fault(
        "a receiver's date from a zone far away ends the sending",
        "deliver/send.py",
        "    except (ValueError, OverflowError):  # the latter for a zone that is far away\n",
        "    except ValueError:\n",
        (f"{FUZZ}[retries]",),
    ),
    Fault(
        "a version from before all times ends the listing",
        "storage/version_listing.py",
        "    except (KeyError, ValueError, OverflowError) as error:\n",
        "    except (KeyError, ValueError) as error:\n",
        (f"{FUZZ}[versions]",),
    ),
)
