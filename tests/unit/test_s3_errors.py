"""What a store's or a library's error means, and what is never repeated of it."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from docferry.errors import (
    DocferryError,
    PermanentError,
    RefusedKeysError,
    StaleError,
    TemporaryError,
    ThrottledError,
    UnreachableError,
)
from docferry.storage.s3_errors import translate, without_login

URL = "https://user:password@s3.example.com:9000"

ANSWERS = [
    ("NoSuchBucket", 404, PermanentError, "correct `bucket`"),
    ("404", 404, PermanentError, "no such bucket"),
    ("NoSuchKey", 404, StaleError, "no such object"),
    ("InvalidAccessKeyId", 403, RefusedKeysError, "does not know the access key"),
    ("SignatureDoesNotMatch", 403, RefusedKeysError, "secret access key"),
    ("AccessDenied", 403, PermanentError, "policy"),
    ("403", 403, PermanentError, "clock"),
    ("ExpiredToken", 400, RefusedKeysError, "renew the credentials"),
    ("RequestTimeTooSkewed", 403, UnreachableError, "NTP"),
    ("PermanentRedirect", 301, PermanentError, "`region`"),
    ("KeyTooLongError", 400, PermanentError, "shorten"),
    ("PreconditionFailed", 412, StaleError, "not as expected"),
    ("ConditionalRequestConflict", 409, StaleError, "not as expected"),
    ("412", 412, StaleError, "not as expected"),
    ("SlowDown", 503, ThrottledError, "fewer requests"),
    ("503", 503, ThrottledError, "fewer requests"),
    ("TooManyRequests", 429, ThrottledError, "fewer requests"),
    ("InternalError", 500, TemporaryError, "trouble of its own"),
    ("InternalError", 200, TemporaryError, "trouble of its own"),  # a copy that failed late
    ("301", 301, TemporaryError, "`endpoint_url`"),
    ("302", 302, TemporaryError, "log-in page"),
    ("502", 502, TemporaryError, "is the store running?"),
    ("504", 504, TemporaryError, "is the store running?"),
    ("InvalidPart", 400, TemporaryError, "sent anew"),
    ("XMinioStorageFull", 507, TemporaryError, "full"),
    ("BadDigest", 400, TemporaryError, "did not arrive"),
    ("MalformedXML", 400, PermanentError, "400 MalformedXML"),
    ("NotImplemented", 501, PermanentError, "no such function"),
]


@pytest.mark.parametrize(("code", "status", "kind", "says"), ANSWERS)
def test_an_answer_has_a_meaning(
    code: str, status: int, kind: type[DocferryError], says: str
) -> None:
    error = ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutObject",
    )

    found = translate(error, "write a/b.pdf", URL)

    assert type(found) is kind
    assert str(found).startswith("cannot write a/b.pdf on https://s3.example.com:9000: ")
    assert says in str(found)


FAILURES: list[tuple[Exception, type[DocferryError], str]] = [
    (EndpointConnectionError(endpoint_url=URL), UnreachableError, "is the store running"),
    (ConnectTimeoutError(endpoint_url=URL), UnreachableError, "in time"),
    (ReadTimeoutError(endpoint_url=URL), UnreachableError, "stopped answering"),
    (
        SSLError(endpoint_url=URL, error=OSError("verify failed: certificate has expired")),
        UnreachableError,
        "expired: renew it",
    ),
    (
        SSLError(endpoint_url=URL, error=OSError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")),
        UnreachableError,
        "`verify_tls`",
    ),
    (
        SSLError(endpoint_url=URL, error=OSError("WRONG_VERSION_NUMBER")),
        UnreachableError,
        "http://",
    ),
    (IncompleteReadError(actual_bytes=1, expected_bytes=2), TemporaryError, "broke off"),
    (ResponseParserError("<html>"), TemporaryError, "log-in page"),
    (NoCredentialsError(), PermanentError, "AWS_ACCESS_KEY_ID"),
    (BotoCoreError(), TemporaryError, "BotoCoreError"),
]


@pytest.mark.parametrize(("error", "kind", "says"), FAILURES)
def test_a_failure_has_a_meaning(error: Exception, kind: type[DocferryError], says: str) -> None:
    found = translate(error, "read a/b.pdf", URL)

    assert type(found) is kind
    assert says in str(found)
    assert "password" not in str(found)


def test_a_login_is_left_out_of_a_url() -> None:
    assert without_login(URL) == "https://s3.example.com:9000"
    assert without_login("http://[::1]:9000/x") == "http://[::1]:9000/x"
