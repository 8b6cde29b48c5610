"""Forms: what real clients write is read, whatever else is refused, and values get the types that JSON has."""

from __future__ import annotations

import pytest
from image_api.bodies import ImageToImageBody, MaskingBody
from image_api.dialects.http import HttpRequest
from image_api.dialects.multipart_form import MAX_PARTS, MAX_TEXT_BYTES, each_once, is_form, read_form, typed_fields
from image_api.errors import ImageApiError, InvalidRequestError
from image_api_forms import form, part, raw_form

PROMPT = {"text_prompts[0][text]": "a puppy"}


def test_texts_and_files_are_told_apart() -> None:
    http = form({"text_prompts[0][text]": "ein Hündchen 🐶", "steps": "30"}, {"init_image": b"\x89PNG\r\n--b\r\n"})

    assert is_form(http)
    assert read_form(http) == [
        ("text_prompts[0][text]", "ein Hündchen 🐶"),
        ("steps", "30"),
        ("init_image", b"\x89PNG\r\n--b\r\n"),
    ]


def test_file_without_a_name_is_one_by_its_type() -> None:
    http = raw_form(part("init_image", b"\xff\xd8", headers=["Content-Type: application/octet-stream"]))

    assert read_form(http) == [("init_image", b"\xff\xd8")]


@pytest.mark.parametrize("name", ["init_image", "mask_image", "image", "image[]", "image[0]", "mask"])
def test_image_without_a_file_name_and_a_type_is_a_file(name: str) -> None:
    assert read_form(raw_form(part(name, b"\x89PNG"))) == [(name, b"\x89PNG")]


def test_blank_fields_and_empty_files_are_left_out() -> None:
    blank = [part("a", b""), part("mask", b"", parameters='; filename=""'), part("b", b"", parameters='; filename="x"')]

    assert read_form(raw_form(*blank, part("c", b"1"))) == [("c", "1")]


def test_blank_field_in_a_list_keeps_the_others_in_their_places() -> None:
    form = {
        "text_prompts[0][text]": "a puppy",
        "text_prompts[0][weight]": "",
        "text_prompts[1][text]": "",
        "text_prompts[1][weight]": "-1",
        "text_prompts[2][text]": "people",
        "text_prompts[2][weight]": "-1",
        "extras[use_refiner]": "",
    }

    assert typed_fields(form, ImageToImageBody) == {
        "text_prompts": [{"text": "a puppy"}, {"text": "people", "weight": -1}],
        "extras": {},
    }


def test_prompts_and_extras_are_nested_and_numbers_are_numbers() -> None:
    fields = {
        "text_prompts[1][text]": "blurry",
        "text_prompts[1][weight]": "-0.5",
        **PROMPT,
        "text_prompts[0][weight]": "1",
        "cfg_scale": "7",
        "image_strength": "0.35",
        "steps": "+30",
        "seed": "0",
        "sampler": "K_EULER",
        "extras[use_refiner]": "false",
        "init_image": b"image",
    }

    assert typed_fields(fields, ImageToImageBody) == {
        "text_prompts": [{"text": "a puppy", "weight": 1}, {"text": "blurry", "weight": -0.5}],
        "cfg_scale": 7,
        "image_strength": 0.35,
        "steps": 30,
        "seed": 0,
        "sampler": "K_EULER",
        "extras": {"use_refiner": False},
        "init_image": b"image",
    }


@pytest.mark.parametrize(
    "text", [" 7", "7 ", "seven", "0x7", "7.5", "1_000", "\u0667", "NaN", "inf", "1e2", "9" * 5000, "true"]
)
def test_what_is_no_integer_stays_a_text(text: str) -> None:
    assert typed_fields({"steps": text}, ImageToImageBody) == {"steps": text}


def test_text_that_looks_like_a_number_stays_a_text() -> None:
    assert typed_fields({"text_prompts[0][text]": "1984"}, MaskingBody) == {"text_prompts": [{"text": "1984"}]}


def test_unknown_fields_are_left_for_the_check() -> None:
    assert typed_fields({"foo": "1", "[x]": "2", "a[b": "3"}, MaskingBody) == {"foo": "1", "[x]": "2", "a[b": "3"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text_prompts[1][text]": "a"}, 'indexes "1"; allowed are those from 0 to 0'),
        ({"text_prompts[00][text]": "a"}, 'indexes "00"'),
        ({"text_prompts[0][text]": "a", "text_prompts[2][text]": "b"}, 'indexes "0", "2"'),
        ({"text_prompts[a][text]": "a"}, 'indexes "a"'),
        ({"text_prompts": "a", "text_prompts[0][text]": "b"}, "contradicts another"),
        ({"text_prompts[0][text]": "a", "text_prompts": "b"}, "contradicts another"),
        ({"text_prompts[0]": "a", "text_prompts[0][text]": "b"}, "contradicts another"),
        ({"extras[a][b][c]": "1"}, "nested too deeply"),
    ],
)
def test_names_that_do_not_fit_are_refused(fields: dict[str, str], words: str) -> None:
    with pytest.raises(ImageApiError, match="counting from 0") as caught:
        typed_fields(fields, ImageToImageBody)

    assert words in caught.value.message
    assert caught.value.status == 400


_TEXT = part("a")


@pytest.mark.parametrize(
    ("http", "status", "words"),
    [
        (raw_form(part("")), 400, "has no name"),
        (raw_form(b"Content-Disposition: form-data\r\n\r\n1"), 400, "not multipart/form-data"),
        (raw_form(b"Content-Type: text/plain\r\n\r\n1"), 400, "not multipart/form-data"),
        (raw_form(part("a", b"\xff\xfe")), 400, 'field "a" is not UTF-8'),
        (raw_form(part("a", b"\xff", headers=["Content-Type: text/plain"])), 400, "is not UTF-8"),
        (raw_form(_TEXT, end=b""), 400, "not multipart/form-data"),
        (raw_form(_TEXT, end=b"--b\r\n"), 400, "not multipart/form-data"),
        (raw_form(part("a") + b"\r\n--bX"), 400, "not multipart/form-data"),
        (raw_form(end=b""), 400, "not multipart/form-data"),
        (raw_form(end=b"a puppy"), 400, "not multipart/form-data"),
        (raw_form(end=b'{"text_prompts":[]}'), 400, "not multipart/form-data"),
        (raw_form(part("a", b"x" * (MAX_TEXT_BYTES + 1))), 413, f"allowed are {MAX_TEXT_BYTES}"),
        (raw_form(*(part(f"f{n}") for n in range(MAX_PARTS + 1))), 413, f"{MAX_PARTS} parts"),
        (raw_form(part("a", headers=[f"X-H{n}: 1" for n in range(9)])), 413, "8 headers"),
        (raw_form(part("a", headers=["X-Long: " + "x" * 2000])), 413, "1024 bytes"),
        (HttpRequest(headers={"content-type": "multipart/form-data"}, body=b""), 415, "boundary"),
        (HttpRequest(headers={"content-type": f"multipart/form-data; boundary={'b' * 71}"}, body=b""), 415, "1 to 70"),
        (HttpRequest(headers={"content-type": "multipart/form-data; boundary=ü"}, body=b""), 415, "boundary"),
        (HttpRequest(headers={"content-type": "multipart/mixed; boundary=b"}, body=b""), 415, "multipart/mixed"),
        (HttpRequest(headers={}, body=b""), 415, "Content-Type is ''"),
    ],
)
def test_what_is_no_form_is_refused(http: HttpRequest, status: int, words: str) -> None:
    with pytest.raises(ImageApiError) as caught:
        read_form(http)

    assert caught.value.status == status
    assert words in caught.value.message
    assert len(caught.value.message) < 500


def test_field_that_comes_twice_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match='field "a" twice') as caught:
        each_once(read_form(raw_form(_TEXT, _TEXT)))

    assert caught.value.problems[0].field == "a"


def test_large_file_is_copied_once() -> None:
    image = bytes(4_000_000)
    http = raw_form(part("init_image", image, parameters='; filename="a.png"'))

    import tracemalloc  # noqa: PLC0415

    read_form(http)
    tracemalloc.start()
    fields = read_form(http)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert fields == [("init_image", image)]
    assert peak < 1.1 * len(image)
