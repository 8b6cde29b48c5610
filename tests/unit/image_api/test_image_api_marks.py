"""Marks in every image that is answered or stored: settings and declaration, read with Pillow as a second reader."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from image_api.marks.files import (
    DamagedFileError,
    TextTooLongError,
    png_base64_has_credentials,
    read_file_text,
    write_jpeg_base64,
    write_png_base64,
    write_webp,
)
from image_api.marks.statements import (
    ImageSettings,
    a1111_parameters,
    declared_source_type,
    read_settings,
    settings_in_xmp,
    settings_json,
    xmp_packet,
)
from image_api.settings import SettingsError, load_settings
from image_api_fakes import ENGINE_PATH, ApplicationUnderTest, FakeRuntime, open_answer, optimized_answer, png_base64
from image_api_forms import form, post_http
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ALL = ("parameters", "declaration")
MakeApi = Callable[..., ApplicationUnderTest]


def drawn_png(side: int = 128, colour: int = 0) -> bytes:
    image = Image.linear_gradient("L").resize((side, side)).convert("RGB")
    image.putpixel((0, 0), (colour, 2, 3))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def encoded(format_name: str, image: bytes | None = None) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(image or drawn_png())).save(buffer, format_name)
    return buffer.getvalue()


def write_jpeg(image: bytes, comment: str, xmp: str) -> bytes:
    return base64.b64decode(write_jpeg_base64(base64.b64encode(image).decode(), comment, xmp), validate=True)


def pixels(file: bytes) -> bytes:
    return Image.open(io.BytesIO(file)).convert("RGBA").tobytes()


def texts_of(file: bytes) -> dict[str, Any]:
    """What Pillow finds: the texts, XMP and Exif's comment."""
    image = Image.open(io.BytesIO(file))
    image.load()
    comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return {
        **{name: value for name, value in getattr(image, "text", {}).items() if name != "XML:com.adobe.xmp"},
        "xmp": xmp if isinstance(xmp, str) else xmp.decode(),
        **({"comment": comment.removeprefix(b"UNICODE\0").decode("utf-16-be")} if comment else {}),
    }


@pytest.fixture
def draws(runtime: FakeRuntime) -> FakeRuntime:
    """An optimized model whose images can be decoded."""

    def answer(payload: dict[str, Any]) -> bytes:
        seed = int(payload.get("seed", 1))
        image = base64.b64encode(drawn_png(colour=seed % 256)).decode()
        return optimized_answer(image, seed) if "samples" in payload else open_answer(image)

    runtime.answer = answer
    return runtime


TEXTS = {"parameters": "a fox\nSteps: 30", "sdxl-settings": '{"prompt":"ein Fuchs — 狐"}'}


@pytest.mark.parametrize("prompt", ["a fox", "ein Fuchs — 狐 🦊", "x" * 31_999], ids=["latin", "beyond", "long"])
def test_a_png_keeps_its_pixels_and_has_texts_that_another_program_reads(prompt: str) -> None:
    image = drawn_png()
    texts = {"parameters": prompt, "sdxl-settings": json.dumps({"prompt": prompt})}

    written = base64.b64decode(write_png_base64(base64.b64encode(image).decode(), texts, xmp_packet(is_declared=True)))

    assert pixels(written) == pixels(image)
    seen = texts_of(written)
    assert seen["parameters"] == prompt
    assert json.loads(seen["sdxl-settings"]) == {"prompt": prompt}
    assert SOURCE_TYPE in seen["xmp"]
    # Chunks are added, and every other byte is as it was.
    assert written[:33] == image[:33]
    assert written.endswith(image[33:])


@pytest.mark.parametrize("length", range(6))
def test_the_base64_of_the_pixels_is_not_touched_whatever_the_text_takes(length: int) -> None:
    image = base64.b64encode(drawn_png()).decode()

    written = write_png_base64(image, {"parameters": "x" * length}, "")

    assert written.startswith(image[:44])
    assert written.endswith(image[44:])
    assert texts_of(base64.b64decode(written, validate=True))["parameters"].rstrip(" ") == "x" * length


@pytest.mark.parametrize(("format_name", "write"), [("JPEG", write_jpeg), ("WEBP", write_webp)])
def test_jpeg_and_webp_keep_their_pixels_and_have_text_that_another_program_reads(
    format_name: str, write: Callable[[bytes, str, str], bytes]
) -> None:
    image = encoded(format_name)

    written = write(image, "ein Fuchs — 狐 🦊\nSteps: 30", xmp_packet(is_declared=True, settings='{"prompt":"<&\\">"}'))

    assert pixels(written) == pixels(image)
    seen = texts_of(written)
    assert seen["comment"] == "ein Fuchs — 狐 🦊\nSteps: 30"
    assert SOURCE_TYPE in seen["xmp"]
    assert settings_in_xmp(seen["xmp"]) == '{"prompt":"<&\\">"}'
    found = read_file_text(written)
    assert (found.comment, found.xmp) == (seen["comment"], seen["xmp"])


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 40}, {"quality": 40, "exif": b"Exif\0\0MM\0*"}])
def test_every_kind_of_webp_can_be_marked(mode: str, options: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    image = Image.open(io.BytesIO(drawn_png())).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(buffer, "WEBP", **options)

    written = write_webp(buffer.getvalue(), "a fox", xmp_packet(is_declared=True))

    assert pixels(written) == pixels(buffer.getvalue())
    assert texts_of(written)["comment"] == "a fox"
    assert Image.open(io.BytesIO(written)).mode == mode


@pytest.mark.parametrize("length", range(1, 7))
@pytest.mark.parametrize("xmp", ["", xmp_packet(is_declared=True)])
def test_the_base64_behind_a_jpegs_text_is_not_touched_whatever_the_text_takes(length: int, xmp: str) -> None:
    image = encoded("JPEG")

    written = write_jpeg(image, "x" * length, xmp)

    assert texts_of(written)["comment"].rstrip(" ") == "x" * length
    assert written.endswith(image[20:])
    assert written[:20] == image[:20]
    assert pixels(written) == pixels(image)


def test_text_that_a_jpeg_cannot_hold_is_refused() -> None:
    with pytest.raises(TextTooLongError):
        write_jpeg(encoded("JPEG"), "x" * 33_000, "")


@pytest.mark.parametrize("compressed", [True, False])
def test_text_of_other_programs_is_read(compressed: bool) -> None:
    info = PngInfo()
    info.add_text("parameters", "a fox", zip=compressed)
    info.add_itxt("XML:com.adobe.xmp", f"<x DigitalSourceType='{SOURCE_TYPE}'/>", zip=compressed)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)

    found = read_file_text(buffer.getvalue())

    assert found.texts == {"parameters": "a fox"}
    assert declared_source_type(found.xmp) == "trainedAlgorithmicMedia"


def test_a_small_text_that_inflates_to_much_is_refused() -> None:
    info = PngInfo()
    info.add_text("parameters", "x" * 2_000_000, zip=True)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)

    with pytest.raises(DamagedFileError, match="more than"):
        read_file_text(buffer.getvalue())


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP"])
def test_a_file_that_is_cut_short_is_damaged(format_name: str) -> None:
    image = encoded(format_name)

    with pytest.raises(DamagedFileError):
        read_file_text(image[: len(image) * 2 // 3])


def a1111_read(text: str) -> dict[str, str]:
    """The last line as AUTOMATIC1111's web interface splits it."""
    return dict(re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', text.rsplit("\n", 1)[-1]))


def test_settings_are_worded_as_the_common_programs_read_them() -> None:
    settings = ImageSettings(
        prompt="a fox, snow",
        negative_prompt="people",
        width=1344,
        height=768,
        seed=7,
        steps=30,
        cfg_scale=7.0,
        sampler="K_EULER_ANCESTRAL",
        style_preset="our, style",
        image_strength=0.35,
        model="stable-diffusion-xl-1024-v1-0",
    )

    text = a1111_parameters(settings)

    assert text.split("\n")[:2] == ["a fox, snow", "Negative prompt: people"]
    assert a1111_read(text) == {
        "Steps": "30",
        "Sampler": "Euler a",
        "CFG scale": "7",
        "Seed": "7",
        "Size": "1344x768",
        "Model": "stable-diffusion-xl-1024-v1-0",
        "Style": '"our, style"',
        "Denoising strength": "0.65",
        "Version": "sdxl-on-aws",
    }
    assert read_settings(settings_json(settings) + "  ") == settings


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"prompt": 1}', "\ud800", "[" * 100_000])
def test_what_is_not_settings_is_none(text: str) -> None:
    assert read_settings(text) is None


@pytest.mark.parametrize(
    ("xmp", "expected"),
    [
        ("", None),
        ("<x/>", None),
        (f'<rdf:Description Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/>', "trainedAlgorithmicMedia"),
        (f"<e:DigitalSourceType>{SOURCE_TYPE}</e:DigitalSourceType>", "trainedAlgorithmicMedia"),
        ('<a e:DigitalSourceType="something else"/>', "something"),
    ],
)
def test_declarations_of_any_program_are_read(xmp: str, expected: str | None) -> None:
    assert declared_source_type(xmp) == expected


def images_of_json(reply: Any) -> list[bytes]:
    body = reply.json
    entries = body.get("artifacts") or body.get("data")
    return [base64.b64decode(entry.get("base64") or entry["b64_json"]) for entry in entries]


def edited(api: ApplicationUnderTest, path: str, **fields: str) -> Any:
    """An image from an image, by a form of the OpenAI convention."""
    return post_http(api, path, form(fields, {"image": drawn_png(512)}))


def answers(api: ApplicationUnderTest) -> Iterator[tuple[str, list[bytes]]]:
    """Every route and format in which images are answered."""
    yield "stability JSON", images_of_json(api.generate(seed=7, samples=2))
    yield "stability PNG", [api.generate("image/png", seed=7).bytes]
    init = base64.b64encode(drawn_png(512)).decode()
    for operation, more in (
        ("image-to-image", {}),
        ("image-to-image/masking", {"mask_source": "MASK_IMAGE_WHITE", "mask_image": init}),
    ):
        body = {"text_prompts": [{"text": "a puppy"}], "seed": 7, "init_image": init, **more}
        path = ENGINE_PATH.replace("text-to-image", operation)
        yield operation, images_of_json(api.post(json.dumps(body), path=path))
    for output_format in ("png", "jpeg", "webp"):
        body = {"prompt": "a puppy", "seed": 7, "response_format": "b64_json", "output_format": output_format}
        yield output_format, images_of_json(api.post(json.dumps(body), path="/v1/images/generations"))
    yield "edits", images_of_json(edited(api, "/v1/images/edits", prompt="a puppy", seed="7"))
    yield "variations", images_of_json(edited(api, "/v1/images/variations", seed="7", response_format="b64_json"))


@pytest.mark.parametrize("source", ["optimized", "open"])
def test_every_route_and_format_answers_with_marked_images(make_api: MakeApi, draws: FakeRuntime, source: str) -> None:
    api = make_api(metadata=ALL, model_source=source)

    for what, images in answers(api):
        assert images, what
        for index, image in enumerate(images):
            seen = texts_of(image)
            assert SOURCE_TYPE in seen["xmp"], what
            words = seen.get("parameters") or seen["comment"]
            assert a1111_read(words)["Seed"] == str(7 + index), what
            kept = read_settings(seen.get("sdxl-settings") or settings_in_xmp(seen["xmp"]))
            assert kept is not None, what
            assert kept.seed == 7 + index
            assert kept.prompt == ("high quality, detailed" if what == "variations" else "a puppy")


def test_stored_images_and_links_are_marked(make_api: MakeApi, draws: FakeRuntime) -> None:
    api = make_api(metadata=ALL)
    body = {"prompt": "a puppy", "seed": 7, "response_format": "url", "output_format": "jpeg"}

    reply = api.post(json.dumps(body), path="/v1/images/generations")

    assert reply.status == 200
    ((stored, media_type),) = api.s3.objects.values()
    assert media_type == "image/jpeg"
    assert SOURCE_TYPE in texts_of(stored)["xmp"]


def test_what_is_kept_under_an_idempotency_key_is_marked_and_answered_as_it_was(
    make_api: MakeApi, draws: FakeRuntime
) -> None:
    api = make_api(metadata=ALL)
    headers = {"Content-Type": "application/json", "Idempotency-Key": "one"}
    body = json.dumps({"text_prompts": [{"text": "a puppy"}], "seed": 7})

    first, second = (images_of_json(api.post(body, headers=headers)) for _ in range(2))

    ((stored, _),) = api.s3.objects.values()
    assert [stored] == first == second
    assert texts_of(stored)["xmp"].count(SOURCE_TYPE) == 1
    assert len(draws.calls) == 1


def test_a_style_is_named_and_its_words_stay_the_deployments(make_api: MakeApi, draws: FakeRuntime) -> None:
    api = make_api(metadata=ALL, model_source="open")

    (image,) = images_of_json(
        api.generate(style_preset="anime", text_prompts=[{"text": "fox"}, {"text": "dog", "weight": -1}])
    )

    kept = read_settings(texts_of(image)["sdxl-settings"])
    assert kept is not None
    assert (kept.prompt, kept.negative_prompt, kept.style_preset) == ("fox", "dog", "anime")


def test_the_settings_make_the_same_request_again(make_api: MakeApi, draws: FakeRuntime) -> None:
    api = make_api(metadata=ALL)
    (image,) = images_of_json(api.generate(steps=31, cfg_scale=5.5, sampler="DDIM", width=768, height=1344))
    kept = json.loads(texts_of(image)["sdxl-settings"])

    names = ("steps", "cfg_scale", "sampler", "width", "height", "seed")
    api.generate(text_prompts=[{"text": kept["prompt"]}], **{name: kept[name] for name in names})

    assert draws.payloads[0] == draws.payloads[1]


@pytest.mark.parametrize("metadata", [(), ("parameters",), ("declaration",)])
def test_each_mark_can_be_turned_off(make_api: MakeApi, draws: FakeRuntime, metadata: tuple[str, ...]) -> None:
    api = make_api(metadata=metadata)

    for what, (image, *_) in answers(api):
        seen = texts_of(image)
        assert (SOURCE_TYPE in seen["xmp"]) == ("declaration" in metadata), what
        assert ("puppy" in str(seen) or what == "variations") == ("parameters" in metadata) or what == "variations", (
            what
        )


def test_without_marks_an_image_is_answered_as_the_model_drew_it(make_api: MakeApi, runtime: FakeRuntime) -> None:
    (image,) = images_of_json(make_api().generate(seed=7))

    assert base64.b64encode(image).decode() == png_base64(b"seed 7")


def test_settings_that_do_not_fit_into_a_jpeg_are_left_out_and_a_warning_says_so(
    make_api: MakeApi, draws: FakeRuntime
) -> None:
    api = make_api(metadata=ALL)
    prompts = [{"text": "🦊" * 2000} for _ in range(10)]

    (png,) = images_of_json(api.generate(text_prompts=prompts))
    body = {"prompt": "🦊" * 32_000, "response_format": "b64_json", "output_format": "jpeg"}
    reply = api.post(json.dumps(body), path="/v1/images/generations")

    # A prompt is kept as long as it was sent to the model, and a PNG holds ten of these.
    assert texts_of(png)["parameters"].count("🦊") == 20_000
    assert reply.status == 200
    assert texts_of(images_of_json(reply)[0])["comment"].count("🦊") == 2_000


def test_an_image_that_does_not_begin_as_a_png_is_a_damaged_one(make_api: MakeApi, runtime: FakeRuntime) -> None:
    image = base64.b64decode(png_base64())
    runtime.answers(optimized_answer(base64.b64encode(image[:8] + b"\0\0\0\x0cIHDX" + image[16:]).decode()))

    assert make_api(metadata=ALL).generate().error == (502, "model_error")


def test_a_file_that_the_models_provider_signed_stays_as_it_is(make_api: MakeApi, runtime: FakeRuntime) -> None:
    image = base64.b64decode(png_base64())
    signed = image[:33] + b"\0\0\0\x03caBXabc\0\0\0\0" + image[33:]
    runtime.answers(optimized_answer(base64.b64encode(signed).decode()))

    assert images_of_json(make_api(metadata=ALL).generate()) == [signed]
    assert png_base64_has_credentials(base64.b64encode(signed).decode())
    assert not png_base64_has_credentials(png_base64())


def test_marked_images_still_fit_into_one_answer(make_api: MakeApi, runtime: FakeRuntime) -> None:
    api = make_api(metadata=ALL)
    noise = io.BytesIO()
    Image.effect_noise((1024, 1024), 80).convert("RGB").save(noise, "PNG")
    image = base64.b64encode(noise.getvalue()).decode()
    runtime.answer = lambda payload: optimized_answer(image, payload["seed"])

    reply = api.generate(samples=10)

    assert reply.status == 200
    assert len(reply.text) <= 6_291_456
    assert all("base64" in artifact for artifact in reply.json["artifacts"])


VARIABLES = {
    "SDXL_ENVIRONMENT": "dev",
    "SDXL_MODEL_SOURCE": "open",
    "SDXL_ENDPOINT_NAME": "sdxl-dev",
    "SDXL_IMAGES_BUCKET": "images",
    "SDXL_IMAGE_LINK_TTL_SECONDS": "3600",
    "SDXL_TIMEOUT_SECONDS": "29",
}


def test_the_functions_variables_say_what_is_marked() -> None:
    credentials = '{"key_arn":"arn:aws:kms:us-east-1:111111111111:key/1","on_failure":"unsigned"}'

    read = load_settings({**VARIABLES, "SDXL_METADATA": "declaration", "SDXL_CONTENT_CREDENTIALS": credentials})

    assert read.metadata == ("declaration",)
    assert read.content_credentials is not None
    assert read.content_credentials.on_failure == "unsigned"
    assert load_settings(VARIABLES).metadata == ()


def test_an_unknown_mark_in_the_variables_is_refused() -> None:
    with pytest.raises(SettingsError, match="SDXL_METADATA holds 'watermark'"):
        load_settings({**VARIABLES, "SDXL_METADATA": "parameters,watermark"})
