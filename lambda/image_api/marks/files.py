"""The places in PNG, JPEG and WebP files for text about the image: written and read without decoding a pixel.

| | PNG | JPEG | WebP |
|---|---|---|---|
| text | `tEXt`, or `iTXt` beyond Latin-1 | Exif `UserComment` in APP1 | Exif `UserComment` in `EXIF` |
| XMP | `iTXt`, keyword `XML:com.adobe.xmp` | APP1 | `XMP ` |
| C2PA manifest | `caBX` | APP11 | `C2PA` |

Sources: W3C PNG specification, 5.3 and 11.3.3; ITU-T T.81 (JPEG), B.1; CIPA DC-008 (Exif 2.32), 4.6.6 (UserComment);
Adobe XMP specification part 3, 1.1.3 and 1.1.5; RFC 9649 (WebP), 2.3 to 2.7; C2PA specification 2.2, A.3.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator

import msgspec

from image_api.images import BrokenHeaderError, UnknownFormatError, read_image_info
from image_api.request import ImageFormat

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The signature and the header chunk, which comes first in every PNG. Text goes behind them.
_PNG_HEAD_BYTES = 33
_PNG_HEADER = b"\x00\x00\x00\x0dIHDR"
_PNG_XMP_KEYWORD = "XML:com.adobe.xmp"
_PNG_CREDENTIALS = b"caBX"
# Where AUTOMATIC1111's web interface keeps settings, which many programs read.
A1111_KEYWORD = "parameters"
# Where the creators' page looks for settings.
SETTINGS_KEYWORD = "sdxl-settings"
_READ_KEYWORDS = frozenset({A1111_KEYWORD, SETTINGS_KEYWORD, _PNG_XMP_KEYWORD})

_JPEG_START = b"\xff\xd8"
_JPEG_APP0, _JPEG_APP1, _JPEG_APP11, _JPEG_SCAN = 0xE0, 0xE1, 0xEB, 0xDA
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_JPEG_EXIF = b"Exif\x00\x00"
# Common identifier of JPEG extensions in boxes (ISO/IEC 19566-5, JUMBF), which C2PA manifests are stored in.
_JPEG_BOXES = b"JP"
# The length of a segment has two bytes, and counts itself.
_JPEG_SEGMENT_BYTES = 0xFFFF - 2

_WEBP_HEAD_BYTES = 12
_WEBP_EXIF, _WEBP_XMP, _WEBP_CREDENTIALS = b"EXIF", b"XMP ", b"C2PA"
_WEBP_HAS_EXIF, _WEBP_HAS_XMP, _WEBP_HAS_ALPHA = 0x08, 0x04, 0x10

_USER_COMMENT_TAG, _EXIF_POINTER_TAG = 0x9286, 0x8769
_UNDEFINED_TYPE, _LONG_TYPE = 7, 4
_UNICODE = b"UNICODE\x00"
# Text is compressed by some programs; a small file must not become all of the memory.
_MAX_TEXT_BYTES = 1_000_000


class DamagedFileError(ValueError):
    """The file begins as an image does, and its structure is broken or cut short."""


class TextTooLongError(ValueError):
    """The text does not fit into the place that the format has for it."""


class FileText(msgspec.Struct, frozen=True, kw_only=True):
    """Text in an image file. `texts` are those of a PNG with settings, by keyword; `comment` is Exif's of the others.

    `credentials_bytes` is the size of the C2PA manifest; 0 where there is none.
    """

    format: ImageFormat
    width: int
    height: int
    texts: dict[str, str]
    comment: str
    xmp: str
    credentials_bytes: int


def write_png_base64(image_base64: str, texts: dict[str, str], xmp: str) -> str:
    """A PNG in base64 with texts by keyword, and XMP, behind its header.

    Raises:
        DamagedFileError: the file does not begin with a PNG's header.
    """
    head = _decoded(image_base64, 0, _PNG_HEAD_BYTES)
    if not head.startswith(_PNG_SIGNATURE + _PNG_HEADER) or len(head) != _PNG_HEAD_BYTES:
        raise DamagedFileError("it does not begin with a PNG's header")
    entries = [*texts.items(), *([(_PNG_XMP_KEYWORD, xmp)] if xmp else [])]
    *others, (last_keyword, last_text) = entries
    first = b"".join(_png_text_chunk(keyword, text) for keyword, text in others)
    added = next(
        chunks
        for spaces in range(3)
        if not len(chunks := first + _png_text_chunk(last_keyword, last_text + " " * spaces)) % 3
    )
    return _inserted(image_base64, _PNG_HEAD_BYTES, added)


def png_base64_has_credentials(image_base64: str) -> bool:
    """Whether a C2PA manifest is in a PNG in base64, before its pixels, where it belongs (C2PA specification, A.3.2).

    Only the heads of chunks are decoded.
    """
    at = _PNG_HEAD_BYTES
    while True:
        head = _decoded(image_base64, at, 8)
        if len(head) < 8 or head[4:] in (b"IDAT", b"IEND"):
            return False
        if head[4:] == _PNG_CREDENTIALS:
            return True
        at += 12 + int.from_bytes(head[:4], "big")


def write_jpeg_base64(image_base64: str, comment: str, xmp: str) -> str:
    """A JPEG in base64 with Exif's UserComment and with XMP; an empty text is not written.

    Raises:
        DamagedFileError: the file does not begin as a JPEG.
        TextTooLongError: a text is longer than 65,533 bytes.
    """
    if not _decoded(image_base64, 0, 3).startswith(_JPEG_START + b"\xff"):
        raise DamagedFileError("it does not begin as a JPEG")
    # A JFIF header comes before everything else (ITU-T T.871, 10.1).
    at = len(_JPEG_START)
    while (head := _decoded(image_base64, at, 4))[:2] == bytes((0xFF, _JPEG_APP0)):
        at += 2 + int.from_bytes(head[2:], "big")
    # One of the two takes a multiple of 3 bytes with up to two characters more.
    added = next(segments for spaces in range(3) if not len(segments := _jpeg_texts(comment, xmp, " " * spaces)) % 3)
    return _inserted(image_base64, at, added)


def _jpeg_texts(comment: str, xmp: str, spaces: str) -> bytes:
    segments = b""
    if comment:
        segments += _jpeg_segment(_JPEG_EXIF + _exif(comment if xmp else comment + spaces))
    if xmp:
        segments += _jpeg_segment(_JPEG_XMP + (xmp + spaces).encode())
    return segments


def write_webp(image: bytes, comment: str, xmp: str) -> bytes:
    """A WebP with Exif's UserComment and with XMP; an empty text is not written.

    Raises:
        DamagedFileError: the file is not a WebP, or is cut short.
    """
    info = read_image_info(image)
    chunks = [(kind, content) for kind, content in _webp_chunks(image) if kind not in (_WEBP_EXIF, _WEBP_XMP)]
    flags = _WEBP_HAS_ALPHA if info.has_alpha else 0
    if chunks and chunks[0][0] == b"VP8X":
        flags = chunks.pop(0)[1][0] & ~(_WEBP_HAS_EXIF | _WEBP_HAS_XMP)
    if comment:
        flags |= _WEBP_HAS_EXIF
        chunks.append((_WEBP_EXIF, _exif(comment)))
    if xmp:
        flags |= _WEBP_HAS_XMP
        chunks.append((_WEBP_XMP, xmp.encode()))
    size = (info.width - 1).to_bytes(3, "little") + (info.height - 1).to_bytes(3, "little")
    chunks.insert(0, (b"VP8X", bytes((flags, 0, 0, 0)) + size))
    body = b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2) for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def read_file_text(image: bytes) -> FileText:
    """The text in an image file.

    Raises:
        UnknownFormatError: it is not a PNG, JPEG or WebP.
        DamagedFileError: its structure is broken or cut short.
    """
    try:
        info = read_image_info(image)
        readers = {"PNG": _read_png, "JPEG": _read_jpeg, "WebP": _read_webp}
        texts, comment, xmp, credentials_bytes = readers[info.format](image)
    except UnknownFormatError:
        raise
    except (BrokenHeaderError, IndexError, struct.error, zlib.error) as exc:
        raise DamagedFileError("its structure is broken") from exc
    return FileText(
        format=info.format,
        width=info.width,
        height=info.height,
        texts=texts,
        comment=comment,
        xmp=xmp,
        credentials_bytes=credentials_bytes,
    )


_Read = tuple[dict[str, str], str, str, int]


def _read_png(image: bytes) -> _Read:
    texts: dict[str, str] = {}
    credentials_bytes, at, kind = 0, len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", image, at)
        content = image[at + 8 : at + 8 + length] if kind in (b"tEXt", b"zTXt", b"iTXt") else b""
        if at + 12 + length > len(image):
            raise DamagedFileError("it is cut short")
        if kind == _PNG_CREDENTIALS:
            credentials_bytes += length
        elif content:
            name, _, rest = content.partition(b"\x00")
            keyword = name.decode("latin-1")
            # The first of several counts. Others are not even inflated.
            if keyword in _READ_KEYWORDS and keyword not in texts:
                texts[keyword] = _png_text(kind, rest)
        at += 12 + length
    xmp = texts.pop(_PNG_XMP_KEYWORD, "")
    return texts, "", xmp, credentials_bytes


def _png_text(kind: bytes, rest: bytes) -> str:
    if kind == b"tEXt":
        return rest.decode("latin-1")
    if kind == b"zTXt":
        return _inflated(rest[1:]).decode("latin-1")
    is_compressed = rest[:1] == b"\x01"
    _language, _, rest = rest[2:].partition(b"\x00")
    _keyword, _, text = rest.partition(b"\x00")
    return (_inflated(text) if is_compressed else text).decode(errors="replace")


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(content, _MAX_TEXT_BYTES)
    if inflater.unconsumed_tail:
        raise DamagedFileError(f"a text in it has more than {_MAX_TEXT_BYTES} bytes")
    return text


def _read_jpeg(image: bytes) -> _Read:
    comment, xmp, credentials_bytes = "", "", 0
    for marker, content in _jpeg_segments(image):
        if marker == _JPEG_APP1 and content.startswith(_JPEG_EXIF):
            comment = comment or _user_comment(content[len(_JPEG_EXIF) :])
        elif marker == _JPEG_APP1 and content.startswith(_JPEG_XMP):
            xmp = xmp or content[len(_JPEG_XMP) :].decode(errors="replace")
        elif marker == _JPEG_APP11 and content.startswith(_JPEG_BOXES):
            credentials_bytes += len(content)
    # Cameras write more behind the end of the pixels.
    if image.rfind(b"\xff\xd9") < 0:
        raise DamagedFileError("it is cut short")
    return {}, comment, xmp, credentials_bytes


def _jpeg_segments(image: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments before the pixels."""
    at = len(_JPEG_START)
    while True:
        if image[at] != 0xFF:
            raise DamagedFileError("a segment does not begin where it should")
        while image[at] == 0xFF:
            at += 1
        marker, length = image[at], int.from_bytes(image[at + 1 : at + 3], "big")
        if marker == _JPEG_SCAN:
            return
        if length < 2 or at + 1 + length > len(image):
            raise DamagedFileError("it is cut short")
        yield marker, image[at + 3 : at + 1 + length]
        at += 1 + length


def _read_webp(image: bytes) -> _Read:
    comment, xmp, credentials_bytes = "", "", 0
    for kind, content in _webp_chunks(image):
        if kind == _WEBP_EXIF:
            comment = comment or _user_comment(content.removeprefix(_JPEG_EXIF))
        elif kind == _WEBP_XMP:
            xmp = xmp or content.decode(errors="replace")
        elif kind == _WEBP_CREDENTIALS:
            credentials_bytes += len(content)
    return {}, comment, xmp, credentials_bytes


def _webp_chunks(image: bytes) -> Iterator[tuple[bytes, bytes]]:
    if image[:4] != b"RIFF" or image[8:_WEBP_HEAD_BYTES] != b"WEBP":
        raise DamagedFileError("it is not a WebP")
    end = 8 + int.from_bytes(image[4:8], "little")
    if end > len(image):
        raise DamagedFileError("it is cut short")
    at = _WEBP_HEAD_BYTES
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", image, at)
        if at + 8 + length > end:
            raise DamagedFileError("it is cut short")
        yield kind, image[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _inserted(image_base64: str, at: int, added: bytes) -> str:
    """A file in base64 with `added`, of a multiple of 3 bytes, at a position.

    All characters behind it stay as they are: an image of 4 MB is neither decoded nor encoded.
    """
    start, end = at // 3 * 4, -(-at // 3) * 4
    between = base64.b64decode(image_base64[start:end])
    head = base64.b64encode(between[: at % 3] + added + between[at % 3 :]).decode()
    # Copied once: a slice of what is behind it would be another copy. The beginning is found at the beginning.
    return image_base64.replace(image_base64[:end], image_base64[:start] + head, 1)


def _decoded(image_base64: str, at: int, length: int) -> bytes:
    """Some bytes of a file in base64."""
    start = at // 3 * 4
    return base64.b64decode(image_base64[start : -(-(at + length) // 3) * 4])[at % 3 : at % 3 + length]


def _png_text_chunk(keyword: str, text: str) -> bytes:
    # `tEXt` only where programs look for it. The others are read from `iTXt`, whose text is UTF-8.
    if keyword == A1111_KEYWORD and all(character < "\u0100" for character in text):
        return _png_chunk(b"tEXt", keyword.encode("latin-1") + b"\x00" + text.encode("latin-1"))
    # Not compressed, no language, no translated keyword.
    return _png_chunk(b"iTXt", keyword.encode("latin-1") + b"\x00\x00\x00\x00\x00" + text.encode())


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _jpeg_segment(content: bytes) -> bytes:
    if len(content) > _JPEG_SEGMENT_BYTES:
        raise TextTooLongError(f"{len(content)} bytes, allowed are {_JPEG_SEGMENT_BYTES}")
    return bytes((0xFF, _JPEG_APP1)) + struct.pack(">H", len(content) + 2) + content


def _exif(comment: str) -> bytes:
    """Exif data with a UserComment alone: a TIFF header, and a directory that leads to the one with the comment."""
    # UTF-16 in the order of the header's bytes: this is how the programs that read settings decode it.
    value = _UNICODE + comment.encode("utf-16-be", errors="replace")
    header = b"MM\x00\x2a" + struct.pack(">I", 8)
    first = struct.pack(">HHHIII", 1, _EXIF_POINTER_TAG, _LONG_TYPE, 1, 26, 0)
    second = struct.pack(">HHHIII", 1, _USER_COMMENT_TAG, _UNDEFINED_TYPE, len(value), 44, 0)
    return header + first + second + value


def _user_comment(exif: bytes) -> str:
    """Exif's UserComment; empty where there is none, or none that can be read."""
    order = {b"MM": ">", b"II": "<"}.get(exif[:2], "")
    if not order or len(exif) < 8:
        return ""
    (at,) = struct.unpack_from(f"{order}I", exif, 4)
    pointer = next((value for tag, _, _, value in _directory(exif, order, at) if tag == _EXIF_POINTER_TAG), None)
    if pointer is None:
        return ""
    for tag, _, count, value in _directory(exif, order, pointer):
        if tag == _USER_COMMENT_TAG:
            content = exif[value : value + count]
            code, text = content[:8], content[8:]
            if code == _UNICODE:
                return text.decode("utf-16-be" if order == ">" else "utf-16-le", errors="replace")
            return text.decode(errors="replace")
    return ""


def _directory(exif: bytes, order: str, at: int) -> Iterator[tuple[int, int, int, int]]:
    """The entries of a TIFF directory: tag, type, count and value, or where the value is."""
    if at + 2 > len(exif):
        return
    (entries,) = struct.unpack_from(f"{order}H", exif, at)
    for number in range(entries):
        start = at + 2 + 12 * number
        if start + 12 > len(exif):
            return
        yield struct.unpack_from(f"{order}HHII", exif, start)
