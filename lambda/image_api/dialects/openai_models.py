"""The models that the OpenAI images API of this deployment names, and the names it answers for."""

from __future__ import annotations

import re

import msgspec

from image_api.dialects.http import JSON, HttpReply
from image_api.dialects.openai_errors import UnknownModelError
from image_api.engines import ENGINE_IDS

SHORT_NAME = "sdxl"
OWNER = "stability-ai"
# Stability AI announced SDXL 1.0 on 2023-07-26.
CREATED = 1_690_329_600
# OpenAI's image models, by the names in the `openai` Python package (`ImageModel`): a client that had its base URL and
# key changed and nothing else sends one of them.
_OPENAI_NAMES = re.compile(r"dall-e-[0-9]{1,2}|gpt-image-[0-9a-z.-]{1,60}|chatgpt-image-latest")
_DALL_E = re.compile(r"dall-e-[0-9]{1,2}")


class Model(msgspec.Struct, frozen=True):
    """A model as `GET /v1/models` shows it."""

    id: str
    created: int = CREATED
    object: str = "model"
    owned_by: str = OWNER


def models() -> tuple[Model, ...]:
    """What this deployment draws with: SDXL by its short name, and by the ids of its engines."""
    return tuple(Model(id=name) for name in _own_names())


def check_model(name: str) -> None:
    """Raise `UnknownModelError` unless `name` is answered for."""
    if name not in _own_names() and not _OPENAI_NAMES.fullmatch(name):
        raise UnknownModelError(
            f"There is no model {_printable(name)!r}. Known models: {', '.join(_own_names())}; GET /v1/models has them."
        )


def model_warning(name: str) -> list[str]:
    """What to tell a caller who asked for this model: nothing, or that it is another one that answers."""
    return [] if name in _own_names() else [f"model {name} is answered by SDXL 1.0."]


def answers_with_links(name: str) -> bool:
    """Whether the model of this name answers with links where its caller says nothing, as DALL-E does."""
    return _DALL_E.fullmatch(name) is not None


def models_reply() -> HttpReply:
    """Answer `GET /v1/models`."""
    return _json_reply({"object": "list", "data": models()})


def model_reply(name: str) -> HttpReply:
    """Answer `GET /v1/models/{model}`.

    Raises:
        UnknownModelError: there is no such model.
    """
    check_model(name)
    return _json_reply(Model(id=name))


def _own_names() -> tuple[str, ...]:
    return (SHORT_NAME, *ENGINE_IDS)


def _printable(name: str) -> str:
    return name[:100].encode(errors="backslashreplace").decode()


def _json_reply(value: object) -> HttpReply:
    return HttpReply(status=200, content_type=JSON, body=msgspec.json.encode(value).decode())
