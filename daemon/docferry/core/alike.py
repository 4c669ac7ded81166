"""
Tell whether a content still is what its name says, from a few samples of its bytes.

What an encrypting program leaves behind looks like noise: it has lost the first bytes by which
its kind is known, or it was words and is none any more. A photo or a `.docx` that is saved again
keeps its kind, and was as noisy before: that says nothing.
"""

from __future__ import annotations

import codecs
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from docferry.model import Path

#: So much is read at each of three places: the begin, the middle, the end.
BLOCK_BYTES = 16 * 1024
#: How noisy it is, is asked of so much each: some programs encrypt no more than that.
_PIECE_BYTES = 4096
#: Of less than this nothing is said by how noisy it is.
_LEAST_BYTES = 64
#: Noise of that many bytes has more different ones than this; most texts have not.
_LEAST_KINDS = 42
#: Bits a byte from which on so many bytes look like noise: what random bytes have, less a little.
#: English has 4.2, base64 less than 6.
_NOISE = ((64, 5.4), (128, 6.2), (256, 6.8), (512, 7.3), (1024, 7.55), (4096, 7.85))
_Utf8 = codecs.getincrementaldecoder("utf-8")

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)
_TIFF = (b"II*\x00", b"MM\x00*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MARKS: dict[str, tuple[bytes, ...]] = {
    **dict.fromkeys(
        _words(
            "docx docm dotx xlsx xlsm xltx xlsb pptx pptm potx ppsx vsdx odt ods odp odg ott epub"
            " zip jar war apk"
        ),
        _ZIP,
    ),
    **dict.fromkeys(_words("doc xls ppt msg vsd mpp"), _OLE),
    **dict.fromkeys(_words("jpg jpeg"), (b"\xff\xd8\xff",)),
    **dict.fromkeys(_words("tif tiff dng nef cr2 arw"), _TIFF),
    **dict.fromkeys(_words("gz tgz"), (b"\x1f\x8b",)),
    **dict.fromkeys(_words("sqlite sqlite3"), (b"SQLite format 3\x00",)),
    **dict.fromkeys(_words("wav avi webp"), (b"RIFF",)),
    **dict.fromkeys(_words("mkv webm"), (b"\x1a\x45\xdf\xa3",)),
    **dict.fromkeys(_words("exe dll"), (b"MZ",)),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "gif": (b"GIF8",),
    "bmp": (b"BM",),
    "psd": (b"8BPS",),
    "pdf": (b"%PDF", b"\xef\xbb\xbf%PDF"),
    "rtf": (b"{\\rtf",),
    "7z": (b"7z\xbc\xaf\x27\x1c",),
    "rar": (b"Rar!",),
    "xz": (b"\xfd7zXZ\x00",),
    "bz2": (b"BZh",),
    "zst": (b"\x28\xb5\x2f\xfd",),
    "flac": (b"fLaC",),
    "ogg": (b"OggS",),
}
#: Of these noise says something also where their mark is there: the others are packed.
_PLAIN = _words("doc xls ppt msg vsd mpp sqlite sqlite3 wav bmp")
_TEXTS = _words(
    "txt text md markdown rst adoc org tex csv tsv json jsonl ndjson xml html htm xhtml css scss"
    " js ts jsx tsx py rb go rs c h cc cpp hpp java kt swift php pl lua r sh bash zsh bat ps1 sql"
    " yaml yml toml ini cfg conf env properties log svg eml ics vcf srt vtt po ipynb tf"
)
#: Without a mark that is looked for; as the name of a kind they are nothing strange.
_OTHERS = _words(
    "mp3 mp4 m4a m4v mov wmv wma aac heic heif avif pages numbers key one pst ost mdb accdb dwg"
    " dxf skp ai eps indd ttf otf woff woff2 ico bin dat db iso img vmdk vhd vdi tar cab msi deb"
    " rpm so dylib o a class pyc whl pem crt cer der p12 pfx asc sig sha256 md5 torrent parquet"
    " bak old orig tmp temp part sav swp lock pid"
    " raf orf rw2 pef srw cr3 crw nrw rwl x3f 3fr erf iiq gpr thm lrv insv insp mts m2ts xmp aae"
    " p7m p7s tsd"
)
_KNOWN = frozenset(_MARKS) | _TEXTS | _OTHERS
_AN_ENDING = re.compile(r"[a-z][a-z0-9_\-]{1,15}|[a-z0-9_\-]*[a-z][a-z0-9_\-]*")
#: How docferry ends the second name of a file that has no ending: `core.paths.conflict_copy_path`.
_A_COPY = re.compile(r"conflict-[0-9a-f]{8}")
_CONTROLS = bytes(frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1b\x08") | {127})


@dataclass(frozen=True, slots=True)
class Sample:
    """Some bytes of a content: what is at three places, or all of it where it is small."""

    size: int  #: bytes, of the whole content
    blocks: tuple[bytes, ...]  #: in order

    @property
    def head(self) -> bytes:
        return self.blocks[0] if self.blocks else b""


def places_of(size: int) -> Iterator[tuple[int, int]]:
    """Yield where a content of *size* bytes is looked at: offsets, and how many bytes there."""
    if size <= 3 * BLOCK_BYTES:
        yield from ((at, min(BLOCK_BYTES, size - at)) for at in range(0, size, BLOCK_BYTES))
        return
    for at in (0, (size - BLOCK_BYTES) // 2, size - BLOCK_BYTES):
        yield at, BLOCK_BYTES


def ending_of(path: Path) -> str:
    """Give what the name of *path* ends with, in small letters and without the dot; "": nothing."""
    name = path.rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return ending.lower() if dot and stem else ""


def is_strange(path: Path) -> bool:
    """Say whether the name of *path* ends with what is no kind of file that is known here."""
    ending = ending_of(path)
    if _A_COPY.fullmatch(ending):
        return False
    return ending not in _KNOWN and _AN_ENDING.fullmatch(ending) is not None


def fits(path: Path, sample: Sample) -> bool | None:
    """Say whether a content is of the kind that its name says; None: the name says none."""
    ending = ending_of(path)
    if marks := _MARKS.get(ending):
        return sample.head.startswith(marks)
    return _is_text(sample) if ending in _TEXTS else None


def is_noise(sample: Sample) -> bool:
    """Say whether some part of a content looks like random bytes: encrypted, or packed."""
    return any(map(_is_noisy, _pieces(sample)))


def is_doubtful(path: Path, new: Sample) -> bool:
    """Say whether it matters what *path* held before *new*: else there is nothing to doubt."""
    does_fit = fits(path, new)
    may_be_noise = not does_fit or ending_of(path) in _PLAIN
    return does_fit is False or (may_be_noise and is_noise(new))


def why_unfit(path: Path, new: Sample) -> str | None:
    """Say in what way *new* is not what *path* names, where nobody has what it held before."""
    return f"it is no {ending_of(path)} any more" if new.size and fits(path, new) is False else None


def why_unlike(path: Path, old: Sample, new: Sample) -> str | None:
    """Say in what way *new* is not what *old* was at *path*; None: it is like it, or may be."""
    if not is_doubtful(path, new) or not new.size:
        return None
    if fits(path, new) is False and fits(path, old):
        return f"it is no {ending_of(path)} any more"
    if _has_become_noise(old, new):
        return "it looks encrypted, and did not before"
    return None


def _has_become_noise(old: Sample, new: Sample) -> bool:
    pairs = zip(_pieces(new), _pieces(old), strict=False)
    return any(_is_noisy(now) and not _is_noisy(before) for now, before in pairs)


def _pieces(sample: Sample) -> Iterator[bytes]:
    for block in sample.blocks:
        yield from (block[at : at + _PIECE_BYTES] for at in range(0, len(block), _PIECE_BYTES))


def _is_noisy(block: bytes) -> bool:
    if len(block) < _LEAST_BYTES or len(set(block)) < _LEAST_KINDS:  # quickly told of words
        return False
    limit = max(bits for size, bits in _NOISE if size <= len(block))
    return _bits_of(block) >= limit


def _bits_of(block: bytes) -> float:
    """Give Shannon's entropy, in bits a byte."""
    total = len(block)
    return -sum(n / total * math.log2(n / total) for n in Counter(block).values())


def _is_text(sample: Sample) -> bool:
    """Say whether it may be somebody's words, in whichever encoding."""
    head = sample.head
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16
        return not is_noise(sample)
    return all(_is_text_block(block) for block in sample.blocks)


def _is_text_block(block: bytes) -> bool:
    controls = len(block) - len(block.translate(None, _CONTROLS))
    if b"\0" in block or controls * 50 > len(block):
        return False
    begins = next((at for at in range(min(4, len(block))) if block[at] & 0xC0 != 0x80), 0)
    try:
        _Utf8().decode(block[begins:])  # a character may be cut at either end
    except UnicodeDecodeError:
        high = sum(code >= 128 for code in block)
        return not _is_noisy(block) and high * 2 < len(block)
    return True
