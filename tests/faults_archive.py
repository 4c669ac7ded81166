"""Faults of the archive: bytes given away, taken for others, or said to be gone."""

from __future__ import annotations

from fault import Fault

ON_ANY = ("contract/test_archive.py",)
LOCAL_VERSIONS = ("unit/test_local_versions.py",)
LISTING = ("unit/test_version_listing.py",)
METADATA = ("unit/test_s3_metadata.py",)
KEPT = "contract/test_bucket_versions.py"

ARCHIVE = (
    Fault(
        "a version takes the place of another content in a folder's archive",
        "storage/local_archive.py",
        "            or found.st_size != size\n"
        "            or (sha256 is not None and sha256 != _last_and_hash(place))\n",
        "",
        ("contract/test_archive.py::test_a_version_never_takes_the_place_of_another_content",),
    ),
    Fault(
        "a folder gives bytes away for others of the same size",
        "storage/local_archive.py",
        "            or (sha256 is not None and sha256 != _last_and_hash(place))\n",
        "",
        LOCAL_VERSIONS,
    ),
    Fault(
        "a bucket gives bytes away for others that have rotted",
        "storage/s3_archive.py",
        "            self._refuse_unread(version, own, sha256)\n"
        "            self._refuse_damaged(version, to, target, sha256)\n",
        "            self._refuse_unread(version, own, sha256)\n",
        ("contract/test_s3_archive.py",),
    ),
    Fault(
        "a bucket comes to refer to bytes that have rotted",
        "storage/s3_archive.py",
        "        if own is None:\n            self._refuse_damaged(version, to, target, sha256)\n",
        "        if own is None:\n",
        ("contract/test_s3_archive.py",),
    ),
    Fault(
        "for each reference the bytes are read anew",
        "storage/s3_archive.py",
        "        self.read_lately.add((key, target.token, sha256))\n",
        "",
        ("contract/test_s3_archive.py",),
    ),
    Fault(
        "what was read once is believed for ever",
        "storage/read_lately.py",
        "self._until_s.get(what, 0.0) > self._clock()",
        "what in self._until_s",
        ("unit/test_read_lately.py",),
    ),
    Fault(
        "one version that cannot be brought up keeps the others from it",
        "engine/bring_up.py",
        "            self._failure = self._failure or error\n",
        "            raise\n",
        ("unit/test_bring_up.py",),
    ),
    Fault(
        "a folder that is not mounted has an empty archive",
        "storage/local_archive.py",
        "            self.require_marker(root_fd)\n            try:\n",
        "            try:\n",
        LOCAL_VERSIONS,
    ),
    Fault(
        "an archive that was replaced is listed as if it were whole",
        "storage/local_archive.py",
        "            if not self._is_still(fd):\n",
        "            if False:\n",
        LOCAL_VERSIONS,
    ),
    Fault(
        "a version that is removed leaves its damaged doubles",
        "storage/local_archive.py",
        ' or name.startswith(f"{version}.")',
        "",
        LOCAL_VERSIONS,
    ),
    Fault(
        "a rehearsal removes what is archived",
        "engine/imagined.py",
        "    def remove(self, version: Ulid) -> None:\n",
        "    def remove(self, version: Ulid) -> None:\n        self._real.remove(version)\n\n"
        "    def forget(self, version: Ulid) -> None:\n",
        ("unit/test_imagined.py",),
    ),
    Fault(
        "any name is a version",
        "storage/base.py",
        "    return _IS_ULID.fullmatch(name) is not None\n",
        "    return bool(name)\n",
        ON_ANY,
    ),
    Fault(
        "a version gives its bytes away to itself",
        "storage/base.py",
        "    if len({*versions}) < len(versions):\n",
        "    if False:\n",
        ("contract/test_archive.py::test_a_version_does_not_refer_to_itself",),
    ),
    Fault(
        "a bucket gives bytes away for others, or for none",
        "storage/s3_archive.py",
        "        target = _refuse_other_bytes(version, target, attributes)\n",
        "",
        ON_ANY,
    ),
    Fault(
        "a reference takes the place of other bytes in a bucket",
        "storage/s3_archive.py",
        "            _refuse_another(version, own, size, sha256)\n",
        "",
        ON_ANY,
    ),
    Fault(
        "a reference is read from whatever bytes are there",
        "storage/s3_archive.py",
        "        _refuse_other_bytes(version, found.head, claims)\n",
        "",
        ON_ANY,
    ),
    Fault(
        "bytes without a hash are given away unread",
        "storage/s3_archive.py",
        "            self._refuse_unread(version, own, sha256)\n",
        "",
        ("contract/test_s3_archive.py",),
    ),
    Fault(
        "a reference is dropped for damaged bytes",
        "storage/s3_archive.py",
        "        if found != head.attributes.sha256:\n",
        "        if False:\n",
        ("contract/test_s3_archive.py",),
    ),
    Fault(
        "a removed version stays in the bucket's own versions",
        "storage/s3_archive.py",
        "            remove_versions_of_key(self.client, key, self.profile)\n",
        "            self.client.delete(key)\n",
        (f"{KEPT}::test_a_removed_version_of_the_archive_leaves_no_bytes_in_the_bucket[moto]",),
    ),
    Fault(
        "a bucket that was not probed is believed to keep no versions",
        "storage/s3_archive.py",
        "self.profile.versioning or self.client.delete(key)",
        "self.profile.versioning or (self.client.delete(key) and False)",
        (f"{KEPT}::test_what_an_unprobed_bucket_keeps_is_removed_too[moto]",),
    ),
    Fault(
        "the versions of other keys are removed with those of one",
        "storage/version_listing.py",
        "(each for each in found if each.key == key)",
        "found",
        (f"{KEPT}::test_all_that_is_kept_of_a_path_is_removed_and_nothing_else[moto]",),
    ),
    Fault(
        "a copy of a bucket's version is one of what is there now",
        "storage/s3_multipart.py",
        '        which["VersionId"] = source_version_id\n',
        "        pass\n",
        (f"{KEPT}::test_an_overwritten_content_is_archived_as_it_was[moto]",),
    ),
    Fault(
        "a large version is read from what is there now",
        "storage/s3_client.py",
        '            Range=f"bytes={offset}-{offset + size - 1}",\n'
        "            **_of_version(version_id),\n",
        '            Range=f"bytes={offset}-{offset + size - 1}",\n',
        (f"{KEPT}::test_an_overwritten_content_is_read_whole[moto-large]",),
    ),
    Fault(
        "a page that no store has sent is a bucket that keeps nothing",
        "storage/version_listing.py",
        '    if not page.get("Name") or not isinstance(page.get("IsTruncated"), bool):\n',
        "    if False:\n",
        LISTING,
    ),
    Fault(
        "what a store leaves out between two pages is not asked for",
        "storage/version_listing.py",
        "                take(_only_page(fetch, name))\n",
        "                pass\n",
        LISTING,
    ),
    Fault(
        "half an answer about what was left out is believed",
        "storage/version_listing.py",
        "    page = next(_pages(fetch, prefix, folders=True))\n    if page.ends_at is not None:\n",
        "    page = next(_pages(fetch, prefix, folders=True))\n    if False:\n",
        LISTING,
    ),
    Fault(
        "an object that was copied out of an archive passes for a reference",
        "storage/s3_metadata.py",
        "        if name not in _OF_ARCHIVED\n",
        "",
        METADATA,
    ),
    Fault(
        "an object with bytes of its own passes for a reference",
        "storage/s3_metadata.py",
        "return self.size == 0 and self.attributes.bytes_of is not None",
        "return self.attributes.bytes_of is not None",
        METADATA,
    ),
)
