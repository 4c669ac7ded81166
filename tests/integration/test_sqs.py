"""A queue as AWS has it, by moto: what a bucket tells arrives, and goes once it is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

import servers
from config_files import BASE, Written
from docferry.app.check_notifications import check_notifications
from docferry.app.onlooker import Onlooker
from docferry.config import SecretStr
from docferry.core.notifications import Hint, Nothing, Why, hints_in
from docferry.errors import PermanentError, TemporaryError
from docferry.storage.s3_connect import S3Options
from docferry.storage.sqs import Message, Queue, region_in

OPTIONS = S3Options(access_key_id="id", secret_access_key="secret")
AGAIN = 5  # receives: a queue need not give all that it has at once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    with servers.moto(tmp_path_factory.mktemp("moto")) as started:
        yield started


@pytest.fixture(scope="module")
def aws(server: servers.S3Server) -> Any:
    """The tool of somebody who does not know docferry."""
    return boto3.session.Session().client(
        "sqs",
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="secret",
    )


@pytest.fixture
def url(aws: Any, request: pytest.FixtureRequest) -> str:
    made: str = aws.create_queue(QueueName=f"queue-{abs(hash(request.node.name))}")["QueueUrl"]
    return made


def received(queue: Queue) -> list[Message]:
    return [message for _ in range(AGAIN) for message in queue.receive()]


def test_what_a_bucket_tells_comes_once_and_is_read(
    server: servers.S3Server, aws: Any, url: str
) -> None:
    queue = Queue(OPTIONS, url, wait_s=0)
    asked = aws.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = asked["Attributes"]["QueueArn"]
    s3 = server.client()
    s3.put_bucket_notification_configuration(
        Bucket=servers.BUCKET,
        NotificationConfiguration={
            "QueueConfigurations": [
                {"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
            ]
        },
    )
    s3.put_object(Bucket=servers.BUCKET, Key="docs/a b+ü.txt", Body=b"one")

    messages = received(queue)
    queue.delete(messages)

    assert [hints_in(message.body) for message in messages] == [
        Nothing(Why.TEST),
        (Hint(servers.BUCKET, "docs/a b+ü.txt"),),
    ]
    left = aws.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    assert set(left["Attributes"].values()) == {"0"}


def test_what_was_not_deleted_is_not_gone(aws: Any, url: str) -> None:
    aws.send_message(QueueUrl=url, MessageBody="one")

    [message] = Queue(OPTIONS, url, wait_s=0).receive()

    assert message.body == b"one"
    hidden = aws.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    assert hidden["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_what_is_only_tried_out_is_there_for_whoever_reads(aws: Any, url: str) -> None:
    aws.send_message(QueueUrl=url, MessageBody="one")
    queue = Queue(OPTIONS, url, wait_s=0)

    queue.try_out()

    assert [message.body for message in received(queue)] == [b"one"]


def test_check_tells_which_queue_cannot_be_read(url: str, tmp_path: Path) -> None:
    queues = "".join(
        f'[sqs.{name}]\nstore = "main"\nqueue_url = "{there}"\n'
        for name, there in (("good", url), ("gone", f"{url}-gone"))
    )
    config = Written(tmp_path / "docferry.toml").load(BASE + queues)
    keys = {"access_key_id": "id", "secret_access_key": SecretStr("secret")}
    config = replace(
        config,
        stores={"main": replace(config.stores["main"], **keys)},  # type: ignore[arg-type]
        notifications_secret=SecretStr("open-sesame-open-sesame"),
        api_port=0,
    )

    found = check_notifications(config, Onlooker())

    assert [(one.subject, one.level) for one in found] == [
        ("sqs good", "ok"),
        ("sqs gone", "warning"),
        ("notifications", "warning"),
    ]


def test_an_empty_queue_gives_nothing(url: str) -> None:
    assert Queue(OPTIONS, url, wait_s=0).receive() == []


def test_a_queue_that_is_not_there_is_a_persons_business(url: str) -> None:
    queue = Queue(OPTIONS, f"{url}-gone", wait_s=0)

    with pytest.raises(PermanentError, match="create it, or correct `queue_url`"):
        queue.receive()


def test_where_nothing_answers_it_is_asked_again() -> None:
    (port,) = servers.free_ports(1)
    queue = Queue(OPTIONS, f"http://127.0.0.1:{port}/123456789012/events", wait_s=0)

    with pytest.raises(TemporaryError, match="cannot connect"):
        queue.receive()
    with pytest.raises(TemporaryError, match="cannot connect"):
        queue.delete([Message(b"", "receipt")])


@pytest.mark.parametrize("page", [b"<html>log in</html>", b'{"Messages": [{}]}', b""])
def test_what_no_queue_answers_is_no_message(page: bytes) -> None:
    def answer(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(page)))
        request.end_headers()
        request.wfile.write(page)

    with servers.answering(answer) as there:
        queue = Queue(OPTIONS, f"{there}/123456789012/events", wait_s=0)
        try:
            found = queue.receive()
        except TemporaryError:
            found = []

    assert found == []


REGIONS = [
    ("https://sqs.eu-central-1.amazonaws.com/1/q", "eu-central-1"),
    ("https://sqs.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1"),
    ("https://sqs-fips.us-east-1.amazonaws.com/1/q", "us-east-1"),
    ("https://vpce-0a1b.sqs.us-east-1.vpce.amazonaws.com/1/q", "us-east-1"),
    ("https://us-east-2.queue.amazonaws.com/1/q", "us-east-2"),
    ("https://queue.amazonaws.com/1/q", None),
    ("http://127.0.0.1:8333/1/q", None),
]


@pytest.mark.parametrize(("url", "region"), REGIONS)
def test_a_queues_address_tells_its_region(url: str, region: str | None) -> None:
    assert region_in(url) == region
