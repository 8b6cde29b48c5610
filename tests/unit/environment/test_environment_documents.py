"""The committed JSON schema and documentation agree with the settings."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from sdxl.commands.environments import TABLE_BEGIN, TABLE_END
from stacks.environment.schema import environment_schema, schema_text, settings_table
from tools.marked_section import replace_section

pytestmark = pytest.mark.disable_socket

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "tests").glob("environments/*.yaml")) + sorted((ROOT / "tests").glob("three_accounts/*.yaml"))


def test_committed_schema_is_up_to_date() -> None:
    committed = (ROOT / "environments" / "schema.json").read_text(encoding="utf-8")

    assert committed == schema_text(), "run `sdxl environments schema --write`"


def test_committed_documentation_is_up_to_date() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert page == replace_section(page, TABLE_BEGIN, TABLE_END, settings_table()), (
        "run `sdxl environments docs --write`"
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_valid_by_the_schema(path: Path) -> None:
    validator = jsonschema.Draft202012Validator(environment_schema())

    assert [*validator.iter_errors(yaml.safe_load(path.read_text()))] == []


def test_schema_refuses_what_the_loader_refuses() -> None:
    validator = jsonschema.Draft202012Validator(environment_schema())
    base = {"account": "111122223333", "region": "us-east-1", "model": {"source": "open"}}

    assert validator.is_valid(base)
    assert not validator.is_valid({**base, "name": "dev"})
    assert not validator.is_valid({**base, "account": 111122223333})
    assert not validator.is_valid({**base, "model": {"source": "bedrock"}})
    assert not validator.is_valid({**base, "endpoint": {"instance_count": 0}})


def test_every_setting_is_described() -> None:
    def properties(node: object, path: str = "") -> list[str]:
        if not isinstance(node, dict):
            return []
        undescribed = [
            f"{path}.{name}"
            for name, value in node.get("properties", {}).items()
            if not {"description", "$ref"} & value.keys()
        ]
        return undescribed + [missing for key, value in node.items() for missing in properties(value, f"{path}.{key}")]

    assert properties(json.loads(schema_text())) == []


def test_table_names_every_kind_of_setting() -> None:
    table = settings_table()

    assert "| `account` |" in table
    assert "| `model.source` |" in table
    assert "`model.model_package_arn` with source `optimized`" in table
    assert "| `scaling.schedules[].timezone` |" in table
    assert "| `api.quota` |" in table
    assert "<region>" not in table, "Markdown would take it for HTML"


@pytest.mark.parametrize("page", ["", "no markers", "<!-- settings: end -->"])
def test_page_without_markers_is_an_error(page: str) -> None:
    with pytest.raises(ValueError, match="the page must hold"):
        replace_section(page, TABLE_BEGIN, TABLE_END, settings_table())
