"""Bodies in multipart/form-data (RFC 7578), as the image-to-image routes of both conventions take them.

`read_form` splits a body into its fields; `typed_fields` gives them the names and types that a JSON body has, so that
both are read alike from there. An image is copied once, out of the body.

A field that is sent empty counts as left out: a form has no other way to say nothing, and browsers send every blank
input and every file input without a file (HTML, "Constructing the entry list").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from image_api.dialects.http import FORM, HttpRequest
from image_api.errors import InvalidRequestError, RequestTooLargeError, UnsupportedMediaTypeError
from image_api.explain import shown
from image_api.json_schema import schema_of
from image_api.request import MAX_LONG_PROMPT_CHARACTERS

# Ten prompts of two fields each, and every other field once.
MAX_PARTS = 64
# Four bytes for each character that the longest text may have.
MAX_TEXT_BYTES = 4 * MAX_LONG_PROMPT_CHARACTERS
MAX_PART_HEADERS = 8
MAX_HEADER_BYTES = 1_024
MAX_BOUNDARY_CHARACTERS = 70

# Images even where their part does not say so: some clients send them without a file name and a media type, as the
# example in Go of Stability AI's documentation does.
_IMAGE_FIELD = re.compile(r"init_image|mask_image|mask|image(\[\d{0,3}\])?")

FormPart = tuple[str, str | bytes]

_NAME = re.compile(r"([a-z_]{1,64})((?:\[[a-z0-9_]{1,64}\])*)")
_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?")
_MAX_DEPTH = 3
_BLANK = ""


def is_form(http: HttpRequest) -> bool:
    """Whether the body claims to be a form."""
    return http.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


def read_form(http: HttpRequest) -> list[FormPart]:
    """The fields of a form in their order, under the names they were sent with: files as bytes, all others as text.

    Raises:
        UnsupportedMediaTypeError: the header names no boundary.
        InvalidRequestError: the body is not a form, or a field is not UTF-8 or has no name.
        RequestTooLargeError: it has more or larger fields than any request needs.
    """
    # Few requests are forms, and a cold start should not wait for it.
    import multipart  # type: ignore[import-untyped] # noqa: PLC0415

    parts: list[FormPart] = []
    try:
        with multipart.PushMultipartParser(
            _boundary(http),
            max_header_size=MAX_HEADER_BYTES,
            max_header_count=MAX_PART_HEADERS,
            max_segment_count=MAX_PARTS,
            strict=True,
        ) as parser:
            part: Any = None
            content: bytes = b""
            # The whole body as one chunk: each part then comes out as one piece.
            for event in parser.parse(http.body):
                if event is None:
                    parts += _read_part(part, content)
                elif isinstance(event, multipart.MultipartSegment):
                    part, content = event, b""
                else:
                    content = bytes(event)
    except multipart.ParserLimitReached as exc:
        raise RequestTooLargeError(
            f"The form cannot be read: {exc}. Allowed are {MAX_PARTS} parts, each with {MAX_PART_HEADERS} headers of "
            f"{MAX_HEADER_BYTES} bytes. Send less."
        ) from exc
    except multipart.MultipartError as exc:
        raise InvalidRequestError(
            f"The body is not {FORM}: {exc}. Let your HTTP library write the form and its Content-Type header."
        ) from exc
    return parts


def each_once(parts: Iterable[FormPart]) -> dict[str, str | bytes]:
    """The fields by their names.

    Raises:
        InvalidRequestError: one comes twice.
    """
    fields: dict[str, str | bytes] = {}
    for name, value in parts:
        if name in fields:
            raise InvalidRequestError(f"The form holds the field {shown(name)} twice. Send it once.", field=name)
        fields[name] = value
    return fields


def typed_fields(form: Mapping[str, str | bytes], body: type[msgspec.Struct]) -> dict[str, object]:
    """A form's fields as a JSON body of this type has them.

    `text_prompts[0][text]` becomes a text in a list of objects, and `"30"` the number 30 where the schema wants one. A
    text that is not a number stays a text, and is then refused in the words that a JSON body would get.

    Raises:
        InvalidRequestError: a name in brackets does not fit the others.
    """
    tree: dict[str, Any] = {}
    for name, value in form.items():
        _place(tree, name, value)
    properties = schema_of(body)["properties"]
    typed = {name: _typed(value, properties.get(name, {}), name) for name, value in tree.items()}
    return {name: value for name, value in typed.items() if value not in (_BLANK, [])}


def _boundary(http: HttpRequest) -> str:
    import multipart  # noqa: PLC0415

    content_type = http.headers.get("content-type", "")
    media_type, options = multipart.parse_options_header(content_type)
    boundary = str(options.get("boundary", ""))
    if media_type != FORM or not 1 <= len(boundary) <= MAX_BOUNDARY_CHARACTERS or not boundary.isascii():
        raise UnsupportedMediaTypeError(
            f"Content-Type is {content_type[:100]!r}, allowed is {FORM} with a boundary of 1 to "
            f"{MAX_BOUNDARY_CHARACTERS} characters. Let your HTTP library write this header."
        )
    return boundary


def _read_part(part: Any, content: bytes) -> Iterator[FormPart]:
    """The field of a part; nothing where it is blank."""
    name = str(part.name or "")
    if not name:
        raise InvalidRequestError("A part of the form has no name. Name every field.")
    # A blank one in brackets is an item of a list, whose others keep their places.
    if not content and "[" not in name:
        return
    kind = str(part.content_type or "text/plain").partition(";")[0].strip().lower()
    is_image = bool(_IMAGE_FIELD.fullmatch(name)) or not kind.startswith("text/")
    is_file = bool(content) and (part.filename is not None or (is_image and not _is_utf8(content)))
    yield name, content if is_file else _text(name, content)


def _is_utf8(content: bytes) -> bool:
    """Whether this is text. The first bytes of an image show that it is not: an image is not read to its end."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(name: str, content: bytes) -> str:
    if len(content) > MAX_TEXT_BYTES:
        raise RequestTooLargeError(
            f"The form's field {shown(name)} has {len(content)} bytes; allowed are {MAX_TEXT_BYTES} for a field that "
            "is no file. Shorten it, or send an image as a file."
        )
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        raise InvalidRequestError(
            f"The form's field {shown(name)} is not UTF-8: {exc.reason} at byte {exc.start}. "
            "Encode it so, or send an image as a file.",
            field=name,
        ) from exc


def _place(tree: dict[str, Any], name: str, value: str | bytes) -> None:
    """Put `value` where a name such as `text_prompts[0][text]` says."""
    match = _NAME.fullmatch(name)
    keys = [match[1], *match[2][1:-1].split("][")] if match and match[2] else [name]
    if len(keys) > _MAX_DEPTH:
        raise InvalidRequestError(f"The form's field {shown(name)} is nested too deeply. {_EXAMPLE}")
    node = tree
    for key in keys[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise InvalidRequestError(f"The form's field {shown(name)} contradicts another of its fields. {_EXAMPLE}")
    if keys[-1] in node:
        raise InvalidRequestError(f"The form's field {shown(name)} contradicts another of its fields. {_EXAMPLE}")
    node[keys[-1]] = value


_EXAMPLE = "Write lists as in text_prompts[0][text], counting from 0."


def _typed(value: Any, schema: Mapping[str, Any], where: str) -> object:
    if isinstance(value, dict) and schema.get("type") == "array":
        wanted = [str(index) for index in range(len(value))]
        if sorted(value) != sorted(wanted):
            raise InvalidRequestError(
                f"The form's {where} has the indexes {', '.join(map(shown, sorted(value)))}; allowed are those from 0 "
                f"to {len(value) - 1}, each once. {_EXAMPLE}",
                name="invalid_prompts" if where == "text_prompts" else None,
            )
        items = [_typed(value[index], schema["items"], f"{where}[{index}]") for index in wanted]
        return [item for item in items if item != _BLANK]
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        # Without what it cannot do without, all of it is blank: a weight is filled in before its text.
        if any(value.get(name) == _BLANK for name in schema.get("required", ())):
            return _BLANK
        return {
            name: _typed(item, properties.get(name, {}), f"{where}[{name}]")
            for name, item in value.items()
            if item != _BLANK
        }
    return _scalar(value, schema.get("type", "string")) if isinstance(value, str) else value


def _scalar(text: str, types: str | list[str]) -> object:
    if ("integer" in types or "number" in types) and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in types and _NUMBER.fullmatch(text):
        return float(text)
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    return text
