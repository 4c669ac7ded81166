"""A queue is read until it is stopped, and what was heard does not come again."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

import pytest

from config_files import BASE, Written
from docferry.app.hints import Followed
from docferry.app.queue_readers import QueueReader, QueueReaders
from docferry.config.changes import changes
from docferry.core.notifications import Found, Hint, Nothing, Why
from docferry.errors import DocferryError, PermanentError, TemporaryError
from docferry.storage.sqs import Message
from events import logged
from samples.notifications import records, sns

PATIENCE_S = 10.0
HINT = (Hint("documents", "a"),)


class Filled:
    """A queue that holds what a test puts into it, and fails when it is told to."""

    def __init__(self) -> None:
        self.connections = 0
        self.deleted: SimpleQueue[str] = SimpleQueue()
        self.followed: SimpleQueue[Found] = SimpleQueue()
        self._answers: SimpleQueue[list[Message] | DocferryError] = SimpleQueue()

    def put(self, answer: object) -> None:
        """Have it answer so: an event in a message of its own, or a failure."""
        if isinstance(answer, DocferryError):
            self._answers.put(answer)
        else:
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self._answers.put([Message(body, f"receipt of {len(body)}")])

    def connect(self) -> Filled:
        self.connections += 1
        return self

    def receive(self) -> list[Message]:
        answer = self._answers.get(timeout=PATIENCE_S)
        if isinstance(answer, DocferryError):
            raise answer
        return answer

    def delete(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.deleted.put(message.receipt)

    def end(self, reader: QueueReader) -> None:
        reader.begin_stop()
        self._answers.put([])
        assert reader.join(PATIENCE_S)


@pytest.fixture
def queue() -> Filled:
    return Filled()


@pytest.fixture
def reader(queue: Filled) -> QueueReader:
    return QueueReader("sqs.events", queue.connect, queue.followed.put, jitter=lambda: 0.0)


def test_what_a_message_tells_is_followed_before_it_is_deleted(queue: Filled) -> None:
    deleted_before: list[bool] = []
    reader = QueueReader(
        "sqs.events", queue.connect, lambda found: deleted_before.append(not queue.deleted.empty())
    )
    reader.start()

    queue.put(records("a"))

    assert queue.deleted.get(timeout=PATIENCE_S)
    assert deleted_before == [False]
    queue.end(reader)


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (records("a"), HINT),
        (sns(records("a")), HINT),
        (b"\xff", Nothing(Why.NO_JSON)),
        ({"Event": "s3:TestEvent"}, Nothing(Why.TEST)),
    ],
)
def test_every_message_is_told_of_and_deleted(
    queue: Filled, reader: QueueReader, event: object, found: Found
) -> None:
    reader.start()

    queue.put(event)

    assert queue.followed.get(timeout=PATIENCE_S) == found
    assert queue.deleted.get(timeout=PATIENCE_S)
    queue.end(reader)


def test_after_a_failure_it_is_read_on_with_a_new_connection(
    queue: Filled, reader: QueueReader
) -> None:
    with logged() as events:
        reader.start()
        queue.put(TemporaryError("the line is down"))
        queue.put(TemporaryError("the line is down"))
        queue.put(records("a"))
        found = queue.followed.get(timeout=PATIENCE_S)
        queue.end(reader)

    assert found == HINT
    assert queue.connections == 3
    assert [(event["event"], event["source"]) for event in events] == [
        ("hints.failed", "sqs.events"),
        ("hints.recovered", "sqs.events"),
    ]


def test_a_reader_that_waits_after_a_failure_stops_at_once(queue: Filled) -> None:
    has_failed = threading.Event()

    def connect() -> Filled:
        has_failed.set()
        raise PermanentError("there is no such queue")

    reader = QueueReader("sqs.events", connect, queue.followed.put, jitter=lambda: 0.99)
    reader.start()
    assert has_failed.wait(PATIENCE_S)

    reader.begin_stop()

    assert reader.join(PATIENCE_S)


def test_a_topic_that_waits_for_a_person_is_told_of(queue: Filled, reader: QueueReader) -> None:
    with logged() as events:
        reader.start()
        queue.put(sns("You have chosen to subscribe", "SubscriptionConfirmation"))
        queue.deleted.get(timeout=PATIENCE_S)
        queue.end(reader)

    told = [(event["event"], event["topic"]) for event in events]
    assert told == [("hints.unconfirmed", "arn:aws:sns:us-west-2:123456789012:MyTopic")]


def test_a_queue_that_left_the_configuration_is_read_no_more(tmp_path: Path) -> None:
    queue = '[sqs.events]\nstore = "main"\nqueue_url = "http://127.0.0.1:1/1/q"\n'
    file = Written(tmp_path / "docferry.toml")
    config, without = file.load(BASE + queue), file.load(BASE)
    readers = QueueReaders(Followed(lambda: config, {}, lambda mirror: {}))
    readers.start(config)
    [reading] = [one for one in threading.enumerate() if one.name == "queue-sqs.events"]

    readers.change(without, changes(config, without).queues)

    reading.join(PATIENCE_S)
    assert not reading.is_alive()
