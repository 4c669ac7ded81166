"""What comes back where the store is away, refuses, or is none at all."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from ulid import ULID

import proxy
import servers
from contract.backends import s3_options
from contract.strangers import Stranger
from docferry.errors import (
    DocferryError,
    PermanentError,
    RefusedKeysError,
    StaleError,
    TemporaryError,
    ThrottledError,
    UnreachableError,
)
from docferry.model import Attributes
from docferry.storage import s3_lean
from docferry.storage.base import PART_BYTES
from docferry.storage.memory import BytesContent
from docferry.storage.probe import StoreProfile
from docferry.storage.s3 import S3Options, S3Storage
from docferry.storage.s3_connect import Connections
from servers import BUCKET, S3Server

SECRET = "a-very-secret-key"
ARCHIVE = Attributes(version="01JAAAAAAAAAAAAAAAAAAAAAAA")
MODIFIED = "Fri, 27 Nov 2026 12:00:00 GMT"
MD5 = "0cc175b9c0f1b6a831c399e269772661"  # of "a"
STRONG = StoreProfile(
    conditional_create=True, conditional_replace=True, conditional_delete=True, etag_is_md5=True
)

Ask = Callable[[S3Storage], object]


def create(storage: S3Storage, content: bytes = b"a") -> None:
    storage.write("a", BytesContent(content), Attributes(), expect=None)


REQUESTS: dict[str, Ask] = {
    "check": lambda storage: storage.check_bucket(),
    "probe": lambda storage: storage.probe(),
    "scan": lambda storage: list(storage.scan()),
    "stat": lambda storage: storage.stat("a"),
    "read": lambda storage: storage.read("a", MD5),
    "create": create,
    "create large": lambda storage: create(storage, b"a" * (PART_BYTES + 1)),
    "replace": lambda storage: storage.write(
        "a", BytesContent(b"a"), Attributes(), expect=MD5, archive=ARCHIVE
    ),
    "delete": lambda storage: storage.delete("a", expect=MD5, archive=ARCHIVE),
    "read marker": lambda storage: storage.read_marker(),
    "write marker": lambda storage: storage.write_marker(b"{}"),
}


def refused(storage: S3Storage) -> dict[str, DocferryError]:
    """Ask *storage* for everything; give how it failed, by what was asked."""
    found = {}
    for name, ask in REQUESTS.items():
        with pytest.raises(DocferryError) as raised:
            ask(storage)
        found[name] = raised.value
    return found


def options(url: str) -> S3Options:
    return S3Options(
        endpoint_url=url,
        access_key_id="some-key",
        secret_access_key=SECRET,
        timeout_s=5,
        connect_timeout_s=2,
        attempts=1,
    )


def storage_at(url: str) -> S3Storage:
    return S3Storage(options(url), BUCKET, "p/", profile=STRONG)


def send(request: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str | int) -> None:
    request.send_response(status)
    for name, value in ({"content-length": len(body), "connection": "close"} | headers).items():
        request.send_header(name, str(value))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


# No store at all.

LOGIN_PAGES = {
    "an HTML page": b"<html><br>Please log in</html>",
    "an XML page": b"<html><body>Please log in</body></html>",
    "an empty page": b"",
}


@pytest.mark.parametrize("kind", LOGIN_PAGES)
def test_a_login_page_is_no_answer(kind: str) -> None:
    with servers.answering(lambda request: send(request, 200, LOGIN_PAGES[kind])) as url:
        found = refused(storage_at(url))

    assert {name: type(error) for name, error in found.items()} == dict.fromkeys(
        REQUESTS, TemporaryError
    )
    assert all("log-in page" in str(error) or "proxy" in str(error) for error in found.values())


@pytest.mark.parametrize(
    ("etag", "kind"),
    [
        ('"5e9f-1b2"', "text/html"),
        ('W/"4a-9d1c"', "application/json"),
        (f'"{"ab" * 16}"', "text/html; charset=utf-8"),  # a CDN's, of a bucket of its own
    ],
)
def test_a_page_with_an_etag_is_no_object_and_no_upload(etag: str, kind: str) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        headers = {"ETag": etag, "Content-Type": kind, "Last-Modified": MODIFIED}
        send(request, 200, LOGIN_PAGES["an HTML page"], **headers)

    with servers.answering(answer) as url:
        found = refused(storage_at(url))

    expected: dict[str, type[DocferryError]] = dict.fromkeys(REQUESTS, TemporaryError)
    expected["read"] = StaleError  # it is not the one that was asked for
    assert {name: type(error) for name, error in found.items()} == expected
    told = [str(found[name]) for name in ("stat", "create", "read marker")]
    assert all("a log-in page" in each for each in told)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_store_that_leads_to_a_log_in_page_is_none(status: int) -> None:
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        if request.path == "/log-in":
            send(request, 200, LOGIN_PAGES["an HTML page"], **{"Content-Type": "text/html"})
        else:
            send(request, status, b"", Location="/log-in")

    with servers.answering(answer) as url:
        found = refused(storage_at(url))

    assert {type(error) for error in found.values()} == {TemporaryError}
    assert all("log-in page" in str(error) for error in found.values())
    assert len(asked) < 100  # botocore follows without end where the bucket's region might tell


def test_an_upload_that_only_a_page_has_answered_is_none(seaweedfs: S3Server) -> None:
    def mood(request: proxy.Request) -> bool:
        page = proxy.Answer(200, b"", {"etag": f'"{"ab" * 16}"'})
        return request.command == "PUT" and request.give(page)

    with proxy.in_front_of(seaweedfs) as between:
        storage = S3Storage(s3_options(replace(seaweedfs, endpoint_url=between.url)), BUCKET, "q/")
        between.mood = mood
        with pytest.raises(TemporaryError, match="log-in page"):
            create(storage)
        between.mood = None

        assert storage.stat("a") is None
        create(storage)


def test_a_strangers_html_whatever_its_etag_is_an_object(seaweedfs: S3Server) -> None:
    """Nothing in the answer tells a page from it: the listing does."""
    seaweedfs.client().put_object(
        Bucket=BUCKET, Key="r/folder/a.html", Body=b"<html>", ContentType="text/html"
    )
    storage = S3Storage(s3_options(seaweedfs), BUCKET, "r/")

    found = storage.stat("folder/a.html")

    assert found is not None
    assert found.size == 6


def test_nobody_there_is_an_unreachable_side() -> None:
    with socket.create_server(("127.0.0.1", 0)) as once_there:
        port = once_there.getsockname()[1]

    found = refused(storage_at(f"http://127.0.0.1:{port}"))

    assert all(type(error) is UnreachableError for error in found.values())
    assert all("is the store running" in str(error) for error in found.values())


def test_silence_is_an_unreachable_side() -> None:
    with servers.silent() as url:
        impatient = replace(options(url), timeout_s=0.05)
        found = refused(S3Storage(impatient, BUCKET, "p/", profile=STRONG))

    assert all(type(error) is UnreachableError for error in found.values())
    assert all("stopped answering" in str(error) for error in found.values())


def test_a_host_that_has_no_address_is_an_unreachable_side() -> None:
    with pytest.raises(UnreachableError):
        storage_at("http://no-such-host.invalid").check_bucket()


def test_an_endpoint_that_is_no_url_is_told() -> None:
    with pytest.raises(PermanentError, match="cannot set up a connection"):
        storage_at("not a url").check_bucket()


# A store in trouble.

TROUBLE: list[tuple[int, bytes, type[DocferryError]]] = [
    (503, b"<Error><Code>SlowDown</Code></Error>", ThrottledError),
    (503, b"<html>down for maintenance</html>", ThrottledError),
    (429, b"", ThrottledError),
    (500, b"<Error><Code>InternalError</Code></Error>", TemporaryError),
    (502, b"<html><br>Bad Gateway</html>", TemporaryError),
    (504, b"", TemporaryError),
    (403, b"<Error><Code>AccessDenied</Code></Error>", PermanentError),
]


@pytest.mark.parametrize(("status", "body", "kind"), TROUBLE)
def test_trouble_of_the_store_is_told_by_its_kind(
    status: int, body: bytes, kind: type[DocferryError]
) -> None:
    with servers.answering(lambda request: send(request, status, body)) as url:
        found = refused(storage_at(url))

    assert {name: type(error) for name, error in found.items()} == dict.fromkeys(REQUESTS, kind)
    assert all(SECRET not in str(error) for error in found.values())


def test_a_key_that_is_too_long_to_be_asked_for_is_no_object() -> None:
    """AWS answers 400, without a word; the mirror must not stop for one long name."""
    page = b"<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>"

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.command == "HEAD":
            send(request, 400, b"")
        else:
            send(request, 200, page)

    with servers.answering(answer) as url:
        storage = storage_at(url)
        found = storage.stat("x" * 200 + "/" + "y" * 200 + "/z" * 400)

        with pytest.raises(PermanentError, match="400"):
            storage.stat("short")
    assert found is None


# Bodies that are not what they should be.


def test_a_body_that_is_cut_short_is_damaged() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        send(request, 200, b"a" * 100, ETag=f'"{MD5}"', **{"content-length": 1000})

    with servers.answering(answer) as url, pytest.raises(TemporaryError):
        storage_at(url).read("a", MD5)


def test_a_body_that_is_not_its_md5_is_damaged() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        send(request, 200, b"b", ETag=f'"{MD5}"')

    with servers.answering(answer) as url, storage_at(url).read("a", MD5) as content:
        assert content.sha256()
        with pytest.raises(TemporaryError, match="damaged"):
            content.confirm()


@pytest.mark.parametrize("size", [10, PART_BYTES + 10], ids=["small", "large"])
def test_a_body_that_is_never_the_same_is_damaged(size: int) -> None:
    bodies = iter(range(256))

    def answer(request: BaseHTTPRequestHandler) -> None:
        body = bytes([next(bodies)]) * size
        first, last = 0, size
        if "Range" in request.headers:
            given = request.headers["Range"].removeprefix("bytes=").split("-")
            first, last = int(given[0]), int(given[1]) + 1
        claims = {"x-amz-meta-docferry-sha256": "ab" * 32}
        send(request, 200, body[first:last], ETag='"of-parts-2"', **claims)

    with servers.answering(answer) as url, storage_at(url).read("a", "of-parts-2") as content:
        assert content.sha256()
        with pytest.raises(TemporaryError, match="damaged"):
            content.confirm()


def test_another_object_than_asked_for_is_stale() -> None:
    """As with `rclone serve s3`, which does not look at If-Match."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        send(request, 200, b"b", ETag='"another"')

    with servers.answering(answer) as url, pytest.raises(StaleError):
        storage_at(url).read("a", MD5)


def test_metadata_that_is_no_utf8_does_not_keep_an_object_from_being_read() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        send(request, 200, b"a", ETag=f'"{MD5}"', **{"x-amz-meta-name": "caf\xe9"})

    with servers.answering(answer) as url, storage_at(url).read("a", MD5) as content:
        content.sha256()
        content.confirm()


# Credentials.


@pytest.fixture(params=["seaweedfs", "rclone"])
def strict(request: pytest.FixtureRequest) -> S3Server:
    """A server that looks at credentials: moto believes any."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    return found


def test_a_wrong_secret_is_told_without_the_secret(strict: S3Server) -> None:
    wrong = replace(s3_options(strict), secret_access_key=SECRET)

    with pytest.raises(RefusedKeysError, match="secret access key is not") as raised:
        S3Storage(wrong, BUCKET).check_bucket()

    assert SECRET not in str(raised.value)
    assert SECRET not in repr(wrong)


def test_an_unknown_key_is_told(strict: S3Server) -> None:
    wrong = replace(s3_options(strict), access_key_id="nobody")

    with pytest.raises(RefusedKeysError, match="does not know the access key"):
        S3Storage(wrong, BUCKET).check_bucket()


def test_a_bucket_that_is_not_there_is_told(strict: S3Server) -> None:
    with pytest.raises(PermanentError, match="no such bucket"):
        S3Storage(s3_options(strict), "misspelt").check_bucket()


def test_credentials_come_from_the_environment(
    seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", servers.ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", servers.SECRET_ACCESS_KEY)
    chain = S3Options(seaweedfs.endpoint_url, max_connections=17)

    S3Storage(chain, BUCKET).check_bucket()
    assert s3_lean.head(Connections(chain, BUCKET), "missing") == "absent"  # obstore has them too


def test_missing_credentials_are_told(seaweedfs: S3Server) -> None:
    chain = S3Options(seaweedfs.endpoint_url, max_connections=18)

    with pytest.raises(PermanentError, match="AWS_ACCESS_KEY_ID"):
        S3Storage(chain, BUCKET).stat("a")


# Encryption.

KMS = {"x-amz-server-side-encryption": "aws:kms"}
OWN_KEY = {"x-amz-server-side-encryption-customer-algorithm": "AES256"}
OURS = {"x-amz-server-side-encryption": "AES256"}


@pytest.mark.parametrize(
    ("said", "claim", "is_believed"),
    [
        (KMS, None, True),
        (OWN_KEY, None, True),
        (KMS, "0" * 64, True),  # of another content: the metadata came along with a copy
        (OURS, None, False),
        ({}, None, False),
    ],
)
def test_the_etag_of_what_is_encrypted_with_a_key_is_no_md5(
    moto: S3Server, said: dict[str, str], claim: str | None, *, is_believed: bool
) -> None:
    etag, prefix = "f" * 32, f"encrypted/{ULID()}/"

    def forget_condition(request: proxy.Request) -> bool:
        del request.headers["If-Match"]  # the store knows another ETag
        return False

    metadata = {"Metadata": {"docferry-sha256": claim}} if claim else {}
    Stranger(moto, S3Storage(s3_options(moto), BUCKET, prefix)).put("a", b"a", **metadata)
    with proxy.in_front_of(moto) as between:
        between.headers = {"etag": f'"{etag}"'} | said
        between.mood = forget_condition
        options = replace(s3_options(moto), endpoint_url=between.url)
        storage = S3Storage(options, BUCKET, prefix, profile=STRONG)
        with storage.read("a", etag) as content:
            content.sha256()
            if is_believed:
                content.confirm()
            else:
                with pytest.raises(TemporaryError, match="came damaged, its hash"):
                    content.confirm()


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> servers.Certificate:
    return servers.make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def over_tls(
    tmp_path_factory: pytest.TempPathFactory, certificate: servers.Certificate
) -> Iterator[S3Server]:
    with servers.rclone(tmp_path_factory.mktemp("rclone-tls"), certificate) as server:
        yield server


@pytest.mark.parametrize("trusts", ["the CA", "anybody"])
def test_a_private_ca_is_trusted_where_it_is_named(
    over_tls: S3Server, certificate: servers.Certificate, trusts: str
) -> None:
    verify_tls = str(certificate.ca) if trusts == "the CA" else False
    trusting = replace(s3_options(over_tls), verify_tls=verify_tls)
    storage = S3Storage(trusting, BUCKET, f"{trusts}/")

    storage.check_bucket()
    create(storage)
    create(S3Storage(trusting, BUCKET, f"{trusts}/large/"), b"a" * (PART_BYTES + 1))

    assert s3_lean.head(Connections(trusting, BUCKET), f"{trusts}/a") not in (None, "absent")


def test_a_private_ca_is_not_trusted_otherwise(over_tls: S3Server) -> None:
    found = refused(storage_at(over_tls.endpoint_url))

    assert all(type(error) is UnreachableError for error in found.values())
    assert all("`verify_tls`" in str(error) for error in found.values())


def test_an_expired_certificate_is_told(tmp_path: Path) -> None:
    expired = servers.make_certificate(tmp_path, ends_in=timedelta(days=-1))
    with servers.rclone(tmp_path, expired) as server:
        trusting = replace(s3_options(server), verify_tls=str(expired.ca))

        with pytest.raises(UnreachableError, match="expired: renew it"):
            S3Storage(trusting, BUCKET).check_bucket()


def test_https_to_a_store_that_speaks_http_is_told(rclone: S3Server) -> None:
    with pytest.raises(UnreachableError, match="http://"):
        storage_at(rclone.endpoint_url.replace("http:", "https:")).check_bucket()


def test_a_ca_file_that_is_missing_is_told(over_tls: S3Server, tmp_path: Path) -> None:
    lost = replace(s3_options(over_tls), verify_tls=str(tmp_path / "lost.pem"))

    with pytest.raises(PermanentError, match=r"lost\.pem"):
        S3Storage(lost, BUCKET).stat("a")
