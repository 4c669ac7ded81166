"""
What stores tell of their buckets: bodies of many shapes become hints of (bucket, key).

AWS S3, MinIO and their like send "Records"; EventBridge has its own form, and SNS puts either
into an envelope. SeaweedFS' filer sends what it notes of its tree, where buckets are folders.
A hint is never believed: it only lets a path be looked at sooner than the next poll would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from urllib.parse import unquote_plus

from docferry.model import Key

#: SQS and SNS carry at most 256 KiB (1 MiB since 2025), a webhook of SeaweedFS some KiB.
MOST_BYTES = 1 << 20
MOST_RECORDS = 1000  #: of one body; AWS sends one, MinIO a few
_KEY_BYTES = 1024
_BUCKET_BYTES = 255

#: With these an object's content, or its absence, may be another one than before. Not among them:
#: ObjectAccessed. Each look would tell of itself, and so lead to the next one.
_CHANGES = ("ObjectCreated", "ObjectRemoved", "ObjectRestore", "LifecycleExpiration")
_EVENT_BRIDGE = ("Object Created", "Object Deleted", "Object Restore Completed")
#: A person is to open it: so nothing else is shown, whoever sent it.
_AT_AWS = re.compile(r"https://sns\.[a-z0-9-]{1,30}\.amazonaws\.com(\.cn)?/\?[\w%&=.:-]{1,1000}")
_FILER_BUCKETS = "/buckets/"  # SeaweedFS: where its S3 gateway has them
_FILER_OWN = ".uploads/"  # SeaweedFS: parts of uploads that have not ended


@dataclass(frozen=True, slots=True)
class Hint:
    """Something may have changed there."""

    bucket: str
    key: Key  #: the whole one, with any prefix; valid UTF-8


class Why(StrEnum):
    """Why a body gave no hint."""

    TOO_LARGE = "too-large"
    NO_JSON = "no-json"
    STRANGE = "strange"  # no shape that is known here
    TEST = "test"  # a store tries out whether it reaches us
    UNCONFIRMED = "unconfirmed"  # SNS sends nothing before a person has confirmed
    NO_CHANGE = "no-change"  # of a folder, a read, a tag


@dataclass(frozen=True, slots=True)
class Nothing:
    """A body that gave no hint."""

    why: Why
    about: str = ""  #: of UNCONFIRMED: the topic, as the body has it
    confirm_url: str = ""  #: where a person may confirm it: AWS' own address, or none


Found: TypeAlias = tuple[Hint, ...] | Nothing


def hints_in(body: bytes) -> Found:
    """Read a body that anybody may have sent. Total: never raises, whatever it is."""
    if len(body) > MOST_BYTES:
        return Nothing(Why.TOO_LARGE)
    event = _parsed(body)
    if isinstance(event, dict) and _is_envelope(event):
        if event["Type"] == "SubscriptionConfirmation":
            topic, url = _text(event["TopicArn"]), _text(event.get("SubscribeURL"))
            shown = url if _AT_AWS.fullmatch(url) else ""
            return Nothing(Why.UNCONFIRMED, topic[:_KEY_BYTES], shown)
        event = _parsed(_text(event["Message"]).encode(errors="replace"))
    if not isinstance(event, dict):
        return Nothing(Why.STRANGE if event is not None else Why.NO_JSON)
    return _read(event)


def _parsed(body: bytes) -> object:
    """Give what the JSON says; None: it is none, or says null."""
    try:
        parsed: object = json.loads(body.decode())
    except (ValueError, RecursionError):  # no UTF-8, a number of a million digits, [[[[…
        return None
    return parsed


def _is_envelope(event: Mapping[str, object]) -> bool:
    return {"Type", "TopicArn", "Message"} <= event.keys()


def _read(event: Mapping[str, object]) -> Found:
    reader = next((read for sign, read in _SHAPES.items() if sign in event), None)
    if reader is None:
        return Nothing(Why.STRANGE)
    hints: dict[Hint, None] = {}
    for hint in reader(event):
        if isinstance(hint, Nothing):
            return hint
        if _is_sound(hint):
            hints[hint] = None
    return tuple(hints) or Nothing(Why.NO_CHANGE)


def _of_records(event: Mapping[str, object]) -> Iterator[Hint | Nothing]:
    """AWS S3, MinIO, Ceph: docs.aws.amazon.com, "Event message structure"."""
    records = event["Records"]
    if not isinstance(records, list):
        yield Nothing(Why.STRANGE)
        return
    for record in records[:MOST_RECORDS]:
        if _text(_at(record, "eventName")).removeprefix("s3:").startswith(_CHANGES):
            bucket = _text(_at(record, "s3", "bucket", "name"))
            yield Hint(bucket, _unquoted(_text(_at(record, "s3", "object", "key"))))


def _of_minio(event: Mapping[str, object]) -> Iterator[Hint | Nothing]:
    """MinIO's own line above its records, should there be none: "bucket/key", as it is."""
    if _text(event.get("EventName")).removeprefix("s3:").startswith(_CHANGES):
        bucket, _, key = _text(event.get("Key")).partition("/")
        yield Hint(bucket, key)


def _of_event_bridge(event: Mapping[str, object]) -> Iterator[Hint | Nothing]:
    """EventBridge: unlike in records the key is as it is."""
    if event["detail-type"] in _EVENT_BRIDGE:
        bucket = _text(_at(event, "detail", "bucket", "name"))
        yield Hint(bucket, _text(_at(event, "detail", "object", "key")))


def _of_filer(event: Mapping[str, object]) -> Iterator[Hint | Nothing]:
    """
    SeaweedFS 4.48: weed/notification/webhook/http.go, and what it sent here.

    `key` is where something was; `new_parent_path` with the new entry's name, where it is now.
    """
    old, new = _at(event, "message", "old_entry"), _at(event, "message", "new_entry")
    places = [_text(event.get("key"))]
    if old is not None and new is not None:
        parent = _text(_at(event, "message", "new_parent_path"))
        places.append(f"{parent}/{_text(_at(new, 'name'))}")
    if _at(new if new is not None else old, "is_directory") is True:
        return
    for place in dict.fromkeys(places):
        bucket, _, key = place.removeprefix(_FILER_BUCKETS).partition("/")
        if place.startswith(_FILER_BUCKETS) and not key.startswith(_FILER_OWN):
            yield Hint(bucket, key)


def _of_test(event: Mapping[str, object]) -> Iterator[Hint | Nothing]:
    is_test = event["Event"] == "s3:TestEvent"
    yield Nothing(Why.TEST if is_test else Why.STRANGE)


#: By a member that only one of them has.
_SHAPES: Mapping[str, Callable[[Mapping[str, object]], Iterator[Hint | Nothing]]] = {
    "Records": _of_records,
    "EventName": _of_minio,
    "detail-type": _of_event_bridge,
    "event_type": _of_filer,
    "Event": _of_test,
}


def _at(value: object, *names: str) -> object:
    """Go down by *names*; None: it does not lead there."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _unquoted(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return ""


def _is_sound(hint: Hint) -> bool:
    try:
        sizes = len(hint.bucket.encode()), len(hint.key.encode())
    except UnicodeEncodeError:  # half of a pair of surrogates
        return False
    return 0 < sizes[0] <= _BUCKET_BYTES and 0 < sizes[1] <= _KEY_BYTES
