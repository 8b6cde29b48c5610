"""`sdxl cost`: what environments cost, and what other model sources would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sdxl.console import print_result, print_table, say
from sdxl.cost.amounts import Amount
from sdxl.cost.bill import EnvironmentCost, Item
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
    every_row: Annotated[
        bool, typer.Option("--all", help="Show a line for each price, with its date and region.")
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

      sdxl cost --env dev --all

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
        _show_environments(costs, images_per_month, every_row=every_row)
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


def _show_environments(costs: Sequence[EnvironmentCost], images_per_month: int | None, *, every_row: bool) -> None:
    def row(name: str, item: str, amounts: Sequence[Amount | None], price: str = "") -> tuple[str, ...]:
        shown = [amount.text() for amount in amounts if amount is not None]
        return (name, item, *shown, price) if every_row else (name, item, *shown)

    volume_title = () if images_per_month is None else (f"{images_per_month:,} images",)
    unused, last = ("",) * len(volume_title), ("",) if every_row else ()
    rows: list[tuple[str, ...]] = []
    for one in costs:
        items = one.items if every_row else (*(item for item in one.items if not item.is_service), one.services())
        rows += [
            row(one.environment, item.name, (item.idle, item.at_volume, item.at_max), item.price_text(one.region))
            for item in items
            if every_row or item not in one.unknown
        ]
        rows.append(row(one.environment, "total", (one.idle, one.at_volume, one.at_max)))
        if images_per_month is not None:
            per_image = _per_image(one.per_image_at_volume)
            rows.append((one.environment, "per image at this volume", "", per_image, "", *last))
        if one.per_image_at_full_load is not None:
            full_load = _per_image(one.per_image_at_full_load)
            rows.append((one.environment, "per image, endpoint fully used", "", *unused, full_load, *last))
    price_title = ("price in USD (date, region)",) if every_row else ()
    print_table(("environment", "USD a month", "idle", *volume_title, "max capacity", *price_title), rows)
    for one in costs:
        if one.unknown:
            say(f"{one.environment}: without a price, so on top: {', '.join(item.name for item in one.unknown)}")
        for note in one.notes:
            say(f"{one.environment}: {note}")
    _show_sources([item for one in costs for item in one.items], every_row=every_row)


def _show_sources(items: Sequence[Item], *, every_row: bool) -> None:
    listed = [item.price for item in items if item.price is not None and (every_row or not item.is_service)]
    for source in dict.fromkeys(price.source for price in listed):
        say(f"Prices: {source}.")
    if not every_row:
        dates = sorted(item.price.as_of for item in items if item.price is not None and item.is_service)
        say(f"Prices of services: list prices of {dates[0]} to {dates[-1]}; each with its source: --all.")


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
