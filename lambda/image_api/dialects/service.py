"""What the service says of itself: whether it is healthy, how it is described, and what user interfaces need.

`GET /v1/presets` has everything that a user interface for creators is built from: sizes by their intended use, samplers
and styles with a line that explains each, every parameter with its bounds, its recommended range and its default, which
of them are advanced, and what the deployed model can do.

`GET /openapi.json` serves the committed document (`tools/openapi_document.py` makes it from the routes) with what only
a request and its deployment know: the address, the names of the team's styles, and whether there is a creators' page.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from image_api.bodies import BODIES
from image_api.dialects import console
from image_api.dialects.http import JSON, HttpReply, HttpRequest, json_reply
from image_api.dialects.route import Convention, Deployment, PlainRoute
from image_api.dialects.stability_v1 import StabilityErrorBody, error_body, error_reply
from image_api.endpoint_health import NOT_READY_SECONDS
from image_api.engines import ENGINE_ID
from image_api.errors import ModelNotReadyError
from image_api.json_schema import JsonSchema, schema_of
from image_api.presets import (
    ADVANCED_PARAMETERS,
    DEFAULT_SIZE_NAME,
    RECOMMENDED_RANGES,
    SAMPLER_NOTES,
    SIZE_PRESETS,
    TRAINED_SIZES,
)
from image_api.request import (
    DEFAULT_SAMPLER,
    MAX_IMAGE_BYTES,
    MAX_PIXELS,
    MAX_PROMPT_CHARACTERS,
    MIN_SIDE,
    OPERATIONS,
    SIZE_STEP,
    STYLE_PRESETS,
    Operation,
)
from image_api.styles import BUILT_IN_STYLES

DOCUMENT_PATH = "/openapi.json"
DOCUMENT_FILE = Path(__file__).resolve().parents[1] / "openapi.json"
_STYLE_FIELD = "style_preset"
# What a schema says of a parameter that a user interface shows.
_BOUNDS = ("type", "minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "default")

_UNSUPPORTED: dict[Operation, str] = {
    "text-to-image": "The model that is deployed here cannot draw from words alone.",
    "image-to-image": "The model that is deployed here cannot start from an image.",
    "masking": "The model that is deployed here cannot repaint a part of an image.",
}

_Side = Annotated[int, Meta(ge=1)]
_Number = int | float | UnsetType


class HealthBody(msgspec.Struct):
    """Whether the model can be called."""

    status: Annotated[
        Literal["ok", "degraded"],
        Meta(description="degraded: SageMaker does not say whether the model is in service; images may come."),
    ]
    environment: str
    model_source: str
    endpoint_status: Annotated[
        str, Meta(description="SageMaker's EndpointStatus, NotFound or Unknown; with a Bedrock model NoEndpoint.")
    ]


class UnhealthyBody(StabilityErrorBody, kw_only=True):
    """An error, with what a healthy service answers: whether the model can be called."""

    status: Literal["unavailable"]
    environment: str
    model_source: str
    endpoint_status: str


class SizePresetBody(msgspec.Struct):
    """A size by its intended use."""

    name: str
    label: str
    ratio: str
    width: _Side
    height: _Side
    default: bool


class SamplerBody(msgspec.Struct):
    """A sampler, and whether the deployed model has it."""

    name: str
    description: str
    supported: bool
    recommended: bool


class StyleBody(msgspec.Struct):
    """A style, and whose it is."""

    name: str
    label: str
    description: str
    origin: Literal["built-in", "team"]


class ParameterBody(
    msgspec.Struct,
    kw_only=True,
    rename={
        "multiple_of": "multipleOf",
        "min_length": "minLength",
        "max_length": "maxLength",
        "min_items": "minItems",
        "max_items": "maxItems",
    },
):
    """A parameter with what its schema says of it, and the range that is recommended."""

    description: str
    advanced: bool
    supported: bool
    operations: Annotated[list[Operation], Meta(min_length=1)]
    type: str
    minimum: _Number = UNSET
    maximum: _Number = UNSET
    multiple_of: _Number = UNSET
    min_length: int | UnsetType = UNSET
    max_length: int | UnsetType = UNSET
    min_items: int | UnsetType = UNSET
    max_items: int | UnsetType = UNSET
    default: str | int | float | UnsetType = UNSET
    choices: list[str] | UnsetType = UNSET
    recommended_minimum: _Number = UNSET
    recommended_maximum: _Number = UNSET


class UnsupportedOperationBody(msgspec.Struct):
    """What the deployed model cannot do, in a sentence for those who would like to."""

    operation: Operation
    reason: str


class LimitsBody(msgspec.Struct):
    """Limits that are none of a single parameter."""

    prompt_characters: Annotated[_Side, Meta(description="Characters of one prompt.")]
    pixels: Annotated[_Side, Meta(description="Width times height, of images and of init images.")]
    side_minimum_pixels: Annotated[_Side, Meta(description="The shortest side.")]
    side_multiple_pixels: Annotated[_Side, Meta(description="What every side is a multiple of.")]
    image_bytes: Annotated[_Side, Meta(description="Init image and mask together, as files.")]
    answer_seconds: Annotated[_Side, Meta(description="Seconds after which a request is answered with 504.")]


class PresetsBody(msgspec.Struct):
    """What a user interface can be built from."""

    model_source: str
    engine_id: Annotated[str, Meta(description="The engine for the paths of the generation routes.")]
    operations: Annotated[list[Operation], Meta(min_length=1)]
    unsupported_operations: list[UnsupportedOperationBody]
    limits: LimitsBody
    sizes: list[SizePresetBody]
    trained_sizes: list[Annotated[str, Meta(pattern="^[0-9]+x[0-9]+$")]]
    samplers: list[SamplerBody]
    styles: list[StyleBody]
    parameters: dict[str, ParameterBody]
    max_text_prompts: _Side


class OpenAPIBody(msgspec.Struct):
    """A document of OpenAPI 3.1."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


def health_reply(http: HttpRequest, deployment: Deployment) -> HttpReply:
    """Answer `GET /health`: 200 while the model is in service, as far as is known, else 503."""
    status = deployment.health.status()
    settings, health, endpoint_status = deployment.settings, status.health, status.name
    if health != "unavailable":
        return json_reply(200, HealthBody(health, settings.environment, settings.model_source, endpoint_status))
    error = ModelNotReadyError(
        f"The model's endpoint is not in service: its status is {endpoint_status}. Try again later.",
        retry_after_seconds=NOT_READY_SECONDS,
    )
    body = UnhealthyBody(
        **msgspec.structs.asdict(error_body(error, http.id)),
        status="unavailable",
        environment=settings.environment,
        model_source=settings.model_source,
        endpoint_status=endpoint_status,
    )
    return json_reply(error.status, body, error.headers)


def document_reply(http: HttpRequest, deployment: Deployment) -> HttpReply:
    """Answer `GET /openapi.json`."""
    return HttpReply(
        status=200,
        content_type=JSON,
        body=served_text(
            http.url.removesuffix(DOCUMENT_PATH),
            tuple(style.name for style in deployment.settings.styles),
            has_console=deployment.settings.console is not None,
        ),
        headers={"Cache-Control": "public, max-age=300"},
    )


@lru_cache(maxsize=4)
def served_text(base_url: str, style_names: tuple[str, ...], *, has_console: bool) -> str:
    """The document for an API at `base_url` (empty for an unknown address), with these styles among the others."""
    document: dict[str, Any] = msgspec.json.decode(DOCUMENT_FILE.read_bytes())
    if not has_console:
        for path in console.PATHS:
            del document["paths"][path]
    if base_url:
        document["servers"] = [{"url": base_url}]
    for schema in document["components"]["schemas"].values():
        style = schema.get("properties", {}).get(_STYLE_FIELD, {})
        # In a form it may be blank, too.
        for choice in (style, *style.get("anyOf", ())):
            if "enum" in choice:
                choice["enum"] += [name for name in style_names if name not in choice["enum"]]
    return msgspec.json.encode(document).decode()


def presets_reply(_: HttpRequest, deployment: Deployment) -> HttpReply:
    """Answer `GET /v1/presets` with this deployment's presets."""
    settings, able = deployment.settings, deployment.capabilities
    body = PresetsBody(
        model_source=settings.model_source,
        engine_id=ENGINE_ID,
        operations=[operation for operation in OPERATIONS if operation in able.operations],
        unsupported_operations=[
            UnsupportedOperationBody(operation, _UNSUPPORTED[operation])
            for operation in OPERATIONS
            if operation not in able.operations
        ],
        limits=LimitsBody(
            prompt_characters=MAX_PROMPT_CHARACTERS,
            pixels=MAX_PIXELS,
            side_minimum_pixels=MIN_SIDE,
            side_multiple_pixels=SIZE_STEP,
            image_bytes=MAX_IMAGE_BYTES,
            answer_seconds=settings.timeout_seconds,
        ),
        sizes=[
            SizePresetBody(
                preset.name,
                preset.label,
                preset.ratio,
                preset.width,
                preset.height,
                preset.name == DEFAULT_SIZE_NAME,
            )
            for preset in SIZE_PRESETS
        ],
        trained_sizes=[f"{width}x{height}" for width, height in sorted(TRAINED_SIZES, reverse=True)],
        samplers=[
            SamplerBody(name, note, supported=name in able.samplers, recommended=name == DEFAULT_SAMPLER)
            for name, note in SAMPLER_NOTES.items()
        ],
        styles=[
            StyleBody(style.name, style.label, style.description, "built-in" if style.name in STYLE_PRESETS else "team")
            for style in (*BUILT_IN_STYLES, *settings.styles)
        ],
        parameters={
            name: msgspec.convert({**fields, "supported": name in able.parameters}, ParameterBody)
            for name, fields in _parameters().items()
        },
        max_text_prompts=able.max_text_prompts,
    )
    return json_reply(200, body)


@cache
def _parameters() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        for name, schema in schema_of(BODIES[operation])["properties"].items():
            parameter = found.setdefault(name, _parameter(name, schema))
            parameter["operations"].append(operation)
    return found


def _parameter(name: str, schema: JsonSchema) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "description": schema["description"],
        "advanced": name in ADVANCED_PARAMETERS,
        "operations": [],
        **{keyword: schema[keyword] for keyword in _BOUNDS if keyword in schema},
    }
    # Samplers have their own list.
    if "enum" in schema and name != "sampler":
        fields["choices"] = schema["enum"]
    if name in RECOMMENDED_RANGES:
        fields["recommended_minimum"], fields["recommended_maximum"] = RECOMMENDED_RANGES[name]
    return fields


_CONVENTION = Convention(name="Service", error_reply=error_reply, error_body=StabilityErrorBody)

ROUTES: tuple[PlainRoute, ...] = (
    PlainRoute(
        method="GET",
        path="/v1/presets",
        operation_id="listPresets",
        summary="Sizes, samplers, styles and parameters with their bounds, for user interfaces",
        convention=_CONVENTION,
        answers={JSON: PresetsBody},
        answer=presets_reply,
    ),
    PlainRoute(
        method="GET",
        path="/health",
        operation_id="health",
        summary="Whether the model is in service",
        convention=_CONVENTION,
        answers={JSON: HealthBody},
        error_bodies={503: UnhealthyBody},
        is_open=True,
        answer=health_reply,
    ),
    PlainRoute(
        method="GET",
        path=DOCUMENT_PATH,
        operation_id="openapi",
        summary="This document",
        convention=_CONVENTION,
        answers={JSON: OpenAPIBody},
        is_open=True,
        answer=document_reply,
    ),
)
