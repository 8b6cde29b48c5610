"""The section `console`: the creators' page that the API serves."""

from __future__ import annotations

from pydantic import Field

from stacks.environment.values import Section


class Console(Section):
    """The page on which creators make images in a browser."""

    enabled: bool | None = Field(
        default=None,
        description="Whether the API serves the page at its root. Left out: yes, but with `api.auth.mode` `iam`, whose "
        "signed requests a page cannot make.",
    )
