"""
A queue of AWS SQS, as far as it takes to hear what a bucket tells.

Each message is had at least once, in no order; who has had it deletes it, or it comes again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict, cast
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from docferry.errors import PermanentError
from docferry.storage.s3_connect import S3Options
from docferry.storage.s3_errors import code_of, translate

#: How long a receive waits for the first message: the longest there is, and the cheapest.
LONGEST_WAIT_S = 20
#: For so long nobody else gets what was received; it is deleted within seconds.
_HIDDEN_S = 60
_AT_ONCE = 10  # SQS gives, and deletes, no more
_NO_QUEUE = ("NonExistentQueue", "QueueDoesNotExist")
_CONNECT_S, _SILENCE_S = 5.0, 15.0
_REGION = re.compile(r"(?:[/.]sqs(?:-fips)?\.|//)([a-z]{2}(?:-[a-z]+)+-\d)\.")


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody put into the queue."""

    body: bytes
    receipt: str  #: by which it is deleted


class Queue:
    """
    One queue. Asks nothing of AWS when it is built.

    Args:
        options: Of the store: its keys, and its region where the URL does not tell another.

    Raises:
        PermanentError: By these options nothing can be connected.
    """

    def __init__(self, options: S3Options, url: str, *, wait_s: int = LONGEST_WAIT_S) -> None:
        self._url = url
        self._wait_s = wait_s
        try:
            self._client = _connected(options, url, wait_s)
        except (BotoCoreError, OSError, ValueError) as error:
            raise PermanentError(f"cannot set up a connection to {url}: {error}") from error

    def try_out(self) -> None:
        """
        Ask for a message, as `receive` does, and leave it to whoever reads the queue.

        Raises:
            TemporaryError, PermanentError: None can be had.
        """
        self._ask(wait_s=0, most=1, hidden_s=0)

    def receive(self) -> list[Message]:
        """
        Wait for messages, for a while; give those that there are, none perhaps.

        Raises:
            TemporaryError, PermanentError: They cannot be had.
        """
        answer = self._ask(wait_s=self._wait_s, most=_AT_ONCE, hidden_s=_HIDDEN_S)
        return [
            Message(one["Body"].encode(errors="replace"), one["ReceiptHandle"])
            for one in answer.get("Messages", ())
            if "Body" in one and "ReceiptHandle" in one  # else it is not AWS that answers
        ]

    def delete(self, messages: Sequence[Message]) -> None:
        """
        Have none of *messages* come again: as many as one receive gave.

        Raises:
            TemporaryError, PermanentError: They do come again, or some of them.
        """
        entries: list[_Entry] = [
            {"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(messages)
        ]
        try:
            self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise _translated(error, "delete from the queue", self._url) from error

    def _ask(self, *, wait_s: int, most: int, hidden_s: int) -> _Answer:
        try:
            return self._client.receive_message(
                QueueUrl=self._url,
                WaitTimeSeconds=wait_s,
                MaxNumberOfMessages=most,
                VisibilityTimeout=hidden_s,
            )
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise _translated(error, "read the queue", self._url) from error


def region_in(url: str) -> str | None:
    """Give the region by which requests to a queue are signed; None: its address tells none."""
    told = _REGION.search(url)
    return told[1] if told else None


class _Received(TypedDict):
    Body: str
    ReceiptHandle: str


class _Answer(TypedDict, total=False):
    Messages: list[_Received]


class _Entry(TypedDict):
    Id: str
    ReceiptHandle: str


class _Client(Protocol):
    """boto3's client, as far as it is used: its stubs are a package of their own."""

    def receive_message(
        self,
        *,
        QueueUrl: str,
        WaitTimeSeconds: int,
        MaxNumberOfMessages: int,
        VisibilityTimeout: int,
    ) -> _Answer: ...

    def delete_message_batch(
        self,
        *,
        QueueUrl: str,
        Entries: Sequence[_Entry],
    ) -> object: ...


def _connected(options: S3Options, url: str, wait_s: int) -> _Client:
    parts = urlsplit(url)
    session = botocore.session.Session()
    if options.access_key_id is not None:
        session.set_credentials(
            options.access_key_id, options.secret_access_key or "", options.session_token
        )
    client = session.create_client(
        "sqs",
        region_name=region_in(url) or options.region,
        endpoint_url=f"{parts.scheme}://{parts.netloc}",
        verify=options.verify_tls,
        config=Config(
            connect_timeout=_CONNECT_S,
            read_timeout=wait_s + _SILENCE_S,
            retries={"total_max_attempts": 1},  # who reads it tries again
        ),
    )
    return cast("_Client", client)


def _translated(error: Exception, doing: str, url: str) -> Exception:
    if isinstance(error, ClientError) and code_of(error).endswith(_NO_QUEUE):
        return PermanentError(
            f"cannot {doing} {url}: there is no such queue: create it, or correct `queue_url`"
        )
    return translate(error, doing, url)
