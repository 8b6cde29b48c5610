"""Content credentials (C2PA): signed with a key in KMS, and verified.

`c2pa`, the library of the Content Authenticity Initiative, writes and reads manifests. It is in the layer of
deployments that sign; this module is imported by those alone. The pixels are hashed, not decoded, and nothing is
fetched: no remote manifest, no OCSP answer, no time stamp.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import boto3
import c2pa
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from image_api.deadline import Deadline, WorkerPool
from image_api.errors import SigningError
from image_api.marks.marker import Signed, Unsigned
from image_api.marks.statements import DIGITAL_SOURCE_TYPES, GENERATED, GENERATOR
from image_api.request import MAX_SAMPLES

# The certificates of a deployment that signs: the signer's first, the root's last. The stack puts the file there.
CHAIN_FILE = Path(__file__).with_name("certificate_chain.pem")

_CERTIFICATE_END = "-----END CERTIFICATE-----"
# Claim, assertions and boxes, beside the signature with its chain and padding (measured: 1.2 KB).
_CLAIM_BYTES = 4_096
# Halves of an ECDSA signature with P-256.
_HALF_BYTES = 32
# A manifest may name a server of anyone's to be fetched from.
_NOTHING_FETCHED = {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False}
# Failures that say nothing of the file (C2PA specification 2.2, 15.2.2).
_TRUST_CODES = frozenset({"signingCredential.untrusted", "timeStamp.untrusted"})
_MAX_PROBLEMS = 20
_MAX_TEXT = 200

_FAILED = "The images were made, but their content credentials could not be signed. Try again."


def create_kms_client() -> Any:
    """A KMS client that gives up before the answer is due."""
    config = Config(
        connect_timeout=0.5,
        read_timeout=1.0,
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=MAX_SAMPLES,
    )
    return boto3.client("kms", config=config)


class KmsSigner:
    """Signs images with an ECC_NIST_P256 key in KMS (ES256), whose certificate is the first of `chain` (PEM).

    KMS gets a digest of 32 bytes for each image, and never the image.
    """

    def __init__(
        self,
        key_arn: str,
        chain: str,
        *,
        create_client: Callable[[], Any] = create_kms_client,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._key_arn = key_arn
        self._chain = chain
        self._create_client = create_client
        self._now = now
        self._workers = WorkerPool("sign-image", workers=MAX_SAMPLES)

    @cached_property
    def client(self) -> Any:
        """The KMS client."""
        return self._create_client()

    def warm(self) -> None:
        """Create the KMS client, and read the chain once."""
        _ = self.client, self._reserved_bytes

    @cached_property
    def _reserved_bytes(self) -> int:
        with c2pa.Signer.from_callback(bytes, c2pa.C2paSigningAlg.ES256, self._chain) as signer:
            return int(signer.reserve_size())

    def signed_bytes(self, ingredients_bytes: int) -> int:
        """About how many bytes the credentials add to an image, at most, with `ingredients_bytes` of kept ones."""
        return self._reserved_bytes + _CLAIM_BYTES + (ingredients_bytes + _CLAIM_BYTES if ingredients_bytes else 0)

    def sign(self, images: Sequence[Unsigned], deadline: Deadline) -> tuple[Signed, ...]:
        """Each of `images` with content credentials.

        Raises:
            SigningError: an image could not be signed, or not in time.
        """
        try:
            return self._workers.do_all(self._sign, images, deadline)
        except TimeoutError as exc:
            raise SigningError(_FAILED) from exc

    def _sign(self, image: Unsigned) -> Signed:
        ingredients = [one for one in image.ingredients if _is_readable(one)]
        causes: list[Exception] = []

        def sign_claim(claim: bytes) -> bytes:
            # The library turns what is raised here into an error without its cause.
            try:
                answer = self.client.sign(
                    KeyId=self._key_arn,
                    Message=hashlib.sha256(claim).digest(),
                    MessageType="DIGEST",
                    SigningAlgorithm="ECDSA_SHA_256",
                )
                return raw_signature(answer["Signature"])
            except (BotoCoreError, ClientError, ValueError) as exc:
                causes.append(exc)
                raise

        signed = io.BytesIO()
        try:
            with (
                c2pa.Signer.from_callback(sign_claim, c2pa.C2paSigningAlg.ES256, self._chain) as signer,
                c2pa.Builder(self._manifest(len(ingredients)), context=_context("")) as builder,
            ):
                for number, ingredient in enumerate(ingredients):
                    _add_ingredient(builder, number, ingredient)
                builder.sign(signer, image.media_type, io.BytesIO(image.file), signed)
        except c2pa.C2paError as exc:
            raise SigningError(_FAILED) from (causes[0] if causes else exc)
        return Signed(signed.getvalue(), keeps_all=len(ingredients) == len(image.ingredients))

    def _manifest(self, ingredients: int) -> str:
        created: dict[str, Any] = {
            "action": "c2pa.created",
            "when": f"{self._now():%Y-%m-%dT%H:%M:%SZ}",
            "digitalSourceType": f"{DIGITAL_SOURCE_TYPES}{GENERATED}",
            "softwareAgent": {"name": GENERATOR},
        }
        if ingredients:
            created["parameters"] = {"ingredientIds": [_label(number) for number in range(ingredients)]}
        return json.dumps(
            {
                "claim_generator_info": [{"name": GENERATOR}],
                "title": "Generated image",
                "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
            }
        )


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What the content credentials of a file say, and whether they hold.

    `status`: `changed` where the file is not the one that was signed, `invalid` where the credentials themselves do
    not hold. `trusted` where they hold and the signer's chain ends in a trust anchor. `problems` are C2PA's codes.
    """

    status: Literal["valid", "changed", "invalid"]
    trusted: bool
    signer: str
    issuer: str
    serial_number: str
    signed_at: str
    source_type: str
    generator: str
    ingredients: int
    problems: tuple[str, ...]


def verify(file: bytes, media_type: str, trust_anchors: str) -> Credentials:
    """The content credentials of a file that carries some.

    `trust_anchors` are certificates in PEM: a chain that ends in one of them is trusted. Never raises for a file.
    """
    try:
        with c2pa.Reader(media_type, io.BytesIO(file), context=_context(trust_anchors)) as reader:
            manifests = json.loads(reader.json())
    except (c2pa.C2paError, UnicodeError, ValueError) as exc:
        return _unreadable(str(exc))
    active = manifests.get("manifests", {}).get(manifests.get("active_manifest")) or {}
    results = (manifests.get("validation_results") or {}).get("activeManifest") or {}
    failures = [str(one.get("code")) for one in results.get("failure", ())]
    signature = active.get("signature_info") or {}
    wrong = [code for code in failures if code not in _TRUST_CODES]
    is_changed = any(code.endswith((".mismatch", ".missing")) and code.startswith("assertion.") for code in wrong)
    status: Literal["valid", "changed", "invalid"] = (
        "changed" if is_changed else "invalid" if wrong or not signature else "valid"
    )
    # The library's own verdict is that of the ingredients, too: a camera's signature that is not trusted here says
    # nothing of this file's signer.
    is_trusted = any(one.get("code") == "signingCredential.trusted" for one in results.get("success", ()))
    generators = active.get("claim_generator_info") or [{}]
    return Credentials(
        status=status,
        trusted=status == "valid" and is_trusted,
        signer=_text(signature.get("common_name")),
        issuer=_text(signature.get("issuer")),
        serial_number=_text(signature.get("cert_serial_number")),
        signed_at=_text(signature.get("time") or _created_at(active)),
        source_type=_source_type(active),
        generator=_text(generators[0].get("name")),
        ingredients=len(active.get("ingredients") or ()),
        problems=tuple(dict.fromkeys(_text(code) for code in failures))[:_MAX_PROBLEMS],
    )


def own_chain() -> str:
    """The deployment's certificate chain, in PEM."""
    return CHAIN_FILE.read_text()


def own_trust_anchors() -> str:
    """What the deployment trusts: what its own chain ends in."""
    return anchors_of(own_chain())


def anchors_of(chain: str) -> str:
    """What a chain ends in: its last certificate."""
    last = chain.strip().removesuffix(_CERTIFICATE_END).rpartition(_CERTIFICATE_END)[2]
    return f"{last.strip()}\n{_CERTIFICATE_END}\n"


def raw_signature(der: bytes) -> bytes:
    """An ECDSA signature as COSE has it, r and s of 32 bytes each (RFC 9053, 2.1), from KMS's DER (RFC 3279, 2.2.3).

    Raises:
        ValueError: it is not a signature with P-256.
    """
    if len(der) < 8 or der[0] != 0x30 or der[1] != len(der) - 2:
        raise ValueError("the signature is not a DER sequence")
    halves, at = b"", 2
    for _ in range(2):
        if der[at] != 0x02:
            raise ValueError("the signature holds something else than two integers")
        length = der[at + 1]
        half = der[at + 2 : at + 2 + length].lstrip(b"\x00")
        if len(half) > _HALF_BYTES:
            raise ValueError(f"the signature is of a longer key: {len(half)} bytes")
        halves += half.rjust(_HALF_BYTES, b"\x00")
        at += 2 + length
        if at >= len(der) and len(halves) < 2 * _HALF_BYTES:
            raise ValueError("the signature is cut short")
    return halves


def media_type_of(file: bytes) -> str:
    """The media type of a PNG, JPEG or WebP, by its first bytes."""
    if file.startswith(b"\x89PNG"):
        return "image/png"
    return "image/jpeg" if file.startswith(b"\xff\xd8") else "image/webp"


@lru_cache(maxsize=2)
def _context(trust_anchors: str) -> c2pa.Context:
    return c2pa.Context.from_dict(
        {
            "builder": {"thumbnail": {"enabled": False}},
            "verify": {**_NOTHING_FETCHED, "verify_trust": bool(trust_anchors)},
            **({"trust": {"trust_anchors": trust_anchors}} if trust_anchors else {}),
        }
    )


def _add_ingredient(builder: c2pa.Builder, number: int, file: bytes) -> None:
    words = {"title": "Init image", "relationship": "inputTo", "label": _label(number)}
    builder.add_ingredient(json.dumps(words), media_type_of(file), io.BytesIO(file))


def _is_readable(ingredient: bytes) -> bool:
    """Whether the credentials of an ingredient can be kept. Those of a file that was damaged on its way cannot."""
    try:
        with c2pa.Builder("{}", context=_context("")) as builder:
            _add_ingredient(builder, 0, ingredient)
    except c2pa.C2paError:
        return False
    return True


def _unreadable(message: str) -> Credentials:
    return Credentials(
        status="invalid",
        trusted=False,
        signer="",
        issuer="",
        serial_number="",
        signed_at="",
        source_type="",
        generator="",
        ingredients=0,
        problems=(_text(message),),
    )


def _actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    for assertion in manifest.get("assertions") or ():
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            actions = (assertion.get("data") or {}).get("actions") or []
            return [action for action in actions if isinstance(action, dict)]
    return []


def _source_type(manifest: dict[str, Any]) -> str:
    """The digital source type of the first action that names one."""
    found = next((action["digitalSourceType"] for action in _actions(manifest) if "digitalSourceType" in action), "")
    text = _text(found)
    return text.rpartition("/digitalsourcetype/")[2] or text


def _created_at(manifest: dict[str, Any]) -> str:
    return next((str(action["when"]) for action in _actions(manifest) if "when" in action), "")


def _text(value: object) -> str:
    return "" if value is None else str(value)[:_MAX_TEXT]


def _label(number: int) -> str:
    return f"init-image-{number}"
