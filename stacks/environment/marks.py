"""The parts of the section `api` about what image files say of themselves: settings, declaration, signature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from stacks.environment.values import Section, SettingProblem, described_pattern, raise_problems

SIGNING_KEY_ARN_PATTERN = described_pattern(
    r"^arn:aws(-cn|-us-gov)?:kms:[a-z0-9-]+:\d{12}:key/[0-9a-f-]+$",
    "arn:<partition>:kms:<region>:<account>:key/<id>, not an alias",
)
_FILE_PATTERN = described_pattern(r"^[^\s\\:*?\"<>|]+\.pem$", "the name of a .pem file, such as prod-chain.pem")
# What a check without a file's folder takes paths to be relative to.
_ENVIRONMENTS = Path(__file__).resolve().parents[2] / "environments"


class Metadata(Section):
    """What image files say of themselves in text, which anyone can read, change and remove."""

    parameters: bool = Field(
        default=True,
        description="Whether image files hold the settings that they were made with, prompts among them, as JSON and "
        "in AUTOMATIC1111's wording.",
    )
    declaration: bool = Field(
        default=True,
        description="Whether image files declare in XMP that a model made them (IPTC's digital source type "
        "`trainedAlgorithmicMedia`). docs/marks.md says who has to.",
    )


def _beside_the_file(path: str, info: ValidationInfo) -> str:
    """`path` as it can be opened: what is relative is so to the environment's file."""
    folder = (info.context or {}).get("directory", _ENVIRONMENTS)
    return str(Path(folder) / path)


_PemFile = Annotated[str, Field(pattern=_FILE_PATTERN), AfterValidator(_beside_the_file)]


class ContentCredentials(Section):
    """Content credentials (C2PA): every image is signed with a key in KMS."""

    key_arn: str | None = Field(
        default=None,
        pattern=SIGNING_KEY_ARN_PATTERN,
        description="An existing KMS key of the environment's account and region that signs, of the key spec "
        "ECC_NIST_P256. Left out: the environment makes one.",
    )
    certificate_chain: _PemFile | None = Field(
        default=None,
        description="File with the certificates for the key in PEM: the signer's, and behind it its issuer's; its path "
        "is relative to this file. Left out: the key is made, and nothing is signed until there is a certificate for "
        "it.",
    )
    public_key: _PemFile | None = Field(
        default=None,
        description="File with the key's public half in PEM, which `sdxl signing request` writes: the chain is checked "
        "against it.",
    )
    on_failure: Literal["fail", "unsigned"] = Field(
        default="fail",
        description="What happens to images that cannot be signed. `fail`: the request fails with 502. `unsigned`: "
        "they are answered without a signature, with a warning.",
    )

    @property
    def chain_file(self) -> Path | None:
        """Where the certificates are; None where nothing is signed yet."""
        return None if self.certificate_chain is None else Path(self.certificate_chain)

    @model_validator(mode="after")
    def _check(self) -> ContentCredentials:
        if (self.certificate_chain is None) != (self.public_key is None):
            missing = "public_key" if self.public_key is None else "certificate_chain"
            given = "certificate_chain" if self.public_key is None else "public_key"
            raise_problems(
                [
                    SettingProblem(
                        location=(missing,),
                        text=f"missing, and {given} is given: the two are checked against each other",
                        allowed="both, or neither before there is a certificate",
                        remedy=f"add {missing}: docs/marks.md, or remove {given}",
                    )
                ]
            )
        if self.certificate_chain is not None and self.public_key is not None:
            # A tenth of a second, for environments that sign.
            from stacks.environment.certificates import chain_problems  # noqa: PLC0415

            raise_problems(chain_problems(Path(self.certificate_chain), Path(self.public_key)))
        return self
