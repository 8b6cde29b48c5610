"""API Gateway authorizers as moto lacks them: the validation expression, which moto loses to a misspelling."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from moto.apigateway.models import Authorizer


def install() -> None:
    """Mend moto's authorizers."""
    if not hasattr(Authorizer.__init__, "keeps_validation"):
        Authorizer.__init__ = _keep_validation(Authorizer.__init__)


def _keep_validation(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def initialize(self: Authorizer, *args: Any, **kwargs: Any) -> None:
        expression = kwargs.pop("identiy_validation_expression", None)
        original(self, *args, **{"identity_validation_expression": expression, **kwargs})

    initialize.keeps_validation = True  # type: ignore[attr-defined]
    return initialize
