"""What stores tell becomes hints, and what they do not tell becomes nothing, with a reason."""

from __future__ import annotations

import json

import pytest

from docferry.core.notifications import MOST_BYTES, MOST_RECORDS, Hint, Nothing, Why, hints_in
from samples.notifications import (
    event_bridge,
    filer_created,
    filer_deleted,
    filer_moved,
    minio,
    records,
    sns,
)

A = "/buckets/documents/docs/a.txt"
SURROGATE = b'{"EventName": "ObjectCreated:", "Key": "b/\\ud800"}'
UPLOADS = "/buckets/documents/.uploads/7914_ea34/0001_6ae0.part"


def body(event: object) -> bytes:
    return json.dumps(event).encode()


def hint(key: str) -> tuple[Hint, ...]:
    return (Hint("documents", key),)


TOLD = [
    ("AWS: a plain key", records("docs/a.txt"), ["docs/a.txt"]),
    ("AWS: a quoted key", records("docs%2Fa+b%2B%C3%BC.txt"), ["docs/a b+ü.txt"]),
    ("AWS: gone", records("docs/a.txt", "ObjectRemoved:DeleteMarkerCreated"), ["docs/a.txt"]),
    ("AWS: with the service's name", records("a", "s3:ObjectCreated:Copy"), ["a"]),
    ("AWS: expired", records("a", "LifecycleExpiration:Delete"), ["a"]),
    ("AWS: back from the ice", records("a", "ObjectRestore:Completed"), ["a"]),
    ("MinIO: its records", minio("docs/a b.txt", "docs%2Fa+b.txt"), ["docs/a b.txt"]),
    (
        "MinIO: no records",
        {"EventName": "s3:ObjectRemoved:Delete", "Key": "documents/a+b"},
        ["a+b"],
    ),
    ("EventBridge: not quoted", event_bridge("docs/a+b%20c"), ["docs/a+b%20c"]),
    ("EventBridge: gone", event_bridge("a", "Object Deleted"), ["a"]),
    ("SNS: records in it", sns(records("docs/a.txt")), ["docs/a.txt"]),
    ("SNS: EventBridge in it", sns(event_bridge("docs/a.txt")), ["docs/a.txt"]),
    ("SeaweedFS: new", filer_created(A), ["docs/a.txt"]),
    ("SeaweedFS: an odd name", filer_created("/buckets/documents/a b+ü %&"), ["a b+ü %&"]),
    ("SeaweedFS: gone", filer_deleted(A), ["docs/a.txt"]),
    (
        "SeaweedFS: moved",
        filer_moved(A, "/buckets/documents/b/c.txt"),
        ["docs/a.txt", "b/c.txt"],
    ),
    ("SeaweedFS: edited", filer_moved(A, A), ["docs/a.txt"]),
]


@pytest.mark.parametrize(
    ("event", "keys"), [each[1:] for each in TOLD], ids=[each[0] for each in TOLD]
)
def test_what_a_store_tells_is_a_hint(event: object, keys: list[str]) -> None:
    found = hints_in(body(event))

    assert found == tuple(Hint("documents", key) for key in keys)


SILENT = [
    ("nothing", b"", Why.NO_JSON),
    ("no JSON", b"<html>", Why.NO_JSON),
    ("no UTF-8", b'"\xff"', Why.NO_JSON),
    ("JSON in JSON without end", b"[" * 100_000, Why.NO_JSON),
    ("a number without end", b"1" * 100_000, Why.NO_JSON),
    ("null", b"null", Why.NO_JSON),
    ("a text", b'"Records"', Why.STRANGE),
    ("a list", b"[]", Why.STRANGE),
    ("an object of others", b'{"hello": 1}', Why.STRANGE),
    ("records that are none", b'{"Records": {}}', Why.STRANGE),
    ("no records", b'{"Records": []}', Why.NO_CHANGE),
    ("strange records", b'{"Records": [1, null, {}, {"eventName": 7}]}', Why.NO_CHANGE),
    ("a read", body(records("a", "s3:ObjectAccessed:Head")), Why.NO_CHANGE),
    ("a tag", body(records("a", "ObjectTagging:Put")), Why.NO_CHANGE),
    ("a read of MinIO's", body(minio("a", "a", "s3:ObjectAccessed:Get")), Why.NO_CHANGE),
    ("a tier", body(event_bridge("a", "Object Access Tier Changed")), Why.NO_CHANGE),
    ("no key", body(records("")), Why.NO_CHANGE),
    ("a key that is too long", body(records("a" * 1025)), Why.NO_CHANGE),
    ("a bucket that is too long", body(records("a", bucket="b" * 256)), Why.NO_CHANGE),
    ("half a character", body(records("%ff")), Why.NO_CHANGE),
    (
        "half a pair of surrogates",
        SURROGATE,
        Why.NO_CHANGE,
    ),
    ("AWS tries it out", b'{"Service": "Amazon S3", "Event": "s3:TestEvent"}', Why.TEST),
    ("another event", b'{"Event": "launch"}', Why.STRANGE),
    ("an envelope with nothing in it", body(sns("")), Why.NO_JSON),
    ("an envelope in an envelope", body(sns(sns(records("a")))), Why.STRANGE),
    ("a folder", body(filer_created("/buckets/documents/docs", is_directory=True)), Why.NO_CHANGE),
    ("a folder that goes", body(filer_deleted("/buckets/b/d", is_directory=True)), Why.NO_CHANGE),
    ("a part of an upload", body(filer_created(UPLOADS)), Why.NO_CHANGE),
    ("a file beside the buckets", body(filer_created("/etc/seaweedfs/x")), Why.NO_CHANGE),
    ("a bucket itself", body(filer_created("/buckets/documents")), Why.NO_CHANGE),
    (
        "no message of the filer",
        b'{"event_type": "create", "key": 3}',
        Why.NO_CHANGE,
    ),
    ("more than any store sends", b" " * (MOST_BYTES + 1), Why.TOO_LARGE),
]


@pytest.mark.parametrize(
    ("sent", "why"), [each[1:] for each in SILENT], ids=[each[0] for each in SILENT]
)
def test_what_tells_of_no_change_is_nothing_and_says_why(sent: bytes, why: Why) -> None:
    assert hints_in(sent) == Nothing(why)


def test_a_subscription_that_waits_names_its_topic_and_leads_nowhere() -> None:
    found = hints_in(body(sns("You have chosen to subscribe", "SubscriptionConfirmation")))

    url = "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription"
    assert found == Nothing(Why.UNCONFIRMED, "arn:aws:sns:us-west-2:123456789012:MyTopic", url)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.us-west-2.amazonaws.com.evil.example/?Action=ConfirmSubscription",
        "https://evil.example/?sns.us-west-2.amazonaws.com/?a",
        "https://sns.us-west-2.amazonaws.com@evil.example/?a",
        "https://169.254.169.254/latest/meta-data",
        None,
        7,
    ],
)
def test_nobody_is_led_to_another_address_than_that_of_aws(url: object) -> None:
    sent = sns("", "SubscriptionConfirmation") | {"SubscribeURL": url}

    found = hints_in(body(sent))

    assert isinstance(found, Nothing)
    assert found.confirm_url == ""


def test_of_one_body_only_so_many_records_are_read() -> None:
    many = {"Records": [records(f"{number}")["Records"][0] for number in range(MOST_RECORDS + 1)]}

    assert len(hints_in(body(many))) == MOST_RECORDS  # type: ignore[arg-type]


def test_what_is_told_twice_is_one_hint() -> None:
    twice = {"Records": records("a")["Records"] * 2}

    assert hints_in(body(twice)) == hint("a")


def test_one_bad_record_does_not_spoil_the_others() -> None:
    mixed = {"Records": [None, *records("%ff")["Records"], *records("a")["Records"]]}

    assert hints_in(body(mixed)) == hint("a")
