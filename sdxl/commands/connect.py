"""`sdxl connect`: the link with which a creator opens a deployment's page."""

from __future__ import annotations

import httpx2

from sdxl.commands import options
from sdxl.console import print_result, say
from sdxl.deployment.choose import choose_deployment
from sdxl.deployment.record import page_link
from sdxl.errors import SdxlError

_SECONDS = 10


def connect(
    env: options.Environment = None,
    local: options.Local = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """Print the link to a deployment's page for creators, with the key. Whoever has the link can make images."""
    deployment = choose_deployment(options.target(env, local, url, api_key), note=say)
    say(f"Using {deployment.describe()}")
    try:
        answer = httpx2.get(f"{deployment.api_url}/console/access.json", timeout=_SECONDS)
    except httpx2.HTTPError as exc:
        raise SdxlError(f"{deployment.api_url} does not answer: {exc}") from exc
    if answer.status_code != 200:
        raise SdxlError(
            f"{deployment.api_url} serves no page for creators: its environment turned off console.enabled."
        )
    print_result(page_link(deployment))
