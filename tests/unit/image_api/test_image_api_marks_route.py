"""`POST /v1/marks`: what it answers for marked, signed, foreign and damaged files."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certificates import KEY_ARN, FakeKms
from image_api.deadline import Deadline
from image_api.marks import credentials
from image_api.marks.credentials import KmsSigner
from image_api.marks.files import write_jpeg_base64, write_png_base64, write_webp
from image_api.marks.marker import Unsigned
from image_api.marks.statements import xmp_packet
from image_api.settings import ContentCredentialsSettings
from image_api_fakes import ApplicationUnderTest, Reply
from image_api_forms import form, post_http, post_json
from PIL import Image

PATH = "/v1/marks"
SETTINGS = '{"prompt":"a fox","seed":7,"width":128,"height":128,"steps":30}'
PARAMETERS = "a fox\nSteps: 30, Sampler: DPM++ 2M, CFG scale: 7, Seed: 7, Size: 128x128"
MakeApi = Callable[..., ApplicationUnderTest]


def plain(format_name: str) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((128, 128)).convert("RGB").save(buffer, format_name)
    return buffer.getvalue()


def marked(format_name: str) -> bytes:
    if format_name == "PNG":
        texts = {"parameters": PARAMETERS, "sdxl-settings": SETTINGS}
        image = base64.b64encode(plain("PNG")).decode()
        return base64.b64decode(write_png_base64(image, texts, xmp_packet(is_declared=True)))
    xmp = xmp_packet(is_declared=True, settings=SETTINGS)
    if format_name == "WEBP":
        return write_webp(plain("WEBP"), PARAMETERS, xmp)
    return base64.b64decode(write_jpeg_base64(base64.b64encode(plain("JPEG")).decode(), PARAMETERS, xmp))


def asked(api: ApplicationUnderTest, image: bytes) -> Reply:
    return post_http(api, PATH, form({}, {"image": image}))


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture
def signing_api(
    make_api: MakeApi, kms: FakeKms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ApplicationUnderTest:
    chain_file = tmp_path / "chain.pem"
    chain_file.write_text(kms.chain)
    monkeypatch.setattr(credentials, "CHAIN_FILE", chain_file)
    return make_api(content_credentials=ContentCredentialsSettings(key_arn=KEY_ARN, on_failure="fail"))


def signed(kms: FakeKms, image: bytes) -> bytes:
    media_type = f"image/{str(Image.open(io.BytesIO(image)).format).lower()}"
    signer = KmsSigner(KEY_ARN, kms.chain, create_client=lambda: kms)
    (done,) = signer.sign([Unsigned(image, media_type)], Deadline(20))
    return done.file


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP"])
def test_settings_and_declaration_are_read_from_every_format(api: ApplicationUnderTest, format_name: str) -> None:
    reply = asked(api, marked(format_name))

    assert reply.status == 200
    assert reply.json == {
        "format": "WebP" if format_name == "WEBP" else format_name,
        "width": 128,
        "height": 128,
        "declared": "trainedAlgorithmicMedia",
        "settings": {"prompt": "a fox", "seed": 7, "width": 128, "height": 128, "steps": 30},
        "parameters": PARAMETERS,
        "credentials": {
            "status": "none",
            "trusted": None,
            "signer": None,
            "issuer": None,
            "serial_number": None,
            "signed_at": None,
            "source_type": None,
            "generator": None,
            "ingredients": 0,
            "problems": [],
        },
    }


def test_an_image_may_come_as_base64_in_json(api: ApplicationUnderTest) -> None:
    body = f'{{"image": "{base64.b64encode(marked("PNG")).decode()}"}}'

    reply = api.post(body, path=PATH)

    assert reply.json["declared"] == "trainedAlgorithmicMedia"


def test_an_image_that_says_nothing_says_nothing(api: ApplicationUnderTest) -> None:
    found = asked(api, plain("PNG")).json

    assert (found["declared"], found["settings"], found["parameters"]) == (None, None, None)
    assert found["credentials"]["status"] == "none"


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP"])
def test_a_signed_image_names_its_signer_and_whether_it_is_trusted(
    signing_api: ApplicationUnderTest, kms: FakeKms, format_name: str
) -> None:
    found = asked(signing_api, signed(kms, marked(format_name))).json

    assert found["declared"] == "trainedAlgorithmicMedia"
    assert found["settings"]["prompt"] == "a fox"
    seen = found["credentials"]
    assert (seen["status"], seen["trusted"]) == ("valid", True)
    assert (seen["signer"], seen["issuer"]) == ("Example Studio images", "Example Studio")
    assert (seen["generator"], seen["source_type"]) == ("sdxl-on-aws", "trainedAlgorithmicMedia")
    assert seen["problems"] == []


def test_an_image_that_was_changed_since_signing_says_so(signing_api: ApplicationUnderTest, kms: FakeKms) -> None:
    image = bytearray(signed(kms, marked("PNG")))
    image[image.index(b"IDAT") + 60] ^= 1

    seen = asked(signing_api, bytes(image)).json["credentials"]

    assert (seen["status"], seen["trusted"]) == ("changed", False)


def test_another_deployments_signature_is_valid_and_not_trusted(signing_api: ApplicationUnderTest) -> None:
    seen = asked(signing_api, signed(FakeKms(), plain("PNG"))).json["credentials"]

    assert (seen["status"], seen["trusted"]) == ("valid", False)
    assert "signingCredential.untrusted" in seen["problems"]


def test_a_deployment_that_does_not_sign_says_that_it_did_not_check(api: ApplicationUnderTest, kms: FakeKms) -> None:
    seen = asked(api, signed(kms, plain("PNG"))).json["credentials"]

    assert (seen["status"], seen["trusted"], seen["signer"]) == ("not_checked", None, None)


@pytest.mark.parametrize(
    ("image", "name", "words"),
    [
        (b"GIF89a" + bytes(20), "invalid_mime_type", "no PNG, JPEG or WebP"),
        (b"", "bad_request", "image"),
        (plain("PNG")[:100], "invalid_image_format", "damaged"),
        (plain("JPEG")[:100], "invalid_image_format", "damaged"),
        (plain("WEBP")[:60], "invalid_image_format", "damaged"),
    ],
)
def test_what_is_no_image_is_refused_with_what_to_do(
    api: ApplicationUnderTest, image: bytes, name: str, words: str
) -> None:
    reply = asked(api, image)

    assert reply.error == (400, name)
    assert words in reply.json["message"]


def test_a_body_of_another_kind_is_refused(api: ApplicationUnderTest) -> None:
    assert api.post("{}", path=PATH).error == (400, "bad_request")
    assert api.post('{"image": 1}', path=PATH).error == (400, "bad_request")
    assert api.post("x", path=PATH, headers={"Content-Type": "text/plain"}).error == (415, "unsupported_media_type")
    assert post_json(api, PATH).error == (400, "bad_request")


def damaged(image: bytes, chance: random.Random) -> bytes:
    """The image with some bytes changed, cut out, repeated or put in."""
    data = bytearray(image)
    for _ in range(chance.randint(1, 4)):
        # The heads of files and chunks are where structure is.
        at = chance.randrange(min(len(data), chance.choice((64, 2_000, len(data)))))
        kind = chance.randrange(5)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
        elif kind == 2:
            del data[at : at + chance.randint(1, 300)]
        elif kind == 3:
            data[at:at] = chance.randbytes(chance.randint(1, 40))
        else:
            data[at:at] = data[at : at + chance.randint(1, 300)]
        data = data or bytearray(b"\0")
    return bytes(data[: chance.randint(1, len(data))] if chance.random() < 0.1 else data)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP"])
def test_damaged_files_are_answered_without_a_server_error(
    signing_api: ApplicationUnderTest, kms: FakeKms, format_name: str
) -> None:
    chance = random.Random(f"marks {format_name}")
    image = signed(kms, marked(format_name))
    statuses: dict[Any, int] = {}

    for _ in range(400):
        reply = asked(signing_api, damaged(image, chance))
        assert reply.status in (200, 400), reply.text
        key = reply.json["credentials"]["status"] if reply.status == 200 else reply.error
        statuses[key] = statuses.get(key, 0) + 1
        # Nothing that was damaged is said to be as it was signed, unless the damage is behind the image's end.
        assert key != "valid" or statuses["valid"] < 20

    assert {"changed", "invalid"} & statuses.keys()
    assert (400, "invalid_image_format") in statuses
