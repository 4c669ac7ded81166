"""Faults of services: whose failure it is, who gets the document, and what ends a request."""

from __future__ import annotations

from fault import Fault

ANSWERS = ("unit/test_service_answers.py",)
ACCESS = ("unit/test_service_access.py",)
BODIES = ("unit/test_service_bodies.py",)
SERVICES = ("integration/test_services.py",)
ENDED = ("integration/test_services_ended.py",)
SHAPES = ("integration/test_services_shapes.py",)


SERVED = (
    Fault(
        "a service's outage is held against the document",
        "convert/service_answers.py",
        "    if status in _BUSY or status in _SLOW or status >= 500:\n",
        "    if status in _BUSY or status in _SLOW:\n",
        ANSWERS,
    ),
    Fault(
        "a busy service is held against the document",
        "convert/service_answers.py",
        "            is_in_doubt=status not in _BUSY,\n",
        "            is_in_doubt=True,\n",
        ANSWERS,
    ),
    Fault(
        "a service may say when to come back, next year",
        "convert/service_answers.py",
        "    return min(max((at - now).total_seconds(), 0.0), LONGEST_WAIT_S)\n",
        "    return max((at - now).total_seconds(), 0.0)\n",
        ANSWERS,
    ),
    Fault(
        "a wrong password is held against the document",
        "convert/service_answers.py",
        "    if status in _CONFIGURATION:\n",
        "    if status == 404:\n",
        ANSWERS,
    ),
    Fault(
        "a log-in page is a result",
        "convert/service_answers.py",
        "    if produces not in _PAGES and _PAGE.match(head):\n",
        "    if False:\n",
        SERVICES,
    ),
    Fault(
        "what a service says steers the terminal",
        "convert/service_answers.py",
        '    return _CONTROL.sub(" ", said[:WORDS_BYTES].decode(errors="replace")).strip()\n',
        '    return said[:WORDS_BYTES].decode(errors="replace").strip()\n',
        ANSWERS,
    ),
    Fault(
        "whoever a service points to is given the document and the secret",
        "convert/service_talk.py",
        "                allow_redirects=False,",
        "                allow_redirects=True,",
        SERVICES,
    ),
    Fault(
        "a secret is in the picture of its access",
        "convert/service_access.py",
        "    secret: str | None = field(default=None, repr=False)\n",
        "    secret: str | None = field(default=None)\n",
        ACCESS,
    ),
    Fault(
        "an error page repeats the secret",
        "convert/service_talk.py",
        "        return in_words(self._service.access.hide("
        'said.decode(errors="replace")).encode())\n',
        "        return in_words(said)\n",
        SERVICES,
    ),
    Fault(
        "a url holds a secret, and is logged",
        "convert/service_access.py",
        "        if _SECRET_PARAMETER.search(name):\n",
        "        if False:\n",
        ACCESS,
    ),
    Fault(
        "the environment decides who sees documents",
        "convert/service_lines.py",
        "    session.trust_env = False\n",
        "    session.trust_env = True\n",
        SERVICES,
    ),
    Fault(
        "a service that trickles holds its slot for ever",
        "convert/service_lines.py",
        "            timer.start()\n",
        "            pass\n",
        (
            "integration/test_services.py::test_a_service_that_trickles_is_ended_when_the_time_is_up",
        ),
    ),
    Fault(
        "a stopping daemon waits for its services",
        "convert/service_lines.py",
        "            for line in self._open:\n                line.cut()\n",
        "",
        ENDED,
    ),
    Fault(
        "an answer that ends with its connection cannot be cut",
        "convert/service_lines.py",
        "    def _new_conn(self) -> socket.socket:\n",
        "    def close(self) -> None:\n        super().close()\n"
        "        if self._known is not None:\n            self.line.forget(self._known)\n"
        "            self._known = None\n\n    def _new_conn(self) -> socket.socket:\n",
        ENDED,
    ),
    Fault(
        "connecting cannot be cut",
        "convert/service_lines.py",
        "        known = line.watch(connection)\n        try:\n"
        "            _connect(line, connection, address)\n",
        "        try:\n            _connect(line, connection, address)\n"
        "            known = line.watch(connection)\n",
        ENDED,
    ),
    Fault(
        "a service that hangs makes a dead letter of every document",
        "convert/service_talk.py",
        "        if self._is_answering:\n",
        "        if True:\n",
        SERVICES,
    ),
    Fault(
        "half of an answer is a result",
        "convert/service_talk.py",
        "        if not is_chunked and _length_of(answer) is None:\n",
        "        if False:\n",
        SERVICES,
    ),
    Fault(
        "a result may be of any size",
        "convert/service_talk.py",
        "            if size > most:\n",
        "            if False:\n",
        SERVICES,
    ),
    Fault(
        "what broke before the document was sent is in doubt",
        "convert/service_talk.py",
        '        when = "broke off" if has_begun else "does not answer"\n',
        '        has_begun = True\n        when = "broke off"\n',
        SERVICES,
    ),
    Fault(
        "a full disk is an outage of the service",
        "convert/service_talk.py",
        "        except OSError as error:\n"
        '            raise TemporaryError(f"cannot write the result of {self._document}: {error}")'
        " from error\n"
        "        self._ensure_promised(answer, head, produces)\n",
        "        except OSError as error:\n"
        "            raise self._translated(requests.ConnectionError(error)) from error\n"
        "        self._ensure_promised(answer, head, produces)\n",
        SERVICES,
    ),
    Fault(
        "a large document is in memory while it is sent",
        "convert/service_bodies.py",
        "                    part = file.read(min(left, _PART_BYTES))\n",
        "                    part = file.read(left)\n",
        ("integration/test_services_memory.py",),
    ),
    Fault(
        "a name ends the line it stands in",
        "convert/service_bodies.py",
        """    return name.replace("\\r", "%0D").replace("\\n", "%0A").replace('"', "%22")\n""",
        "    return name\n",
        BODIES,
    ),
    Fault(
        "a document that became shorter is sent as it is",
        "convert/service_bodies.py",
        "                    if not part:\n"
        "                        raise TemporaryError("
        'f"{self._path} became shorter while it was sent")\n',
        "                    if not part:\n                        return\n",
        BODIES,
    ),
    Fault(
        "a task that is lost is a wrong url",
        "convert/service_docling.py",
        "accepts=frozenset({200, 404})",
        "accepts=frozenset({200})",
        SHAPES,
    ),
    Fault(
        "a task that failed is done",
        "convert/service_docling.py",
        '        if status not in {"success", "partial_success"}:\n',
        "        if status is None:\n",
        SHAPES,
    ),
    Fault(
        "one broken answer loses a task",
        "convert/service_docling.py",
        "                if failed >= _FAILED_POLLS or isinstance(error, _LostError):\n",
        "                if True:\n",
        SHAPES,
    ),
    Fault(
        "an exception that Tika speaks of is a result",
        "convert/service_shapes.py",
        "            if isinstance(part, dict) and part.get(name):\n",
        "            if False:\n",
        SHAPES,
    ),
    Fault(
        "all is converted anew when a password changes",
        "convert/service.py",
        '            "service": {"revision": revision} if revision else {"url": url},\n',
        '            "service": {"revision": revision} if revision else {"url": url},\n'
        '            "access": (access or Access()).headers(),\n',
        ACCESS,
    ),
    Fault(
        "JSON of many small parts fills the memory",
        "convert/service_talk.py",
        "        if _memory_for(said) > _MOST_MEMORY_BYTES:\n",
        "        if _memory_for(said) < 0:\n",
        ("integration/test_services.py::test_json_that_would_fill_the_memory_is_not_read",),
    ),
    Fault(
        "a length that is none is believed",
        "convert/service_talk.py",
        "        if not is_chunked and _length_of(answer) is None:\n",
        '        if not is_chunked and "Content-Length" not in answer.headers:\n',
        ("integration/test_services.py::test_a_length_that_is_none_is_not_believed",),
    ),
)
