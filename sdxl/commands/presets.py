"""`sdxl presets`: the sizes, styles and samplers of a deployment, from its own API."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated

import typer

from sdxl.client import Client, Presets
from sdxl.commands import options
from sdxl.console import print_result, say
from sdxl.deployment.choose import choose_deployment


def presets(
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's whole answer.")] = False,
    env: options.Environment = None,
    local: options.Local = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """List the sizes, styles and samplers that a deployment offers."""
    deployment = choose_deployment(options.target(env, local, url, api_key), note=say)
    say(f"Using {deployment.describe()}")
    with Client(deployment.api_url, deployment.api_key) as client:
        found = client.presets()
    if as_json:
        print_result(json.dumps(found.raw, indent=2))
        return
    for line in _lines(found):
        print_result(line)


def _lines(found: Presets) -> Iterable[str]:
    yield "Sizes (--size)"
    yield from _table((size.name, f"{size.width}x{size.height}", f"{size.label} {size.ratio}") for size in found.sizes)
    yield "Styles (--style)"
    yield from _table((style.name, style.description) for style in found.styles)
    yield "Samplers (--sampler)"
    yield from _table((sampler.name, sampler.description) for sampler in found.samplers if sampler.is_supported)


def _table(rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
