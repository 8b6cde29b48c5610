"""The pages say what the API and the commands do, and the notebook holds no one's results."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from image_api import request
from typer.core import TyperGroup

from sdxl import errors
from sdxl.cli import app
from tools import creators_page

ROOT = Path(__file__).resolve().parents[3]
CREATORS = (ROOT / "docs" / "creators.md").read_text()
DEVELOPERS = (ROOT / "docs" / "developers.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), ROOT / "emulator" / "README.md"])
CONSOLE = re.compile(r"^ *```console\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def test_the_creators_tables_and_picture_are_the_apis_own():
    renew = "run: python -m tools.creators_page"
    assert creators_page.page(CREATORS) == CREATORS, renew
    assert creators_page.picture() == creators_page.PICTURE.read_text(), renew


@pytest.mark.parametrize(
    ("parameter", "default", "bounds"),
    [
        ("cfg_scale", f"{request.DEFAULT_CFG_SCALE:g}", f"0 - {request.MAX_CFG_SCALE}"),
        ("steps", request.DEFAULT_STEPS, f"{request.MIN_STEPS} - {request.MAX_STEPS}"),
        ("seed", 0, f"0 - {request.MAX_SEED}"),
        ("sampler", f"`{request.DEFAULT_SAMPLER}`", "see `sdxl presets`"),
    ],
)
def test_the_creators_page_has_the_apis_bounds(parameter, default, bounds):
    assert f"| `{parameter}` | {default} | {bounds}" in CREATORS


def test_a_page_without_its_markers_is_refused():
    with pytest.raises(ValueError, match="Put the markers back"):
        creators_page.page("# A page")


def test_every_error_that_the_developers_page_names_exists():
    table = DEVELOPERS[DEVELOPERS.index("## Errors") : DEVELOPERS.index("## Retries")]
    named = set(re.findall(r"`(\w+Error)`", table))
    assert named
    assert all(issubclass(getattr(errors, name), errors.ApiError) for name in named)


def test_the_tree_of_errors_draws_every_error():
    assert errors.__doc__ is not None
    defined = {name for name in vars(errors) if name.endswith("Error")}
    assert defined == set(re.findall(r"\w+Error", errors.__doc__))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_pages_lead_nowhere_wrong(page):
    links = re.findall(r"\]\((?!https?:|mailto:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_notebook_in_the_repository_has_no_outputs():
    notebook = json.loads((ROOT / "notebooks" / "quickstart.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def console_lines(page: Path) -> Iterator[list[str]]:
    """The commands that a page shows behind a `$`, as words, without comments and redirections."""
    for block in CONSOLE.finditer(page.read_text()):
        for line in re.findall(r"^ *\$ (.*)$", block[1], re.MULTILINE):
            # A line that goes on below, or a quote that ends there, belongs to curl and not to us.
            if re.search(r"\b(sdxl|make) ", line) and not line.endswith("\\"):
                yield shlex.split(line, comments=True)


def documented_commands(program: str) -> list[list[str]]:
    """What the pages call `program` with, from the program's own arguments on."""
    return [
        words[index + 1 :]
        for page in PAGES
        for words in console_lines(page)
        for index, word in enumerate(words)
        if Path(word).name == program
    ]


def test_every_documented_sdxl_command_has_its_options():
    commands = documented_commands("sdxl")

    assert len(commands) > 20
    assert [problem for words in commands if (problem := wrong_in(words)) is not None] == []


@pytest.mark.parametrize(
    "line", ["generate --sise square puppy", "envs check", "environments chek", "preflight --request-quotas"]
)
def test_a_wrong_sdxl_command_would_be_found(line):
    assert wrong_in(line.split()) is not None


def wrong_in(words: list[str]) -> str | None:
    command = typer.main.get_command(app)
    rest = list(words)
    while isinstance(command, TyperGroup):
        if not rest or rest[0] not in command.list_commands(typer.Context(command)):
            return f"no such command: {' '.join(words)}"
        _, command, rest = command.resolve_command(typer.Context(command), rest)
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in options]
    return f"{' '.join(words)}: {unknown}" if unknown else None


def test_every_documented_make_target_exists():
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    documented = {words[0] for words in documented_commands("make")}
    assert {"setup", "up"} <= documented
    assert documented <= set(targets)
