"""What exiftool reads from marked files: `make test-exiftool`, where Debian's libimage-exiftool-perl is installed."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from certificates import KEY_ARN, FakeKms
from image_api.deadline import Deadline
from image_api.marks.credentials import KmsSigner
from image_api.marks.marker import Marker
from image_api.request import Artifact, GenerationRequest, GenerationResult, TextPrompt
from image_api.settings import Settings
from PIL import Image

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PROMPT = 'ein Fuchs, 狐 & "friends"'


def exiftool(path: Path, *arguments: str) -> Any:
    program = shutil.which("exiftool")
    assert program, "exiftool is not installed"
    done = subprocess.run([program, *arguments, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def marked(path: Path, format_name: Any, *, is_signed: bool) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((128, 128), 60).convert("RGB").save(buffer, format_name)
    fields: dict[str, Any] = {
        "environment": "dev",
        "model_source": "open",
        "endpoint_name": "sdxl-dev",
        "images_bucket": "images",
        "image_link_ttl_seconds": 3600,
        "timeout_seconds": 29,
        "cors_allow_origins": (),
        "metadata": ("parameters", "declaration"),
    }
    kms = FakeKms()
    signer = KmsSigner(KEY_ARN, kms.chain, create_client=lambda: kms) if is_signed else None
    marker = Marker(Settings(**fields), parameters=frozenset({"steps"}), signer=signer)
    request = GenerationRequest(text_prompts=(TextPrompt(PROMPT),), seed=7)
    name = "WebP" if format_name == "WEBP" else format_name
    drawn = Artifact(base64.b64encode(buffer.getvalue()).decode(), 7, "SUCCESS", format=name)
    (done,) = marker.marks_of(request, request).write(GenerationResult((drawn,)), Deadline(20)).artifacts
    assert isinstance(done, Artifact)
    path.write_bytes(done.image)


@pytest.mark.parametrize("is_signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP"])
def test_declaration_and_settings_are_read_and_the_file_is_sound(
    tmp_path: Path, format_name: str, is_signed: bool
) -> None:
    path = tmp_path / f"fox.{format_name.lower()}"
    marked(path, format_name, is_signed=is_signed)

    (found,) = json.loads(exiftool(path, "-json", "-struct", "-G1", "-n"))

    assert found["XMP-iptcExt:DigitalSourceType"] == SOURCE_TYPE
    words = found.get("ExifIFD:UserComment") or found["PNG:Parameters"]
    assert words.startswith(PROMPT)
    assert "Seed: 7" in words
    assert "Error" not in exiftool(path, "-validate", "-warning", "-error", "-a")
    if format_name != "WEBP":
        # Version 12.57, which Debian 12 has, does not know the place in a WebP.
        assert any("JUMBF" in name or "C2PA" in name or "CBOR" in name for name in found) == is_signed
