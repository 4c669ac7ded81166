"""Queues into which buckets tell what changes: each is read in a thread, as hints."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from docferry.app.hints import Followed, tell_unconfirmed
from docferry.app.running import Running
from docferry.app.sides import s3_options
from docferry.config import Config, SqsConfig
from docferry.config.changes import Named
from docferry.core.notifications import Found, hints_in
from docferry.core.retry import retry_after_s
from docferry.errors import DocferryError
from docferry.logs import get_logger
from docferry.storage.sqs import Message, Queue

log = get_logger(__name__)

#: After an answer without messages. Who answers at once, and is no queue, is asked no more often.
REST_S = 0.2


class Messages(Protocol):
    """What is asked of a queue."""

    def receive(self) -> list[Message]: ...
    def delete(self, messages: Sequence[Message]) -> None: ...


class QueueReader:
    """
    Reads one queue until it is stopped.

    Args:
        source: How the queue is called in metrics and in the log.
        connect: Makes the connection; called again after each failure.
        follow: Told what each message tells.
        jitter: Random, in [0, 1).
    """

    def __init__(
        self,
        source: str,
        connect: Callable[[], Messages],
        follow: Callable[[Found], None],
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._source = source
        self._connect = connect
        self._follow = follow
        self._jitter = jitter
        self._stopping = threading.Event()
        self._reason: str | None = None  # why it cannot be read
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"queue-{source}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def begin_stop(self) -> None:
        """
        Ask for nothing more.

        A receive that waits goes on for some seconds; nobody need wait for it: what comes is not
        deleted if the process ends before, and comes again.
        """
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end, and say whether that has come."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        queue: Messages | None = None
        while not self._stopping.is_set():
            try:
                queue = queue or self._connect()
                self._read(queue)
            except DocferryError as error:
                queue = None
                self._tell_failed(error)
                wait_s = retry_after_s(error, self._failures, jitter=self._jitter())
                self._stopping.wait(wait_s)

    def _read(self, queue: Messages) -> None:
        messages = queue.receive()
        self._tell_recovered()
        for message in messages:
            found = hints_in(message.body)
            tell_unconfirmed(self._source, found)
            self._follow(found)
        if messages:  # also those that say nothing: they would come for ever
            queue.delete(messages)
        else:
            self._stopping.wait(REST_S)

    def _tell_failed(self, error: DocferryError) -> None:
        self._failures += 1
        if self._reason != str(error):
            log.warning("hints.failed", source=self._source, reason=str(error))
        self._reason = str(error)

    def _tell_recovered(self) -> None:
        if self._reason is not None:
            log.info("hints.recovered", source=self._source)
        self._reason, self._failures = None, 0


class QueueReaders:
    """All queues of the configuration. They come and go; for one thread."""

    def __init__(self, follow: Followed) -> None:
        self._follow = follow
        self._readers = Running[QueueReader]()

    def start(self, config: Config) -> None:
        for name in config.queues:
            self._begin(config, name)

    def change(self, config: Config, changed: Named) -> None:
        """Let those end that are not as *config* has them, and their successors begin."""
        for name in changed.end:
            if name in self._readers:
                self._readers.take(name).begin_stop()
        for name in changed.begin:
            self._begin(config, name)

    def begin_stop(self) -> None:
        """Let all ask for nothing more."""
        for reader in self._readers.values():
            reader.begin_stop()

    def _begin(self, config: Config, name: str) -> None:
        options = config.queues[name]
        reader = QueueReader(
            f"sqs.{name}",
            partial(_connect, config, options),
            partial(_followed, self._follow, f"sqs.{name}", options.store),
        )
        self._readers.put(name, reader)
        reader.start()


def _connect(config: Config, options: SqsConfig) -> Queue:
    return Queue(s3_options(config.stores[options.store], config.transfers), options.queue_url)


def _followed(follow: Followed, source: str, store: str, found: Found) -> None:
    follow(source, store, found)
    follow.ask_owed()
