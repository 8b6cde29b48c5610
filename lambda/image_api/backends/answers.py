"""What all models' answers have in common: they are checked strictly, and their errors become this API's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn, TypeVar, get_args

import msgspec

from image_api.errors import STABILITY_ERROR_NAMES, ModelError, ModelRefusalError, RefusedPromptError
from image_api.images import png_base64_problem
from image_api.request import MAX_SEED, Artifact, FinishReason

_FINISH_REASONS: tuple[FinishReason, ...] = get_args(FinishReason)
_MAX_MESSAGE_CHARACTERS = 500

AnswerT = TypeVar("AnswerT")


class ModelErrorBody(msgspec.Struct):
    """An error as Stability AI's model servers write it."""

    name: str = ""
    message: str = ""
    id: str = ""


def read_answer(decoder: msgspec.json.Decoder[AnswerT], body: bytes) -> AnswerT:
    """Parse the body of a model's answer.

    Raises:
        ModelError: it is empty, no JSON, or not of the shape that this model answers in.
    """
    if not body:
        raise ModelError("The model sent an empty answer. Try again; if it persists, its log says why.")
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ModelError("The model's answer cannot be read. Try again; if it persists, its log says why.") from exc


def checked_artifact(artifacts: Sequence[tuple[str, int, str]]) -> Artifact:
    """The one image of an answer, from (base64, seed, finish reason).

    Raises:
        ModelError: there is not exactly one image, or it is not a complete PNG.
    """
    if len(artifacts) != 1:
        raise ModelError(f"The model sent {len(artifacts)} images where one was requested. Try again.")
    image_base64, seed, finish_reason = artifacts[0]
    if finish_reason == "ERROR":
        raise ModelError("The model could not finish the image. Try again, with another seed if it persists.")
    if finish_reason not in _FINISH_REASONS:
        raise ModelError("The model ended with a finish reason that is not known. Try again.")
    if not 0 <= seed <= MAX_SEED:
        raise ModelError("The model's answer names a seed out of range. Try again.")
    if problem := png_base64_problem(image_base64):
        raise ModelError(f"The model's image cannot be used: {problem}. Try again; if it persists, its log says why.")
    return Artifact(image_base64=image_base64, seed=seed, finish_reason=finish_reason)


def raise_model_error(body: ModelErrorBody) -> NoReturn:
    """Answer a model's error object: pass on what the caller can change, and nothing else.

    Raises:
        ModelRefusalError: the name is one of those that say what is wrong with the request.
        ModelError: any other error, without its message, which may hold the model server's internals.
    """
    if body.name in STABILITY_ERROR_NAMES:
        kind = RefusedPromptError if body.name == RefusedPromptError.name else ModelRefusalError
        raise kind(caller_text(body.message) or "The model refused the request without saying why.", name=body.name)
    cause = RuntimeError(f"model error {body.name!r}: {body.message}")
    raise ModelError("The model failed to make the image. Try again; if it persists, its log says why.") from cause


def caller_text(message: str) -> str:
    """A model's own words for a caller: on one line and shortened."""
    text = " ".join(message.split())
    return text if len(text) <= _MAX_MESSAGE_CHARACTERS else f"{text[:_MAX_MESSAGE_CHARACTERS]}..."
