"""Marks images of noise, which no other image is larger than, and prints the times as JSON."""

from __future__ import annotations

import base64
import datetime
import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from image_api.deadline import Deadline
from image_api.marks.credentials import KmsSigner
from image_api.marks.marker import Marker
from image_api.request import Artifact, GenerationRequest, GenerationResult, TextPrompt
from image_api.settings import Settings
from PIL import Image

from benchmarks.warm_requests import incompressible_png

RUNS = 60
_SETTINGS: dict[str, Any] = {
    "environment": "dev",
    "model_source": "open",
    "endpoint_name": "sdxl-dev",
    "images_bucket": "images",
    "image_link_ttl_seconds": 3600,
    "timeout_seconds": 29,
    "cors_allow_origins": (),
}
_PARAMETERS = frozenset({"steps", "cfg_scale", "sampler", "style_preset"})


class InstantKms:
    """A `kms` client whose signatures cost what the signature itself costs."""

    def __init__(self) -> None:
        """Make a key, and a chain for it."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.seconds = 0.0

    def sign(self, **arguments: Any) -> dict[str, bytes]:
        """Sign, and note how long that took: it is KMS's time, and not ours."""
        started = time.thread_time()
        signature = self.key.sign(arguments["Message"], ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        self.seconds += time.thread_time() - started
        return {"Signature": signature}

    def chain(self) -> str:
        """Two certificates, as an authority gives them."""
        authority_key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
        chain = ""
        for name, key, is_ca in (("Benchmark", self.key, False), ("Authority", authority_key, True)):
            builder = (
                x509.CertificateBuilder()
                .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)]))
                .issuer_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Authority")]))
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=1))
                .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
                .add_extension(x509.KeyUsage(not is_ca, *[False] * 4, is_ca, is_ca, *[False] * 2), critical=True)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            )
            if not is_ca:
                builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
            chain += builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        return chain


def measured(
    result: GenerationResult, mark: Callable[[], GenerationResult], beside: Callable[[], float]
) -> dict[str, float]:
    """The shortest time of marking, without the seconds that `beside` counts, and what the marks add.

    The processor's time: one thread at a time works, and what else the machine does is not in it.
    """
    times = []
    for _ in range(RUNS):
        before, started = beside(), time.process_time()
        marked = mark()
        times.append(time.process_time() - started - (beside() - before))
    (drawn,), (done,) = result.artifacts, marked.artifacts
    assert isinstance(drawn, Artifact)  # noqa: S101 - no link was asked for
    assert isinstance(done, Artifact)  # noqa: S101 - as above
    return {
        "seconds": min(times),
        "runs": RUNS,
        "added_bytes": (len(done.image_base64) - len(drawn.image_base64)) * 3 / 4,
        "megabytes": len(drawn.image_base64) * 3 / 4 / 1e6,
    }


def main() -> None:
    """Measure every mark, and print the figures by name."""
    png = incompressible_png()
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).save(buffer, "JPEG", quality=90)
    jpeg = buffer.getvalue()
    request = GenerationRequest(text_prompts=(TextPrompt("a red fox in snow, oil painting"),), seed=7)
    kms = InstantKms()
    signer = KmsSigner("arn:aws:kms:us-east-1:111122223333:key/1", kms.chain(), create_client=lambda: kms)
    figures = {}
    for what, metadata, with_signer in (
        ("declaration", ("declaration",), None),
        ("settings and declaration", ("declaration", "parameters"), None),
        ("signing", (), signer),
    ):
        marker = Marker(Settings(**_SETTINGS, metadata=metadata), parameters=_PARAMETERS, signer=with_signer)
        for name, image in (("PNG", png), ("JPEG", jpeg)):
            artifact = Artifact(base64.b64encode(image).decode(), 7, "SUCCESS", format=name)  # type: ignore[arg-type]
            result = GenerationResult((artifact,))

            def mark(marker: Marker = marker, result: GenerationResult = result) -> GenerationResult:
                return marker.marks_of(request, request).write(result, Deadline(20))

            figures[f"{what}, {name}"] = measured(result, mark, lambda: kms.seconds)
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
