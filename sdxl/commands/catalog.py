"""`sdxl catalog`: the AWS facts that deployments are made with - shown, confirmed, renewed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from sdxl.console import Progress, print_result, print_table, say
from sdxl.errors import SdxlError
from sdxl.project import write_text
from stacks.catalog import Catalog, CatalogError, load_catalog
from stacks.catalog.jumpstart import REGION, fetch_open_spec
from stacks.catalog.reader import CATALOG_DIRECTORY, CATALOG_FILES, parse_catalog
from stacks.catalog.refresh import CATALOG_FILE, catalog_text, changes, open_catalog
from stacks.catalog.verify import SageMakerCore, sagemaker_core
from stacks.catalog.verify import verify as verify_catalog

app = typer.Typer(
    help="AWS facts that deployments are made with: container images, model packages, instance types, prices.",
    no_args_is_help=True,
)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command()
def show(
    *,
    as_json: _Json = False,
    every_row: Annotated[bool, typer.Option("--all", help="Show the types that no model source runs on too.")] = False,
) -> None:
    """Show the instance types: GPU, quota code, price, and which model source runs on them.

    Without --all, only the types that a model source runs on; JSON has all of them. Unknown figures are shown as
    unknown. The price is on demand, without the Marketplace software charge.
    """
    catalog = _catalog()
    runs_on = {
        name: [source for source in catalog.sources if name in catalog.supported_instance_types(source)]
        for name in catalog.instances
    }
    prices = next(iter(catalog.instances.values()))
    if as_json:
        provenance = {
            name: {"source": group.source, "as_of": group.as_of} for name, group in catalog.provenance.items()
        }
        regions = {source: list(catalog.regions(source)) for source in catalog.sources}
        shown = ("gpu", "gpu_count", "gpu_memory_gb", "has_nvme", "quota_code", "usd_per_hour")
        rows = [
            {"instance_type": name, **{key: getattr(instance, key) for key in shown}, "sources": runs_on[name]}
            for name, instance in catalog.instances.items()
        ]
        content = {"instance_types": rows, "regions": regions, "price_region": prices.price_region}
        print_result(json.dumps({**content, "provenance": provenance}, indent=2))
        return
    print_table(
        ("instance type", "GPU", "count", "GB each", "USD/hour", "quota code", "model sources"),
        [
            (
                instance.name,
                instance.gpu,
                instance.gpu_count,
                instance.gpu_memory_gb,
                _or_unknown(instance.usd_per_hour),
                _or_unknown(instance.quota_code),
                ", ".join(runs_on[instance.name]) or "-",
            )
            for instance in catalog.instances.values()
            if every_row or runs_on[instance.name]
        ],
    )
    hidden = 0 if every_row else sum(not sources for sources in runs_on.values())
    if hidden:
        say(f"{hidden} more instance types, on which no model source runs: --all.")
    say(f"Prices: {prices.price_source}, {prices.price_as_of}.")


@app.command()
def verify(*, as_json: _Json = False) -> None:
    """Confirm the catalog against the installed sagemaker-core and against itself. Needs no network.

    Exit code 1 when anything differs.
    """
    catalog = _catalog()
    with Progress("Reading the container images that sagemaker-core knows"):
        sdk = _sagemaker_core(catalog)
    findings = verify_catalog(catalog, sdk)
    if as_json:
        content = [vars(finding) for finding in findings]
        print_result(json.dumps({"sagemaker_core": sdk.version, "findings": content}, indent=2))
    elif findings:
        rows = [(finding.subject, finding.text, finding.catalog, finding.expected) for finding in findings]
        print_table(("where", "what", "catalog", "expected"), rows)
    else:
        print_table(
            ("what", "count", "confirmed by"),
            [
                ("Open: container images by region", len(catalog.regions("open")), f"sagemaker-core {sdk.version}"),
                ("Open: content buckets by region", len(catalog.regions("open")), f"sagemaker-core {sdk.version}"),
                ("Open: artifacts by region", len(catalog.regions("open")), "consistency only"),
                ("Optimized: model packages by region", len(catalog.regions("optimized")), "consistency only"),
                ("instance types", len(catalog.instances), "consistency only"),
            ],
        )
    if findings:
        say(f"{len(findings)} differences. `sdxl catalog refresh` renews the Open variant when there is a network.")
        raise typer.Exit(1)


@app.command()
def refresh(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 when something differs.")] = False,
) -> None:
    """Renew the Open variant's facts from the JumpStart manifest. Needs a network, no AWS credentials.

    Model packages, quota codes and prices have no public source that can be read without an account: they stay.
    """
    path = CATALOG_DIRECTORY / CATALOG_FILE
    try:
        with Progress("Reading the JumpStart manifest"):
            sdk = _sagemaker_core(_catalog())
            fetched = fetch_open_spec(sdk.content_buckets[REGION])
        today = datetime.now(UTC).date().isoformat()
        new = open_catalog(fetched.spec, sdk.content_buckets, source=fetched.source, as_of=today)
        files = {name: json.loads((CATALOG_DIRECTORY / name).read_text(encoding="utf-8")) for name in CATALOG_FILES}
        found = changes(files[CATALOG_FILE], new)
        findings = verify_catalog(parse_catalog({**files, CATALOG_FILE: new}), sdk)
    except CatalogError as exc:
        raise SdxlError(str(exc)) from exc
    for change in found:
        print_result(str(change))
    for finding in findings:
        say(f"note: {finding}")
    if not check:
        write_text(path, catalog_text(new))
    outcome = "would change" if check else "changed"
    say(f"{path.name}: {len(found)} values {outcome} (from {fetched.source}).")
    if check and found:
        raise typer.Exit(1)


def _catalog() -> Catalog:
    try:
        return load_catalog()
    except CatalogError as exc:
        raise SdxlError(str(exc)) from exc


def _sagemaker_core(catalog: Catalog) -> SageMakerCore:
    try:
        return sagemaker_core(catalog)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] != "sagemaker":
            raise
        raise SdxlError(
            "sagemaker-core, which knows the container images, is not installed: it takes 0.5 GB that nothing else "
            "needs. Run `make setup-catalog`, then this command again."
        ) from exc


def _or_unknown(value: object) -> object:
    return "unknown" if value is None else value
