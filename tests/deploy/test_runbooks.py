"""The commands of the runbooks: each is a call that there is, with parameters that it takes."""

from __future__ import annotations

import re

import pytest
from aws_command_lines import commands, parse
from deploy_harness import ROOT
from typer.testing import CliRunner

from sdxl.cli import app

PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
VARIABLES = {
    "ENV": "prod",
    "ACCOUNT": "111122223333",
    "FUNCTION_ROLE": "role",
    "FUNCTION": "function",
    "STOP_POLICY": "arn:aws:iam::111122223333:policy/stop",
    "MODEL_ID": "stability.sd3-5-large-v1:0",
    "START": "2026-01-01T00:00:00Z",
    "END": "2026-01-01T01:00:00Z",
    "SINCE": "1767225600000",
    "CONFIG": "configuration",
    "BUDGET": "budget",
    "KEY_ID": "abcdefghij",
    "NEW_ID": "klmnopqrst",
    "SIGNING_KEY": "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555",
}
SECTIONS = ["First look", "Likely causes, in this order", "Fix", "It is over when"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_the_aws_cli_are_calls_that_there_are(page) -> None:
    for line in commands(page, "aws"):
        parse(line, VARIABLES)


def test_the_runbooks_have_commands() -> None:
    assert sum(1 for page in PAGES for _ in commands(page, "aws")) > 40


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("aws sagemaker describe-endpoints --endpoint-name a", "has no describe-endpoints"),
        ("aws sagemaker describe-endpoint --name a", "has no --name"),
        ("aws sagemaker describe-endpoint --endpoint-name $NOBODY", "a variable that the index does not name"),
    ],
)
def test_a_wrong_command_would_be_found(line: str, wrong: str) -> None:
    with pytest.raises(AssertionError, match=wrong):
        parse(line, VARIABLES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_sdxl_are_commands_and_options_that_there_are(page) -> None:
    for line in commands(page, "sdxl"):
        _, command, *words = line.split()
        help_text = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
        assert help_text, line
        assert [word for word in words if word.startswith("--") and word not in help_text] == [], line


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "README"], ids=lambda page: page.stem)
def test_a_runbook_has_the_same_parts_as_every_other(page) -> None:
    text = page.read_text()

    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert "**What it means for users:**" in text
    assert "**Tried:**" in text
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not link.startswith("http")]
    assert [link for link in links if not (page.parent / link).is_file()] == []
