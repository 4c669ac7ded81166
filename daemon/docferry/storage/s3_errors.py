"""Say in docferry's words what went wrong between us and the store."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError
from obstore.exceptions import AlreadyExistsError, PreconditionError

from docferry.errors import (
    DocferryError,
    PermanentError,
    RefusedKeysError,
    StaleError,
    TemporaryError,
    ThrottledError,
    UnreachableError,
)


class _Meaning(NamedTuple):
    kind: type[DocferryError]
    says: str


_NO_ANSWER = "the answer is not one of an S3 store: is a proxy or a log-in page in between?"
_SKEW = _Meaning(
    UnreachableError,
    "the clock here and the store's differ by more than 15 minutes: set this machine's time (NTP)",
)
_EXPIRED = _Meaning(
    RefusedKeysError, "the session token is expired or wrong: renew the credentials"
)
_REGION = _Meaning(PermanentError, "the bucket is in another region: correct `region`")
_ELSEWHERE = _Meaning(
    TemporaryError,
    "it sends us elsewhere: correct `endpoint_url` (https://?), or is a proxy or a log-in page in "
    "between?",
)
_GATEWAY = _Meaning(
    TemporaryError, "a gateway in between does not reach the store: is the store running?"
)
_BROKE_OFF = _Meaning(
    TemporaryError, "the answer broke off: if that goes on, look at the network in between"
)
_LESS = _Meaning(ThrottledError, "the store asks for fewer requests")
_MOVED = _Meaning(StaleError, "the object is not as expected any more")
_PART = _Meaning(TemporaryError, "a part did not arrive as it was sent: it is sent anew")
_DAMAGED = _Meaning(TemporaryError, "the bytes did not arrive as they were sent")

_CODES = {
    "NoSuchBucket": _Meaning(
        PermanentError, "there is no such bucket: create it, or correct `bucket`"
    ),
    "InvalidAccessKeyId": _Meaning(
        RefusedKeysError, "the store does not know the access key: correct the credentials"
    ),
    "SignatureDoesNotMatch": _Meaning(
        RefusedKeysError, "the secret access key is not the access key's: correct the credentials"
    ),
    "AccessDenied": _Meaning(
        PermanentError, "the credentials do not allow it: correct them or the bucket's policy"
    ),
    "ExpiredToken": _EXPIRED,
    "InvalidToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestTimeTooSkewed": _SKEW,
    "RequestExpired": _SKEW,
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "KeyTooLong": _Meaning(PermanentError, "the name is too long for the store: shorten it"),
    "KeyTooLongError": _Meaning(PermanentError, "the name is too long for the store: shorten it"),
    "MetadataTooLarge": _Meaning(PermanentError, "the store takes less metadata: shorten the name"),
    "InvalidObjectState": _Meaning(
        PermanentError, "the object lies in a cold storage class: restore it from there first"
    ),
    "PreconditionFailed": _MOVED,
    "ConditionalRequestConflict": _MOVED,
    "OperationAborted": _MOVED,
    "NoSuchKey": _Meaning(StaleError, "there is no such object any more"),
    "NoSuchVersion": _Meaning(StaleError, "the bucket does not keep that version any more"),
    "NoSuchUpload": _Meaning(TemporaryError, "the store has forgotten the begun upload"),
    "BadDigest": _DAMAGED,
    "InvalidDigest": _DAMAGED,
    "IncompleteBody": _DAMAGED,
    "XAmzContentSHA256Mismatch": _DAMAGED,
    "RequestTimeout": _Meaning(TemporaryError, "the store waited too long for the bytes"),
    "InternalError": _Meaning(
        TemporaryError, "the store has trouble of its own: if that goes on, look at its log"
    ),
    "InvalidPart": _PART,
    "InvalidPartOrder": _PART,
    "SlowDown": _LESS,
    "SlowDownRead": _LESS,
    "SlowDownWrite": _LESS,
    "ServiceUnavailable": _LESS,
    "TooManyRequests": _LESS,
    "Throttling": _LESS,
    "ThrottlingException": _LESS,
    "RequestLimitExceeded": _LESS,
}
_STATUSES = {
    301: _ELSEWHERE,
    302: _ELSEWHERE,
    303: _ELSEWHERE,
    307: _ELSEWHERE,
    308: _ELSEWHERE,
    401: _CODES["AccessDenied"],
    403: _Meaning(
        PermanentError,
        "refused: compare the credentials, the bucket's policy and this machine's clock",
    ),
    404: _Meaning(
        PermanentError,
        "there is no such bucket: create it, or correct `bucket` or `endpoint_url`",
    ),
    409: _MOVED,
    412: _MOVED,
    429: _LESS,
    # botocore says so, too, where a 200 is not XML.
    500: _Meaning(
        TemporaryError,
        "the store has trouble of its own, or a proxy or a log-in page answers for it",
    ),
    501: _Meaning(PermanentError, "the store has no such function"),
    502: _GATEWAY,
    503: _LESS,
    504: _GATEWAY,
    507: _Meaning(TemporaryError, "the store is full: give it room"),
}

# By class, the more special one first.
_FAILURES: tuple[tuple[type[Exception], _Meaning], ...] = (
    (AlreadyExistsError, _MOVED),
    (PreconditionError, _MOVED),
    (ConnectTimeoutError, _Meaning(UnreachableError, "nothing answers there in time")),
    (ReadTimeoutError, _Meaning(UnreachableError, "the store stopped answering")),
    (ConnectionClosedError, _Meaning(UnreachableError, "the store closed the connection")),
    (EndpointConnectionError, _Meaning(UnreachableError, "cannot connect: is the store running?")),
    (IncompleteReadError, _BROKE_OFF),
    (ResponseStreamingError, _BROKE_OFF),
    (HTTPClientError, _Meaning(UnreachableError, "the connection failed")),
    (ResponseParserError, _Meaning(TemporaryError, _NO_ANSWER)),
    (
        NoCredentialsError,
        _Meaning(
            PermanentError,
            "there are no credentials: they are the files STORE.access_key_id and "
            "STORE.secret_access_key in /etc/docferry/credentials, which root alone may read, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
    ),
    (PartialCredentialsError, _Meaning(PermanentError, "a part of the credentials is missing")),
    (CredentialRetrievalError, _Meaning(UnreachableError, "the credentials cannot be fetched")),
    (TokenRetrievalError, _EXPIRED),
    (UnauthorizedSSOTokenError, _EXPIRED),
    (ParamValidationError, _Meaning(PermanentError, "S3 does not take such a name or metadata")),
)

_TLS = (
    ("certificate has expired", "its certificate has expired: renew it"),
    ("not yet valid", "its certificate is not valid yet: compare the clocks"),
    ("doesn't match", "its certificate is for another name: correct `endpoint_url`"),
    ("ostname mismatch", "its certificate is for another name: correct `endpoint_url`"),
    ("IP address mismatch", "its certificate is for another name: correct `endpoint_url`"),
    ("CERTIFICATE_VERIFY_FAILED", "nobody trusted here vouches for its certificate: set "
     "`verify_tls` to the CA's file"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS: `endpoint_url` should start with http://"),
)  # fmt: skip


def translate(error: Exception, doing: str, endpoint_url: str) -> DocferryError:
    """
    Give docferry's error for one of boto3 or obstore.

    The message is made of our own words: what a store or a library says may hold
    credentials or a signed URL.

    Args:
        doing: What was tried, on what: "read a/b.pdf in bucket documents".
    """
    meaning = _meaning(error)
    return meaning.kind(f"cannot {doing} on {without_login(endpoint_url)}: {meaning.says}")


def no_answer(doing: str, endpoint_url: str) -> TemporaryError:
    """Give the error for a 200 that no S3 store sent: a proxy's log-in page, an empty body."""
    return TemporaryError(f"cannot {doing} on {without_login(endpoint_url)}: {_NO_ANSWER}")


def code_of(error: ClientError) -> str:
    """Give the store's own word for *error*, or the HTTP status where it gave none (HEAD)."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def without_login(url: str) -> str:
    """Leave out the user name and password that a URL may carry."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _meaning(error: Exception) -> _Meaning:
    if isinstance(error, ClientError):
        return _of_answer(code_of(error), status_of(error))
    if isinstance(error, SSLError):
        said = str(error)
        why = next((says for sign, says in _TLS if sign in said), "TLS failed")
        return _Meaning(UnreachableError, why)
    for kind, meaning in _FAILURES:
        if isinstance(error, kind):
            return meaning
    assert isinstance(error, BotoCoreError), error
    return _Meaning(TemporaryError, f"the request failed ({type(error).__name__})")


def _of_answer(code: str, status: int) -> _Meaning:
    known = _CODES.get(code) or _STATUSES.get(status)
    if known is not None:
        return known
    says = f"the store answered {status} {code}" if code != str(status) else f"it said {status}"
    return _Meaning(TemporaryError if status >= 500 or status < 400 else PermanentError, says)
