"""What stores send when something changes in a bucket."""

from __future__ import annotations

import json
from typing import Any

_OF_FILER = {
    "name": "a.txt",
    "chunks": [{"size": 3, "modified_ts_ns": 1795771550254273457, "e_tag": "+XxdKZQb+xsv2rCHSQ=="}],
    "attributes": {"file_size": 3, "mtime": 1795771550, "file_mode": 432, "crtime": 1795771550},
    "extended": {
        "Seaweed-X-Amz-ETag": "Zjk3YzVkMjk5NDFiZmIxYg==",
        "Seaweed-X-Amz-Owner": "dGVzdA==",
    },
}


def records(key: str, name: str = "ObjectCreated:Put", bucket: str = "documents") -> dict[str, Any]:
    """As AWS sends it; *key* as it stands there, quoted. So did moto 5.2.5."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2026-11-27T09:25:59.296Z",
                "eventName": name,
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "g1u1WiWaQvOEjxrVouXXZ0NIGAeOmY7kMEf1lTOrSv2KhAjFh3",
                    "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": {"key": key, "size": 1, "eTag": "9dd4e461268c8034f5c8564e155c67a6"},
                },
            }
        ]
    }


def minio(key: str, quoted: str, name: str = "s3:ObjectCreated:Put") -> dict[str, Any]:
    """MinIO, after github.com/minio/minio/issues/7665: also slashes are quoted in records."""
    sent = records(quoted, name)
    sent["Records"][0] |= {"eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": ""}
    return {"EventName": name, "Key": f"documents/{key}", **sent}


def event_bridge(key: str, kind: str = "Object Created") -> dict[str, Any]:
    """After docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2021-11-12T00:00:00Z",
        "region": "ca-central-1",
        "resources": ["arn:aws:s3:::documents"],
        "detail": {
            "version": "0",
            "bucket": {"name": "documents"},
            "object": {"key": key, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184"},
            "reason": "PutObject",
        },
    }


def sns(message: object, kind: str = "Notification") -> dict[str, Any]:
    """After docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html."""
    return {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2012-05-02T00:54:06.655Z",
        "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription",
    }


def filer_created(place: str, **entry: object) -> dict[str, Any]:
    """SeaweedFS 4.48, as it came here from a PUT; other members of the entry by *entry*."""
    parent, _, name = place.rpartition("/")
    return {
        "event_type": "create",
        "key": place,
        "message": {
            "new_entry": {**_OF_FILER, "name": name, **entry},
            "delete_chunks": True,
            "new_parent_path": parent,
            "signatures": [-1382050560],
        },
    }


def filer_deleted(place: str, **entry: object) -> dict[str, Any]:
    name = place.rpartition("/")[2]
    return {
        "event_type": "delete",
        "key": place,
        "message": {
            "old_entry": {**_OF_FILER, "name": name, **entry},
            "delete_chunks": True,
            "signatures": [-1382050560],
        },
    }


def filer_moved(old: str, new: str) -> dict[str, Any]:
    parent, _, name = new.rpartition("/")
    return {
        "event_type": "rename",
        "key": old,
        "message": {
            "old_entry": {**_OF_FILER, "name": old.rpartition("/")[2]},
            "new_entry": {**_OF_FILER, "name": name},
            "new_parent_path": parent,
            "signatures": [-1382050560],
        },
    }
