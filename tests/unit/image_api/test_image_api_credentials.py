"""Content credentials: signed with a key in KMS, read by c2pa's own reader, and what happens when signing fails."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import c2pa
import pytest
from botocore.exceptions import EndpointConnectionError
from certificates import KEY_ARN, FakeKms, chain_of, new_key
from image_api.deadline import Deadline
from image_api.marks import credentials
from image_api.marks.credentials import KmsSigner, anchors_of, raw_signature, verify
from image_api.marks.marker import NOT_KEPT_WARNING, UNSIGNED_WARNING, Unsigned
from image_api.settings import ContentCredentialsSettings
from image_api_fakes import ENGINE_PATH, ApplicationUnderTest, FakeRuntime, Reply, optimized_answer
from image_api_forms import form, post_http
from PIL import Image

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ALL = ("parameters", "declaration")
SIDE = 128
MakeApi = Callable[..., ApplicationUnderTest]


def drawn_png(side: int = SIDE, colour: int = 0) -> bytes:
    image = Image.effect_noise((side, side), 60).convert("RGB")
    image.putpixel((0, 0), (colour, 2, 3))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def encoded(format_name: str, image: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(image)).save(buffer, format_name)
    return buffer.getvalue()


def pixels(file: bytes) -> bytes:
    return Image.open(io.BytesIO(file)).convert("RGB").tobytes()


def media_type(file: bytes) -> str:
    return f"image/{str(Image.open(io.BytesIO(file)).format).lower()}"


def sign(signer: KmsSigner, image: bytes) -> bytes:
    (signed,) = signer.sign([Unsigned(image, media_type(image))], Deadline(20))
    return signed.file


def read(file: bytes, anchors: str = "") -> dict[str, Any]:
    """What the library's reader says, with settings of its own and nothing of this project's code."""
    trust = {"trust": {"trust_anchors": anchors}, "verify": {"verify_trust": True}} if anchors else {}
    with c2pa.Reader(media_type(file), io.BytesIO(file), context=c2pa.Context.from_dict(trust)) as reader:
        return dict(json.loads(reader.json()))


def active(manifests: dict[str, Any]) -> dict[str, Any]:
    return dict(manifests["manifests"][manifests["active_manifest"]])


def actions_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    (actions,) = [one for one in manifest["assertions"] if one["label"].startswith("c2pa.actions")]
    return list(actions["data"]["actions"])


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture
def signer(kms: FakeKms) -> KmsSigner:
    return KmsSigner(KEY_ARN, kms.chain, create_client=lambda: kms)


@pytest.fixture
def draws(runtime: FakeRuntime) -> FakeRuntime:
    def answer(payload: dict[str, Any]) -> bytes:
        image = base64.b64encode(drawn_png(colour=payload["seed"] % 256)).decode()
        return optimized_answer(image, payload["seed"])

    runtime.answer = answer
    return runtime


@pytest.fixture(autouse=True)
def _chain_file(kms: FakeKms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain where the stack puts it."""
    chain_file = tmp_path / "chain.pem"
    chain_file.write_text(kms.chain)
    monkeypatch.setattr(credentials, "CHAIN_FILE", chain_file)


@pytest.fixture
def signing_api(make_api: MakeApi, draws: FakeRuntime, signer: KmsSigner) -> ApplicationUnderTest:
    """An API that signs its images."""
    return make_api(metadata=ALL, signer=signer, content_credentials=settings())


def settings(on_failure: Any = "fail") -> ContentCredentialsSettings:
    return ContentCredentialsSettings(key_arn=KEY_ARN, on_failure=on_failure)


def images_of(reply: Reply) -> list[bytes]:
    body = reply.json
    entries = body.get("artifacts") or body.get("data")
    return [base64.b64decode(entry.get("base64") or entry["b64_json"]) for entry in entries]


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP"])
def test_a_signed_image_is_trusted_by_another_reader_and_keeps_its_pixels(
    kms: FakeKms, signer: KmsSigner, format_name: str
) -> None:
    image = encoded(format_name, drawn_png())

    signed = sign(signer, image)

    assert pixels(signed) == pixels(image)
    seen = read(signed, anchors_of(kms.chain))
    assert seen["validation_state"] == "Trusted"
    manifest = active(seen)
    assert manifest["signature_info"]["common_name"] == "Example Studio images"
    (created,) = actions_of(manifest)
    assert (created["action"], created["digitalSourceType"]) == ("c2pa.created", GENERATED)
    # KMS gets a digest, with the key that the deployment names.
    (call,) = kms.calls
    assert call["KeyId"] == KEY_ARN
    assert call["SigningAlgorithm"] == "ECDSA_SHA_256"
    assert len(call["Message"]) == 32


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP"])
def test_a_flipped_byte_of_the_pixels_is_detected(kms: FakeKms, signer: KmsSigner, format_name: str) -> None:
    signed = sign(signer, encoded(format_name, drawn_png()))
    changed = bytearray(signed)
    # Behind the head of the pixels.
    start = {"PNG": b"IDAT", "JPEG": b"\xff\xda", "WEBP": b"VP8 "}[format_name]
    changed[signed.rindex(start) + 100] ^= 1

    assert verify(signed, media_type(signed), anchors_of(kms.chain)).status == "valid"
    seen = verify(bytes(changed), media_type(signed), anchors_of(kms.chain))

    assert seen.status == "changed"
    assert not seen.trusted
    assert "assertion.dataHash.mismatch" in seen.problems


def test_a_signer_of_another_chain_is_valid_and_not_trusted(kms: FakeKms, signer: KmsSigner) -> None:
    signed = sign(signer, drawn_png())

    seen = verify(signed, "image/png", anchors_of(chain_of(new_key())))

    assert (seen.status, seen.trusted, seen.signer) == ("valid", False, "Example Studio images")


def test_a_signature_with_another_key_than_the_certificates_is_invalid(kms: FakeKms) -> None:
    signer = KmsSigner(KEY_ARN, chain_of(new_key()), create_client=lambda: kms)

    signed = sign(signer, drawn_png())

    assert verify(signed, "image/png", "").status == "invalid"


def test_every_route_signs(signing_api: ApplicationUnderTest, kms: FakeKms) -> None:
    init = drawn_png(512)
    encoded_init = base64.b64encode(init).decode()
    body = {"text_prompts": [{"text": "a puppy"}], "init_image": encoded_init}
    openai = {"prompt": "a puppy", "response_format": "b64_json"}
    images = [
        *images_of(signing_api.generate(samples=3)),
        signing_api.generate("image/png").bytes,
        *images_of(signing_api.post(json.dumps(body), path=ENGINE_PATH.replace("text-to-image", "image-to-image"))),
        *(
            image
            for output_format in ("png", "jpeg", "webp")
            for image in images_of(
                signing_api.post(json.dumps({**openai, "output_format": output_format}), path="/v1/images/generations")
            )
        ),
        *images_of(post_http(signing_api, "/v1/images/edits", form({"prompt": "a puppy"}, {"image": init}))),
        *images_of(
            post_http(signing_api, "/v1/images/variations", form({"response_format": "b64_json"}, {"image": init}))
        ),
    ]

    assert len(images) == 10
    for image in images:
        assert read(image, anchors_of(kms.chain))["validation_state"] == "Trusted"
        # Settings and declaration are in what was signed.
        marks = signing_api.post(json.dumps({"image": base64.b64encode(image).decode()}), path="/v1/marks").json
        assert marks["declared"] == "trainedAlgorithmicMedia"
        assert marks["settings"]["seed"] > 0


def test_stored_images_are_signed_and_a_repeat_answers_with_the_first_signature(
    signing_api: ApplicationUnderTest, kms: FakeKms
) -> None:
    body = json.dumps({"text_prompts": [{"text": "a puppy"}], "seed": 7})
    headers = {"Content-Type": "application/json", "Idempotency-Key": "one"}

    first, second = (images_of(signing_api.post(body, headers=headers)) for _ in range(2))
    links = signing_api.post(
        json.dumps({"prompt": "a puppy", "response_format": "url", "output_format": "jpeg"}),
        path="/v1/images/generations",
    )

    assert first == second
    assert links.status == 200
    stored = [file for file, _ in signing_api.s3.objects.values()]
    assert len(stored) == 2
    for file in stored:
        assert read(file, anchors_of(kms.chain))["validation_state"] == "Trusted"
    assert len(kms.calls) == 2


def test_the_credentials_of_an_init_image_are_kept(
    signing_api: ApplicationUnderTest, kms: FakeKms, signer: KmsSigner
) -> None:
    camera_key = FakeKms()
    camera_key.chain = chain_of(camera_key.key, name="A camera")
    camera = KmsSigner(KEY_ARN, camera_key.chain, create_client=lambda: camera_key)
    photo = sign(camera, encoded("JPEG", drawn_png(512)))
    body = {"text_prompts": [{"text": "a puppy"}], "init_image": base64.b64encode(photo).decode()}

    reply = signing_api.post(json.dumps(body), path=ENGINE_PATH.replace("text-to-image", "image-to-image"))

    (image,) = images_of(reply)
    seen = read(image, anchors_of(kms.chain) + anchors_of(camera_key.chain))
    assert seen["validation_state"] == "Trusted"
    assert verify(image, "image/png", anchors_of(kms.chain)).trusted
    manifest = active(seen)
    (ingredient,) = manifest["ingredients"]
    assert ingredient["relationship"] == "inputTo"
    kept = seen["manifests"][ingredient["active_manifest"]]
    assert kept["signature_info"]["common_name"] == "A camera"
    (created,) = actions_of(manifest)
    assert len(created["parameters"]["ingredients"]) == 1
    assert verify(image, "image/png", "").ingredients == 1


@pytest.mark.parametrize("damage", [slice(0, 40), slice(2000, 2600)])
def test_a_damaged_manifest_in_an_init_image_does_not_fail_the_request(
    signing_api: ApplicationUnderTest, kms: FakeKms, signer: KmsSigner, damage: slice
) -> None:
    photo = sign(signer, drawn_png(512))
    at = photo.index(b"caBX") + 4
    broken = bytearray(photo)
    broken[at + damage.start : at + damage.stop] = bytes(damage.stop - damage.start)
    body = {"text_prompts": [{"text": "a puppy"}], "init_image": base64.b64encode(bytes(broken)).decode()}

    reply = signing_api.post(json.dumps(body), path=ENGINE_PATH.replace("text-to-image", "image-to-image"))

    assert reply.status == 200
    assert NOT_KEPT_WARNING in reply.headers["x-sdxl-warning"]
    (image,) = images_of(reply)
    assert read(image, anchors_of(kms.chain))["validation_state"] == "Trusted"


@pytest.mark.parametrize("error", [None, EndpointConnectionError(endpoint_url="https://kms.test")])
def test_a_failed_signature_fails_the_request(
    signing_api: ApplicationUnderTest, kms: FakeKms, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    kms.is_denied()
    kms.error = error or kms.error

    reply = signing_api.generate(samples=2)

    assert reply.error == (502, "signing_failed")
    failures = [record for record in signing_api.published if "SigningFailures" in record]
    assert [record["SigningFailures"] for record in failures] == [1]
    assert any(record.message == "images not signed" for record in caplog.records)
    requests = [record["result"] for record in signing_api.published if "Requests" in record]
    assert requests == ["internal_error"]


def test_a_failed_signature_is_a_warning_where_the_deployment_says_so(
    make_api: MakeApi, draws: FakeRuntime, kms: FakeKms, signer: KmsSigner
) -> None:
    kms.is_denied()
    api = make_api(metadata=ALL, signer=signer, content_credentials=settings("unsigned"))

    reply = api.generate()

    assert reply.status == 200
    assert UNSIGNED_WARNING in reply.headers["x-sdxl-warning"]
    (image,) = images_of(reply)
    assert verify(image, "image/png", "").status == "invalid"
    marks = make_api().post(json.dumps({"image": base64.b64encode(image).decode()}), path="/v1/marks").json
    assert marks["credentials"]["status"] == "none"
    assert marks["declared"] == "trainedAlgorithmicMedia"
    assert any("SigningFailures" in record for record in api.published)


def test_signing_that_takes_too_long_fails_in_time(kms: FakeKms, signer: KmsSigner) -> None:
    with pytest.raises(credentials.SigningError):
        signer.sign([Unsigned(drawn_png(), "image/png")], Deadline(0))


def test_signed_images_are_answered_even_where_they_fill_the_answer(
    make_api: MakeApi, runtime: FakeRuntime, kms: FakeKms, signer: KmsSigner
) -> None:
    api = make_api(metadata=ALL, signer=signer, content_credentials=settings())
    image = base64.b64encode(drawn_png(1024)).decode()
    runtime.answer = lambda payload: optimized_answer(image, payload["seed"])

    reply = api.generate(samples=10)

    assert reply.status == 200
    assert len(reply.text) <= 6_291_456
    assert all("base64" in artifact for artifact in reply.json["artifacts"])


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30\x06\x02\x01\x01",
        b"\x30\x06\x04\x01\x01\x02\x01\x01",
        b"\x30\x45\x02\x21" + b"\x01" * 33 + b"\x02\x20" + b"\x01" * 32,
    ],
)
def test_what_is_no_signature_is_refused(der: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        raw_signature(der)


def test_short_halves_of_a_signature_are_filled() -> None:
    assert raw_signature(b"\x30\x07\x02\x02\x00\xff\x02\x01\x01") == bytes(31) + b"\xff" + bytes(31) + b"\x01"
