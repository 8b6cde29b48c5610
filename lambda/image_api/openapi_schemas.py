"""The schemas of the OpenAPI document: bodies from those that check requests, answers as the dialects write them."""

from __future__ import annotations

from typing import Any, get_args

from image_api.dialects.openai_parameters import edit_schema, generation_schema, variation_schema
from image_api.request import MAX_SEED, MAX_TEXT_PROMPTS, OPERATIONS, FinishReason, Operation
from image_api.schema import request_schema

JsonSchema = dict[str, Any]

_BINARY = {"type": "string", "format": "binary"}
_SEED: JsonSchema = {"type": "integer", "minimum": 0, "maximum": MAX_SEED, "description": "Asked for, gives it again."}
_FINISH_REASON: JsonSchema = {"type": "string", "enum": list(get_args(FinishReason))}
_LINK: JsonSchema = {"type": "string", "format": "uri", "description": "A link to the image, which expires."}


def reference(name: str) -> JsonSchema:
    """A reference to the schema of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas() -> JsonSchema:
    """Every schema, by name."""
    return {**_bodies(), **_answers(), **_errors()}


def _bodies() -> JsonSchema:
    image = {**_BINARY, "description": "The image to start from: PNG, JPEG or WebP, of any size up to 4096x4096."}
    return {
        "TextToImage": _body("text-to-image"),
        "ImageToImage": _body("image-to-image"),
        "ImageToImageForm": _form("image-to-image"),
        "Masking": _body("masking"),
        "MaskingForm": _form("masking"),
        "ImageGeneration": _nullable(generation_schema()),
        "ImageEdit": _with_files(
            edit_schema(),
            {
                "image": image,
                "image[]": {**image, "description": "In place of image: the same, as clients send a list of one."},
                "mask": {
                    **_BINARY,
                    "description": "Transparent where the image is to be repainted; of the image's size. Left out: "
                    "what is transparent in the image is repainted, or else the whole image follows the prompt.",
                },
            },
        ),
        "ImageVariation": _with_files(
            variation_schema(), {"image": image, "image[]": {**image, "description": "In place of image: the same."}}
        ),
    }


def _body(operation: Operation) -> JsonSchema:
    return {keyword: value for keyword, value in request_schema(operation).items() if keyword != "$schema"}


def _form(operation: Operation) -> JsonSchema:
    """A body's fields in multipart/form-data, with the prompts one by one and the images as files."""
    body = _body(operation)
    properties: JsonSchema = dict(body["properties"])
    prompt = properties.pop("text_prompts")["items"]["properties"]
    extras = properties.pop("extras")["properties"]
    files = {
        name: {**_BINARY, "description": properties[name]["description"].removesuffix("; base64 in JSON.") + "."}
        for name in ("init_image", "mask_image")
        if name in properties
    }
    first = {f"text_prompts[0][{name}]": schema for name, schema in prompt.items()}
    flat_extras = {f"extras[{name}]": schema for name, schema in extras.items()}
    required = [name for name in body["required"] if name != "text_prompts"]
    return {
        "title": f"{body['title']}Form",
        "description": body["description"],
        "type": "object",
        "properties": {**first, **properties, **files, **flat_extras},
        "patternProperties": {
            rf"^text_prompts\[[1-{MAX_TEXT_PROMPTS - 1}]\]\[{name}\]$": schema for name, schema in prompt.items()
        },
        "required": ["text_prompts[0][text]", *required],
        "additionalProperties": False,
    }


def _with_files(schema: JsonSchema, files: JsonSchema) -> JsonSchema:
    return {**schema, "properties": {**files, **schema["properties"]}, "anyOf": _one_of_required("image", "image[]")}


def _one_of_required(*names: str) -> list[JsonSchema]:
    return [{"required": [name]} for name in names]


def _nullable(schema: JsonSchema) -> JsonSchema:
    """`schema` with null allowed for what may be left out."""
    required = schema.get("required", [])
    properties = {name: field if name in required else _or_null(field) for name, field in schema["properties"].items()}
    return {**schema, "properties": properties}


def _or_null(schema: JsonSchema) -> JsonSchema:
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **enum}


def _answers() -> JsonSchema:
    return {
        "Artifacts": _object({"artifacts": {"type": "array", "minItems": 1, "items": reference("Artifact")}}),
        "Artifact": {
            **_object(
                {
                    "base64": {"type": "string", "format": "byte", "description": "The image, a PNG."},
                    "url": {**_LINK, "description": "In place of base64 where the image does not fit into the answer."},
                    "seed": _SEED,
                    "finishReason": _FINISH_REASON,
                },
                optional=("base64", "url"),
            ),
            "oneOf": _one_of_required("base64", "url"),
        },
        "Images": _object(
            {
                "created": {"type": "integer", "description": "When, in seconds since 1970."},
                "background": {"type": "string", "enum": ["opaque"]},
                "output_format": {"type": "string", "enum": ["png"]},
                "size": {"type": "string", "pattern": "^[0-9]+x[0-9]+$"},
                "data": {"type": "array", "minItems": 1, "items": reference("Image")},
            }
        ),
        "Image": {
            **_object(
                {
                    "b64_json": {"type": "string", "format": "byte", "description": "The image, a PNG."},
                    "url": {
                        **_LINK,
                        "description": "A link to the image, which expires: where response_format is url, "
                        "and where the image does not fit into the answer.",
                    },
                    "seed": _SEED,
                    "finish_reason": _FINISH_REASON,
                },
                optional=("b64_json", "url"),
            ),
            "oneOf": _one_of_required("b64_json", "url"),
        },
        "Model": _object(
            {
                "id": {"type": "string"},
                "created": {"type": "integer"},
                "object": {"type": "string", "enum": ["model"]},
                "owned_by": {"type": "string"},
            }
        ),
        "Models": _object(
            {
                "object": {"type": "string", "enum": ["list"]},
                "data": {"type": "array", "minItems": 1, "items": reference("Model")},
            }
        ),
        "Engine": _object(
            {
                "id": {"type": "string"},
                "name": {"type": "string"},
                "description": {"type": "string"},
                "type": {"type": "string", "enum": ["PICTURE"]},
            }
        ),
        "Engines": {"type": "array", "minItems": 1, "items": reference("Engine")},
        "Balance": _object({"credits": {"type": "number"}}),
        **_presets(),
        "OpenAPI": _object({"openapi": {"type": "string"}, "info": {"type": "object"}, "paths": {"type": "object"}}),
        "Health": _object(
            {
                "status": {"type": "string", "enum": ["ok", "unavailable"]},
                "environment": {"type": "string"},
                "model_source": {"type": "string"},
                "endpoint_status": {
                    "type": "string",
                    "description": "SageMaker's EndpointStatus, NotFound or Unknown; with a Bedrock model NoEndpoint.",
                },
            }
        ),
        "Unhealthy": {"allOf": [reference("Health"), reference("StabilityError")]},
    }


def _presets() -> JsonSchema:
    text: JsonSchema = {"type": "string"}
    flag: JsonSchema = {"type": "boolean"}
    side: JsonSchema = {"type": "integer", "minimum": 1}
    operation: JsonSchema = {"type": "string", "enum": list(OPERATIONS)}
    size = _object({"name": text, "label": text, "ratio": text, "width": side, "height": side, "default": flag})
    sampler = _object({"name": text, "description": text, "supported": flag, "recommended": flag})
    style = _object({"name": text, "description": text, "origin": {"type": "string", "enum": ["built-in", "team"]}})
    # Beside these, what the schema of a body says of the parameter, and the range that is recommended.
    parameter = _object(
        {
            "description": text,
            "advanced": flag,
            "supported": flag,
            "operations": {"type": "array", "items": operation, "minItems": 1},
        }
    )
    return {
        "Presets": {
            **_object(
                {
                    "model_source": text,
                    "operations": {"type": "array", "items": operation, "minItems": 1},
                    "sizes": {"type": "array", "items": size},
                    "trained_sizes": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]+x[0-9]+$"}},
                    "samplers": {"type": "array", "items": sampler},
                    "styles": {"type": "array", "items": style},
                    "parameters": {"type": "object", "additionalProperties": parameter},
                    "max_text_prompts": side,
                }
            ),
            "description": "What a user interface can be built from.",
        }
    }


def _errors() -> JsonSchema:
    text = {"type": "string"}
    inner = _object({"message": text, "type": text, "param": {"type": ["string", "null"]}, "code": text})
    return {
        "StabilityError": {
            **_object({"id": {**text, "description": "The id of the request."}, "name": text, "message": text}),
            "description": "An error as Stability AI's REST API v1 writes it.",
        },
        "OpenAIError": {
            **_object({"error": inner}),
            "description": "An error as the OpenAI API writes it.",
        },
    }


def _object(properties: JsonSchema, *, optional: tuple[str, ...] = ()) -> JsonSchema:
    """An object with these properties. Answers may gain properties, so it is not closed."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}
