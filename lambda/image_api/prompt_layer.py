"""What happens to a request between a dialect and a model: refused terms are found, and styles become words.

Every dialect and every model passes through here, so that neither has to know of the other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from image_api.errors import RefusedPromptError
from image_api.request import STYLE_PRESETS, GenerationRequest, TextPrompt
from image_api.settings import Settings
from image_api.styles import BUILT_IN_STYLES, Style

# Unicode 17.0, DerivedCoreProperties.txt, Default_Ignorable_Code_Point; reserved ones included.
_DEFAULT_IGNORABLE = (
    ("\u00ad", "\u00ad"),
    ("\u034f", "\u034f"),
    ("\u061c", "\u061c"),
    ("\u115f", "\u1160"),
    ("\u17b4", "\u17b5"),
    ("\u180b", "\u180f"),
    ("\u200b", "\u200f"),
    ("\u202a", "\u202e"),
    ("\u2060", "\u206f"),
    ("\u3164", "\u3164"),
    ("\ufe00", "\ufe0f"),
    ("\ufeff", "\ufeff"),
    ("\uffa0", "\uffa0"),
    ("\ufff0", "\ufff8"),
    ("\U0001bca0", "\U0001bca3"),
    ("\U0001d173", "\U0001d17a"),
    ("\U000e0000", "\U000e0fff"),
)
_WORDS = re.compile(r"[^\W_]+")


class PromptLayer:
    """The deployment's refused terms and styles."""

    def __init__(self, settings: Settings) -> None:
        self.styles = {style.name: style for style in (*BUILT_IN_STYLES, *settings.styles)}
        self._native = frozenset[str](STYLE_PRESETS) if has_native_styles(settings) else frozenset[str]()
        self._refused = tuple(_sought(term) for term in settings.refused_terms)

    def apply(self, request: GenerationRequest) -> GenerationRequest:
        """`request` as the model gets it; whether there is such a style was checked as it was read.

        Raises:
            RefusedPromptError: a prompt holds a term that this deployment refuses.
        """
        self._check_terms(request.text_prompts)
        if request.style_preset is UNSET:
            return request
        style = self.styles[request.style_preset]
        return request if style.name in self._native else _worded(request, style)

    def _check_terms(self, prompts: Sequence[TextPrompt]) -> None:
        if not self._refused:
            return
        for index, prompt in enumerate(prompts):
            # Prompts of negative weight too: with a cfg_scale near 0 a model draws just what they name.
            if self._holds_term(prompt.text):
                raise RefusedPromptError(
                    f"Invalid prompts detected: text_prompts[{index}].text holds a term that this service refuses. "
                    "Reword it.",
                    field=f"text_prompts[{index}].text",
                )
        # A term may be split over prompts, which models that take one prompt get joined.
        for sign in (1, -1):
            texts = [prompt.text for prompt in prompts if prompt.weight * sign > 0]
            if len(texts) > 1 and self._holds_term(" ".join(texts)):
                raise RefusedPromptError(
                    "Invalid prompts detected: the texts of text_prompts, taken together, hold a term that this "
                    "service refuses. Reword them.",
                    field="text_prompts",
                )

    def _holds_term(self, text: str) -> bool:
        words = f" {_words(text)} "
        return any(term in words for term in self._refused)


def has_native_styles(settings: Settings) -> bool:
    """Whether every model that may draw a request knows Stability AI's style names itself."""
    return settings.sources == {"optimized"} or settings.bedrock_model_family == "sdxl-v1"


def _sought(term: str) -> str:
    """What to look for between the words of a prompt."""
    words = _words(term)
    # Chinese, Japanese and Korean put no spaces between words: there a term counts wherever it stands.
    is_spaced = not any(unicodedata.east_asian_width(character) == "W" for character in words)
    return f" {words} " if is_spaced else words


def _words(text: str) -> str:
    """The words of a text in one spelling: case, width, ligatures and invisible characters make no difference."""
    # Before, because an invisible character keeps its neighbours from being composed; after, because some are made.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _visible(text)).casefold())
    return " ".join(_WORDS.findall(_visible(folded)))


def _visible(text: str) -> str:
    return text if text.isascii() else "".join(character for character in text if not _is_invisible(character))


def _is_invisible(character: str) -> bool:
    """Whether a character is shown as nothing: by Unicode's Default_Ignorable_Code_Point, or as a format control."""
    return unicodedata.category(character) == "Cf" or any(
        first <= character <= last for first, last in _DEFAULT_IGNORABLE
    )


def _worded(request: GenerationRequest, style: Style) -> GenerationRequest:
    """`request` with the style as words, and its parameters where the caller gave none."""
    prompts = [
        TextPrompt(f"{prompt.text}, {style.prompt}", prompt.weight) if prompt.weight > 0 else prompt
        for index, prompt in enumerate(request.text_prompts)
    ]
    if style.negative:
        index = next((index for index, prompt in enumerate(prompts) if prompt.weight < 0), None)
        if index is None:
            prompts.append(TextPrompt(style.negative, -1.0))
        else:
            prompts[index] = TextPrompt(f"{prompts[index].text}, {style.negative}", prompts[index].weight)
    parameters = {
        name: value
        for name, value in msgspec.structs.asdict(style.parameters).items()
        if value is not UNSET and name not in request.given
    }
    return msgspec.structs.replace(request, text_prompts=tuple(prompts), style_preset=UNSET, **parameters)
