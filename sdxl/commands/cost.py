"""`sdxl cost`: what environments cost, and what other model sources would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sdxl.console import print_result, print_table, say
from sdxl.cost.amounts import Amount
from sdxl.cost.bill import EnvironmentCost
from sdxl.cost.comparison import Comparison
from sdxl.cost.comparison import compare as compare_sources
from sdxl.cost.estimate import environment_cost
from sdxl.cost.prices import seconds_per_image as parsed_seconds
from sdxl.cost.week import HOURS_PER_MONTH
from sdxl.errors import SdxlError, UsageError
from sdxl.project import ENVIRONMENTS
from stacks.catalog import CatalogError
from stacks.environment import Environment, EnvironmentFileError, find_environment, load_environments

ALL = "all"


def cost(
    *,
    env: Annotated[
        str | None, typer.Option("--env", metavar="NAME|all", help="Environment; default: all, none with --compare.")
    ] = None,
    images_per_month: Annotated[
        int | None, typer.Option("--images-per-month", metavar="N", help="Monthly volume to compute with.")
    ] = None,
    seconds_per_image: Annotated[
        str | None,
        typer.Option(
            "--seconds-per-image",
            metavar="S|published",
            help="Seconds that one instance takes for one image, as you measured it; or the published A10 figure.",
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare the model sources at --images-per-month.")
    ] = False,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the files are.", show_default="environments/")
    ] = ENVIRONMENTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Show what environments cost a month in USD: idle, at a volume, at max capacity. Needs no AWS account.

    Prices are the catalog's, each with its date; what has none is unknown, and a total with something unknown in it
    is "at least". docs/cost.md says how it is computed.

      sdxl cost --env prod --images-per-month 100000 --seconds-per-image 7.5

      sdxl cost --compare --images-per-month 20000 --seconds-per-image published
    """
    seconds = parsed_seconds(seconds_per_image)
    if images_per_month is not None and images_per_month < 0:
        raise UsageError(f"--images-per-month: received {images_per_month}. Allowed are whole numbers from 0.")
    if compare and images_per_month is None:
        raise UsageError("--compare needs a volume: add --images-per-month N, such as --images-per-month 20000.")
    try:
        costs = [
            environment_cost(environment, images_per_month=images_per_month, seconds_per_image=seconds)
            for environment in (() if compare and env is None else _environments(directory, env or ALL))
        ]
        comparison = compare_sources(images_per_month, seconds) if compare and images_per_month is not None else None
    except CatalogError as exc:
        raise SdxlError(str(exc)) from exc
    if as_json:
        _print_json(costs, comparison, images_per_month)
        return
    if costs:
        _show_environments(costs, images_per_month)
    if comparison is not None:
        if costs:
            print_result("")
        _show_comparison(comparison)


def _environments(directory: Path, name: str) -> Sequence[Environment]:
    try:
        return load_environments(directory) if name == ALL else [find_environment(directory, name)]
    except EnvironmentFileError as exc:
        raise UsageError(str(exc)) from exc


def _print_json(costs: Sequence[EnvironmentCost], comparison: Comparison | None, images_per_month: int | None) -> None:
    content = {
        "currency": "USD",
        "hours_per_month": HOURS_PER_MONTH,
        "images_per_month": images_per_month,
        "environments": [cost.as_json() for cost in costs],
        "comparison": None if comparison is None else comparison.as_json(),
    }
    print_result(json.dumps(content, indent=2))


def _show_environments(costs: Sequence[EnvironmentCost], images_per_month: int | None) -> None:
    def row(name: str, item: str, amounts: tuple[Amount, Amount | None, Amount], price: str) -> tuple[str, ...]:
        idle, at_volume, at_max = amounts
        volume = () if at_volume is None else (at_volume.text(),)
        return (name, item, idle.text(), *volume, at_max.text(), price)

    volume_title = () if images_per_month is None else (f"{images_per_month:,} images",)
    rows: list[tuple[str, ...]] = []
    for one in costs:
        rows += [
            row(one.environment, item.name, (item.idle, item.at_volume, item.at_max), item.price_text(one.region))
            for item in one.items
        ]
        rows.append(row(one.environment, "total", (one.idle, one.at_volume, one.at_max), ""))
        unused = ("",) * len(volume_title)
        if images_per_month is not None:
            rows.append((one.environment, "per image at this volume", "", _per_image(one.per_image_at_volume), "", ""))
        if one.per_image_at_full_load is not None:
            full_load = _per_image(one.per_image_at_full_load)
            rows.append((one.environment, "per image, endpoint fully used", "", *unused, full_load, ""))
    head = ("environment", "USD a month", "idle", *volume_title, "max capacity", "price in USD (date, region)")
    print_table(head, rows)
    for one in costs:
        for note in one.notes:
            say(f"{one.environment}: {note}")
    for source in dict.fromkeys(item.price.source for one in costs for item in one.items if item.price is not None):
        say(f"Prices: {source}.")


def _show_comparison(comparison: Comparison) -> None:
    print_table(
        ("model source", "on", "instances", "USD a month", "USD per image", "price in USD (date, region)"),
        [
            (
                source.source,
                source.model,
                "-" if source.instances is None else str(source.instances),
                source.month.text(),
                _per_image(source.per_image),
                "; ".join(filter(None, (source.price.text(), source.note))),
            )
            for source in comparison.sources
        ],
    )
    print_result("")
    print_table(
        ("endpoint", "on", "costs no more than", "from images a month"),
        [(one.source, one.instance_type, one.bedrock_model, one.text()) for one in comparison.break_even],
    )
    for note in comparison.notes:
        say(f"note: {note}.")
    for text in dict.fromkeys(source.price.source for source in comparison.sources):
        say(f"Prices: {text}.")


def _per_image(amount: Amount | None) -> str:
    return "-" if amount is None else amount.text(5)
