"""`sdxl cost`: tables, JSON and errors, without any network."""

import io
import json
from functools import partial

import pytest
from rich.console import Console
from typer.testing import CliRunner

from sdxl import console
from sdxl.cli import app
from sdxl.project import ROOT
from stacks.catalog import CatalogError, load_catalog

THREE_ACCOUNTS = str(ROOT / "tests" / "three_accounts")
FILE = 'account: "111122223333"\nregion: {region}\nmodel: {{source: {source}}}\n'
run = partial(CliRunner().invoke, app)


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "dev.yaml").write_text(FILE.format(region="us-east-1", source="open"))
    (tmp_path / "prod.yaml").write_text(FILE.format(region="eu-west-1", source="optimized"))
    return str(tmp_path)


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_every_environment_is_a_table_of_items_in_a_pipe(directory):
    done = run(["cost", "--dir", directory, "--all"])
    assert done.exit_code == 0
    table = rows(done.stdout)
    assert table[0] == ["environment", "USD a month", "idle", "max capacity", "price in USD (date, region)"]
    assert {len(row) for row in table} == {5}
    assert ["dev", "total", "1,497.73", "at least 1,497.73", ""] in table
    assert [row[0] for row in table if row[1] == "total"] == ["dev", "prod"]
    assert ["prod", "per image, endpoint fully used", "", "unknown", ""] in table
    assert ["dev", "KMS key", "1.00", "1.00", "1 per key and month (2026-03-14, us-east-1)"] in table
    assert "prod: the price of ml.g5.2xlarge is us-east-1's" in done.stderr
    assert "Prices: FMBench" in done.stderr
    assert "Prices: https://cloudburn.io/blog/aws-kms-pricing" in done.stderr


def test_a_month_is_one_total_and_one_line_of_unknowns(directory):
    done = run(["cost", "--dir", directory])

    assert rows(done.stdout) == [
        ["environment", "USD a month", "idle", "max capacity"],
        ["dev", "endpoint ml.g5.4xlarge", "1,481.90", "1,481.90"],
        ["dev", "API, functions, storage, logs, alarms", "15.83", "at least 15.83"],
        ["dev", "total", "1,497.73", "at least 1,497.73"],
        ["dev", "per image, endpoint fully used", "", "unknown"],
        ["prod", "endpoint ml.g5.2xlarge", "1,105.95", "1,105.95"],
        ["prod", "API, functions, storage, logs, alarms", "15.83", "at least 15.83"],
        ["prod", "total", "at least 1,121.78", "at least 1,121.78"],
        ["prod", "per image, endpoint fully used", "", "unknown"],
    ]
    assert "prod: without a price, so on top: Marketplace software charge" in done.stderr
    assert done.stderr.count("without a price") == 1
    assert "Prices of services: list prices of 2026-02-15 to 2026-11-30; each with its source: --all." in done.stderr


def test_one_environment_at_a_volume(directory):
    done = run(["cost", "--dir", directory, "--env", "dev", "--images-per-month", "1000", "--seconds-per-image", "9"])
    table = rows(done.stdout)
    assert table[0][3] == "1,000 images"
    assert {len(row) for row in table} == {5}
    assert {row[0] for row in table[1:]} == {"dev"}
    assert ["dev", "per image at this volume", "", "1.49820", ""] in table
    assert ["dev", "per image, endpoint fully used", "", "", "0.00507"] in table


def test_zero_images_have_no_price_each(directory):
    done = run(["cost", "--dir", directory, "--env", "dev", "--images-per-month", "0"])
    assert ["dev", "per image at this volume", "", "-", ""] in rows(done.stdout)


def test_json_has_every_figure_with_its_date(directory):
    done = run(["cost", "--dir", directory, "--json"])
    content = json.loads(done.stdout)
    assert list(content) == ["currency", "hours_per_month", "images_per_month", "environments", "comparison"]
    assert (content["currency"], content["hours_per_month"], content["comparison"]) == ("USD", 730, None)
    dev, prod = content["environments"]
    assert list(dev) == [
        "environment",
        "region",
        "source",
        "instance_types",
        "items",
        "total",
        "per_image",
        "throughput",
        "instance_hours",
        "schedules",
        "notes",
    ]
    assert dev["items"][0] == {
        "item": "endpoint ml.g5.4xlarge",
        "idle": {"usd": 1481.9, "bound": "known"},
        "at_volume": None,
        "at_max_capacity": {"usd": 1481.9, "bound": "known"},
        "price": {
            "usd": 2.03,
            "unit": "instance and hour",
            "as_of": "2025-04",
            "source": load_catalog().instance_type("ml.g5.4xlarge").price_source,
            "region": "us-east-1",
        },
        "price_is_of_other_region": False,
        "note": "",
    }
    assert dev["total"]["idle"] == {"usd": pytest.approx(1497.73, abs=0.01), "bound": "known"}
    assert prod["items"][1]["idle"] == {"usd": None, "bound": "unknown"}
    assert prod["per_image"] == {"at_volume": None, "endpoint_at_full_load": {"usd": None, "bound": "unknown"}}


def test_json_names_the_schedules_and_whether_they_are_counted():
    content = json.loads(run(["cost", "--dir", THREE_ACCOUNTS, "--env", "prod", "--json"]).stdout)
    (prod,) = content["environments"]
    assert [(one["name"], one["is_counted"]) for one in prod["schedules"]] == [("night", True), ("morning", True)]
    assert prod["instance_hours"]["idle"] == pytest.approx(730 * (77 + 2 * 91) / 168, abs=1e-5)


def test_the_comparison_needs_no_environment(tmp_path):
    done = run(["cost", "--compare", "--images-per-month", "10000", "--seconds-per-image", "9", "--dir", str(tmp_path)])
    assert done.exit_code == 0
    first, second = done.stdout.split("\n\n")
    table = rows(first)
    assert [row[0] for row in table[1:]] == ["open", "optimized", "bedrock", "bedrock", "bedrock"]
    assert table[1][:5] == ["open", "ml.g5.4xlarge", "1", "1,481.90", "0.14819"]
    assert table[2][3] == "at least 1,105.95"
    assert ["open", "ml.g5.4xlarge", "stability.stable-image-core-v1:1", "37,048"] in rows(second)
    assert "Bedrock's models are others than SDXL 1.0" in done.stderr


def test_the_comparison_comes_after_an_environment_that_is_named(directory):
    done = run(["cost", "--compare", "--images-per-month", "10", "--env", "dev", "--dir", directory])
    assert len(done.stdout.split("\n\n")) == 3


def test_the_comparison_as_json():
    content = json.loads(run(["cost", "--compare", "--images-per-month", "10", "--json"]).stdout)
    assert content["environments"] == []
    compared = content["comparison"]
    assert list(compared) == ["images_per_month", "sources", "break_even", "notes"]
    assert list(compared["break_even"][0]) == [
        "source",
        "instance_type",
        "bedrock_model",
        "images_per_month",
        "bound",
    ]
    assert all(one["price"]["as_of"] for one in compared["sources"])


def test_on_a_terminal_it_is_a_table_for_people(monkeypatch, directory):
    screen = io.StringIO()
    monkeypatch.setattr(console, "results", lambda: Console(file=screen, force_terminal=True, width=80))
    assert run(["cost", "--dir", directory, "--env", "dev"]).exit_code == 0
    assert "\t" not in screen.getvalue()
    assert "at least 1,497.73" in screen.getvalue()
    assert "API, functions, storage, logs, alarms" in screen.getvalue()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--compare"], "--compare needs a volume: add --images-per-month N"),
        (["--seconds-per-image", "fast"], "--seconds-per-image: received 'fast'. Allowed are a number above 0"),
        (["--images-per-month", "-1"], "--images-per-month: received -1. Allowed are whole numbers from 0"),
        (["--images-per-month", "many"], "Invalid value for '--images-per-month': Input should be a valid integer"),
        (["--env", "porduction"], "there is no environment 'porduction'"),
    ],
)
def test_wrong_arguments_say_what_is_allowed(directory, arguments, text):
    done = run(["cost", "--dir", directory, *arguments])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert text in " ".join(done.stderr.replace("│", " ").split())


def test_a_wrong_environment_file_is_named_with_its_line(directory, tmp_path):
    (tmp_path / "dev.yaml").write_text(FILE.format(region="us-east-1", source="opne"))
    done = run(["cost", "--dir", directory])
    assert done.exit_code == 2
    assert "dev.yaml:3" in done.stderr


def test_a_catalog_that_cannot_be_read_is_an_error(monkeypatch, directory):
    def broken():
        raise CatalogError("instance_types.json is not JSON")

    monkeypatch.setattr("sdxl.cost.comparison.load_catalog", broken)
    done = run(["cost", "--compare", "--images-per-month", "1"])
    assert done.exit_code == 1
    assert "instance_types.json is not JSON" in done.stderr


def test_the_page_names_every_option_and_leads_nowhere_wrong():
    page = (ROOT / "docs" / "cost.md").read_text()
    for option in ("--env", "--images-per-month", "--seconds-per-image", "--compare", "--all", "--json"):
        assert option in page
