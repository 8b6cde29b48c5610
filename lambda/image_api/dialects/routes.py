"""Every route of every dialect, in the order of the documentation. A new dialect is one line here."""

from __future__ import annotations

from image_api import openapi
from image_api.dialects import openai_images, presets, stability_v1
from image_api.dialects.route import Route

ROUTES: tuple[Route, ...] = (*stability_v1.ROUTES, *presets.ROUTES, *openai_images.ROUTES, *openapi.ROUTES)
