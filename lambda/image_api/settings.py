"""The function's environment variables, typed and read once at cold start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar, cast, get_args

import msgspec

from image_api.styles import BUILT_IN_STYLES, Style

ModelSource = Literal["optimized", "open", "bedrock"]
Masks = Literal["approximate", "refuse"]
MASKS: tuple[Masks, ...] = get_args(Masks)
BedrockModelFamily = Literal["sdxl-v1", "stable-image", "sd3-5"]
MODEL_SOURCES: tuple[ModelSource, ...] = get_args(ModelSource)
BEDROCK_MODEL_FAMILIES: tuple[BedrockModelFamily, ...] = get_args(BedrockModelFamily)

ValueT = TypeVar("ValueT")
NothingT = TypeVar("NothingT")


# Something with a letter or a digit in it: any other term would match no prompt, or all of them.
_Term = Annotated[str, msgspec.Meta(pattern=r"[^\W_]")]


class SettingsError(Exception):
    """An environment variable of the function is missing or has a value that cannot be used."""


class VariantSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A variant of the endpoint: its name, its model source and its share of the requests relative to the others'."""

    name: str
    source: Literal["optimized", "open"]
    weight: Annotated[float, msgspec.Meta(ge=0)]


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What drawing costs in USD: by the hour of an instance, or by the image. Both None where it is unknown."""

    usd_per_instance_hour: Annotated[float, msgspec.Meta(ge=0)] | None = None
    usd_per_image: Annotated[float, msgspec.Meta(ge=0)] | None = None


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How visitors of the creators' page identify themselves.

    The texts are empty with API keys. `login_url` is the address of the user pool's sign-in pages, without a slash at
    its end.
    """

    mode: Literal["api_key", "cognito"]
    login_url: str = ""
    client_id: str = ""
    scope: str = ""


class ContentCredentialsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How images are signed: the ARN of the KMS key, and what happens to an image that cannot be signed.

    The certificate chain is a file in the function's package (`marks/credentials.py`).
    """

    key_arn: str
    on_failure: Literal["fail", "unsigned"]


Metadata = Literal["parameters", "declaration"]
METADATA: tuple[Metadata, ...] = get_args(Metadata)

# What the only variant of an endpoint, and a model of Bedrock, are called in metrics.
PRIMARY_VARIANT = "primary"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the deployment decides for the function; a caller cannot choose any of it.

    Texts are empty where they do not apply: `endpoint_name` with the source `bedrock`, the Bedrock ones with any other,
    `idempotency_table` where answers are not kept.
    """

    environment: str
    model_source: ModelSource
    endpoint_name: str
    images_bucket: str
    image_link_ttl_seconds: int
    timeout_seconds: int
    cors_allow_origins: tuple[str, ...]
    bedrock_model_id: str = ""
    bedrock_inpaint_model_id: str = ""
    bedrock_model_family: BedrockModelFamily | Literal[""] = ""
    bedrock_region: str = ""
    idempotency_table: str = ""
    # Of an endpoint whose model is an inference component; empty for every other endpoint.
    inference_component: str = ""
    refused_terms: tuple[str, ...] = ()
    styles: tuple[Style, ...] = ()
    # What the source `open`, which draws no masks, does with them.
    masks: Masks = "approximate"
    # Empty where the endpoint has one variant, which SageMaker then chooses by itself.
    variants: tuple[VariantSettings, ...] = ()
    prices: dict[str, Price] = {}
    # None where the environment has no creators' page.
    console: ConsoleSettings | None = None
    # What image files say of themselves.
    metadata: tuple[Metadata, ...] = ()
    # None where images are not signed.
    content_credentials: ContentCredentialsSettings | None = None

    @property
    def writes_parameters(self) -> bool:
        """Whether image files hold the settings that they were made with."""
        return "parameters" in self.metadata

    @property
    def writes_declaration(self) -> bool:
        """Whether image files declare that a model made them."""
        return "declaration" in self.metadata

    @property
    def sources(self) -> frozenset[ModelSource]:
        """Every model source that may draw a request."""
        return frozenset({self.model_source, *(variant.source for variant in self.variants)})

    @property
    def style_names(self) -> frozenset[str]:
        """Every style that a caller can name: the built-in ones and the team's."""
        return frozenset(style.name for style in (*BUILT_IN_STYLES, *self.styles))


def load_settings(variables: Mapping[str, str]) -> Settings:
    """Read the settings from environment variables, normally `os.environ`.

    Raises:
        SettingsError: naming every variable that is missing or wrong, with its value and what is allowed.
    """
    reader = _Reader(variables)
    source = reader.choice("SDXL_MODEL_SOURCE", MODEL_SOURCES)
    # Each source has its own variables; those of the others are not there.
    is_bedrock = source == "bedrock"
    settings = Settings(
        environment=reader.text("SDXL_ENVIRONMENT"),
        model_source=cast("ModelSource", source),
        endpoint_name=reader.text("SDXL_ENDPOINT_NAME", required=not is_bedrock),
        images_bucket=reader.text("SDXL_IMAGES_BUCKET"),
        # A presigned link lives seven days at most (Signature Version 4).
        image_link_ttl_seconds=reader.whole_number("SDXL_IMAGE_LINK_TTL_SECONDS", least=1, most=604_800),
        # Below 3 s nothing is left for the model after the margins; 900 s is the longest a Lambda function runs.
        timeout_seconds=reader.whole_number("SDXL_TIMEOUT_SECONDS", least=3, most=900),
        cors_allow_origins=tuple(
            origin
            for part in reader.text("SDXL_CORS_ALLOW_ORIGINS", required=False).split(",")
            if (origin := part.strip())
        ),
        bedrock_model_id=reader.text("SDXL_BEDROCK_MODEL_ID", required=is_bedrock),
        bedrock_inpaint_model_id=reader.text("SDXL_BEDROCK_INPAINT_MODEL_ID", required=False),
        bedrock_model_family=cast(
            "BedrockModelFamily",
            reader.choice("SDXL_BEDROCK_MODEL_FAMILY", BEDROCK_MODEL_FAMILIES, required=is_bedrock),
        ),
        bedrock_region=reader.text("SDXL_BEDROCK_REGION", required=is_bedrock),
        masks=cast("Masks", reader.choice("SDXL_MASKS", MASKS, required=False) or "approximate"),
        inference_component=reader.text("SDXL_INFERENCE_COMPONENT", required=False),
        idempotency_table=reader.text("SDXL_IDEMPOTENCY_TABLE", required=False),
        refused_terms=reader.json("SDXL_REFUSED_TERMS", tuple[_Term, ...], ()),
        styles=reader.json("SDXL_STYLES", tuple[Style, ...], ()),
        variants=reader.json("SDXL_VARIANTS", tuple[VariantSettings, ...], ()),
        prices=reader.json("SDXL_PRICES", dict[str, Price], {}),
        console=reader.json("SDXL_CONSOLE", ConsoleSettings, None),
        metadata=cast("tuple[Metadata, ...]", reader.choices("SDXL_METADATA", METADATA)),
        content_credentials=reader.json("SDXL_CONTENT_CREDENTIALS", ContentCredentialsSettings, None),
    )
    if reader.problems:
        raise SettingsError(
            f"The function's environment variables are wrong: {'; '.join(reader.problems)}. "
            "The Api stack sets them: deploy it again."
        )
    return settings


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[str] = []

    def text(self, name: str, *, required: bool = True) -> str:
        value = self._variables.get(name, "").strip()
        if required and not value:
            self.problems.append(f"{name} is not set")
        return value

    def choice(self, name: str, choices: Sequence[str], *, required: bool = True) -> str:
        value = self.text(name, required=required)
        if value and value not in choices:
            self.problems.append(f"{name} is {value!r}, allowed is one of {', '.join(choices)}")
        return value

    def choices(self, name: str, choices: Sequence[str]) -> tuple[str, ...]:
        """The texts of a list with commas between them; empty where the variable is not set."""
        found = tuple(part.strip() for part in self.text(name, required=False).split(",") if part.strip())
        for value in found:
            if value not in choices:
                self.problems.append(f"{name} holds {value!r}, allowed are {', '.join(choices)}")
        return found

    def whole_number(self, name: str, *, least: int, most: int) -> int:
        value = self.text(name)
        if not value:
            return least
        if not value.isascii() or not value.isdecimal() or not least <= int(value) <= most:
            self.problems.append(f"{name} is {value!r}, allowed is a whole number from {least} to {most}")
            return least
        return int(value)

    def json(self, name: str, kind: type[ValueT], nothing: NothingT) -> ValueT | NothingT:
        value = self.text(name, required=False)
        try:
            return msgspec.json.decode(value, type=kind) if value else nothing
        except msgspec.DecodeError as exc:
            self.problems.append(f"{name} is {value[:100]!r}, which cannot be read: {exc}")
            return nothing
