"""Faults of converting: what converters may do, what is believed of them and of documents."""

from __future__ import annotations

from fault import Fault

CHILDREN = ("integration/test_children.py",)
CONFINE = ("integration/test_confine.py",)
HOSTILE = "integration/test_hostile_commands.py"
POOL = ("integration/test_pool.py",)

CONFINING = (
    # What a converter is kept from.
    Fault(
        "a converter makes sockets of the network",
        "convert/confine.py",
        "    try_to(lambda: calls.refuse_calls(guarded, threads))\n",
        "",
        ("integration/test_confine.py::test_no_socket_of_the_network_can_be_made",),
    ),
    Fault(
        "a converter reads what anybody may",
        "convert/confine.py",
        "    try_to(lambda: _limit_files(spec, scope))\n",
        "",
        ("integration/test_confine.py::test_of_the_system_programs_are_seen_and_little_else",),
    ),
    Fault(
        "a converter is shown the folders of others",
        "convert/confine_files.py",
        '        calls.mount("tmpfs", cover, "tmpfs", flags, options)\n',
        '        options += f"{flags}"\n',
        ("integration/test_confine.py::test_documents_of_others_cannot_be_read",),
    ),
    Fault(
        "a converter is handed the daemon's environment",
        "convert/launch.py",
        '    environment = {"PATH": _PATH, "LANG": "C.UTF-8"}\n',
        '    environment = {**os.environ, "PATH": _PATH, "LANG": "C.UTF-8"}\n',
        CHILDREN,
    ),
    Fault(
        "a command is shown the daemon's packages",
        "convert/launch.py",
        "    if is_python:\n",
        "    if is_python or True:\n",
        CHILDREN,
    ),
    # Limits, and the end.
    Fault(
        "files are measured one by one",
        "convert/watch.py",
        "    if besides + size_of(folder, stop_at=most - besides) > most:\n",
        "    if besides + size_of(folder, stop_at=most - besides) < 0:\n",
        CHILDREN,
    ),
    Fault(
        "files without a name are in no count",
        "convert/watch_hidden.py",
        "        if stat.S_ISREG(found.st_mode) and not found.st_nlink:\n",
        "        if stat.S_ISREG(found.st_mode) and found.st_nlink < 0:\n",
        (f"{HOSTILE}::test_what_is_hidden_counts",),
    ),
    Fault(
        "shared memory is in no count",
        "convert/watch_hidden.py",
        "        for file in (*_open(pid), *_mapped(pid)):\n",
        "        for file in _open(pid):\n",
        (f"{HOSTILE}::test_what_is_hidden_counts",),
    ),
    Fault(
        "files with nothing in them are in no count",
        "convert/watch.py",
        "    return max(found.st_size, found.st_blocks * 512, _LEAST_BYTES)\n",
        "    return max(found.st_size, found.st_blocks * 512)\n",
        (f"{HOSTILE}::test_what_is_hidden_counts",),
    ),
    Fault(
        "folders in each other are followed however deep they are",
        "convert/watch.py",
        "        if depth > _DEEPEST:\n",
        "        if depth > _NEVER:\n",
        (f"{HOSTILE}::test_what_is_hidden_counts",),
    ),
    Fault(
        "nobody looks at what was written last",
        "convert/process.py",
        "            excess = excess or late\n",
        "",
        (f"{HOSTILE}::test_what_is_hidden_counts",),
    ),
    Fault(
        "what nobody can remove is left on the disk",
        "convert/process.py",
        "                    leftovers.clear(places.folder)\n",
        "                    pass\n",
        (f"{HOSTILE}::test_what_is_hidden_counts",),
    ),
    Fault(
        "a converter calls the machine's services",
        "convert/confine_calls.py",
        "            *(42, 101,",
        "            *(101,",
        (f"{HOSTILE}::test_no_service_of_the_machine_can_be_called",),
    ),
    Fault(
        "a converter becomes root in a namespace",
        "convert/confine_calls.py",
        "        _where(machine.clone, _argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES)),\n",
        "",
        (f"{HOSTILE}::test_the_kernel_refuses",),
    ),
    Fault(
        "a converter ends who would end what it leaves behind",
        "convert/confine.py",
        "        _become(spec, command, scope, [os.getppid(), daemon], threads)\n",
        "        _become(spec, command, scope)\n",
        (f"{HOSTILE}::test_who_ends_it_cannot_be_ended_or_slowed_down",),
    ),
    Fault(
        "a converter sets the limits of others",
        "convert/confine_calls.py",
        "        _where(machine.prlimit, _argument(0), (_EQUAL, 1, 0, 0)),  # of another process\n",
        "",
        (f"{HOSTILE}::test_the_kernel_refuses",),
    ),
    Fault(
        "processes are not counted",
        "convert/watch.py",
        "    if tasks > limits.processes + _OF_OURS:\n",
        "    if tasks < 0:\n",
        CHILDREN,
    ),
    Fault(
        "what a command leaves behind stays where there is no PID namespace",
        "convert/confine.py",
        "    ended |= confine_tree.end_all_below(os.getpid())\n",
        "    ended |= confine_tree.reap()[0]\n",
        CHILDREN,
    ),
    Fault(
        "a converter outlives the daemon",
        "convert/confine.py",
        "    watched.register(os.pidfd_open(pid), select.POLLIN)\n"
        "    watched.register(life, select.POLLIN)\n",
        "    watched.register(os.pidfd_open(pid), select.POLLIN)\n",
        ("integration/test_children.py::test_a_command_does_not_outlive_a_daemon_that_is_killed",),
    ),
    Fault(
        "a converter outlives its launcher",
        "convert/launch.py",
        "            _end_all_of(self._uid)\n",
        "            pass\n",
        (f"{HOSTILE}::test_nothing_outlives_who_would_end_it",),
    ),
    # Children that are kept.
    Fault(
        "an answer to another document is believed",
        "convert/pool.py",
        "            } if secrets.compare_digest(told.encode(), nonce.encode()):\n",
        "            } if told or nonce:\n",
        POOL,
    ),
    Fault(
        "a child that took too long is given the next document",
        "convert/pool.py",
        "        self.is_sound = False  # until it has answered\n",
        "",
        ("integration/test_convert.py::test_a_conversion_that_takes_too_long_is_ended",),
    ),
    Fault(
        "a child that grew is kept",
        "convert/pool.py",
        "        is_large = answer.memory_mib > self.limits.memory_mib / 2\n",
        "        is_large = False\n",
        POOL,
    ),
    Fault(
        "nobody looks at what a child that is kept uses",
        "convert/pool.py",
        "                if excess is not None:\n",
        "                if excess is not None and not excess:\n",
        POOL,
    ),
    Fault(
        "a child that died idle is given a document",
        "convert/pool.py",
        "            if servant.fits(limits) and servant.is_alive():\n",
        "            if servant.fits(limits):\n",
        POOL,
    ),
    # Documents and results.
    Fault(
        "what stands on each page is left out without a word",
        "convert/extract.py",
        "            strip_repeating_text=False,\n",
        "            strip_repeating_text=True,\n",
        ("integration/test_convert_real.py::test_what_stands_on_each_page_is_kept",),
    ),
    Fault(
        "lines of a scan are left out whose words are in no dictionary",
        "convert/extract.py",
        '        output_format="text",\n',
        '        output_format="markdown",\n',
        (
            "integration/test_convert_real.py"
            "::test_a_line_of_a_scan_is_kept_whose_words_no_dictionary_has",
        ),
    ),
    Fault(
        "menus and forms of a page are left out without a word",
        "convert/extract.py",
        "            preprocessing=PreprocessingOptions(enabled=False),\n",
        "            preprocessing=PreprocessingOptions(enabled=True),\n",
        ("integration/test_convert_real.py::test_all_of_a_page_is_kept_but_what_is_no_text",),
    ),
    Fault(
        "footnotes are left out without a word",
        "convert/extract.py",
        "            include_footnotes=True,\n",
        "            include_footnotes=False,\n",
        (
            "integration/test_convert_real.py::test_what_office_saves_keeps_headings_lists_and_tables",
        ),
    ),
    Fault(
        "numbers in a list become bullets",
        "convert/lists.py",
        '        if looks.get((outer, level)) != looks.get((number, level), b""):\n',
        "        if not looks:\n",
        ("unit/test_lists.py",),
    ),
    Fault(
        "a page writes its own front matter",
        "convert/page_head.py",
        "    return json.dumps(words, ensure_ascii=False)\n",
        "    return words\n",
        ("unit/test_page_head.py",),
    ),
    Fault(
        "the name is believed before the content",
        "convert/kinds.py",
        "    if said is not None and said.family == found.family:\n",
        "    if said is not None:\n",
        ("unit/test_kinds.py",),
    ),
    Fault(
        "a mail with an old document is taken for that",
        "convert/kinds.py",
        "        if stream in at_the_top:\n",
        "        if False:\n",
        ("unit/test_kinds.py",),
    ),
    Fault(
        "any end of a name is an extension",
        "convert/kinds.py",
        "    if not _PLAIN.fullmatch(named):\n",
        "    if not named:\n",
        ("unit/test_kinds.py",),
    ),
    Fault(
        "comments keep the daemon busy for ever",
        "convert/kinds.py",
        "    if _HTML.match(begin):\n",
        '    if re.match(rb"\\s*(<!--.*?-->\\s*)*" + _HTML.pattern, text, re.S):\n',
        ("unit/test_kinds.py",),
    ),
    Fault(
        "nothing is taken for a result",
        "convert/results.py",
        "    if not has_something and not is_blank_source:\n",
        "    if not has_something and is_blank_source is None:\n",
        ("unit/test_results.py",),
    ),
    Fault(
        "whatever came of it is put into the mirror",
        "convert/results.py",
        "    if kind.media_type and kind.extension == produces:\n",
        "    if kind.extension:\n",
        ("unit/test_results.py",),
    ),
    Fault(
        "a converter ends the daemon by one of its threads",
        "convert/confine_calls.py",
        "            for thread in threads\n",
        "            for thread in threads[:0]\n",
        (f"{HOSTILE}::test_who_ends_it_cannot_be_ended_or_slowed_down",),
    ),
    Fault(
        "a converter has the daemon run when nobody else wants to",
        "convert/confine_calls.py",
        "        *(_own_turns(machine) if guarded else ()),\n",
        "",
        (f"{HOSTILE}::test_who_ends_it_cannot_be_ended_or_slowed_down",),
    ),
    Fault(
        "a child says what makes the daemon stumble",
        "convert/pool.py",
        "        except (RecursionError, OverflowError) as error:\n",
        "        except ZeroDivisionError as error:\n",
        POOL,
    ),
    Fault(
        "a converter takes what other programs share in memory",
        "convert/confine_calls.py",
        "            *(29, 30, 31, 64,",
        "            *(29, 64,",
        (f"{HOSTILE}::test_the_kernel_refuses",),
    ),
)
