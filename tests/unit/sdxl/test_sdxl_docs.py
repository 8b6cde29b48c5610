"""The pages for creators and developers say what the API does, and the notebook holds no one's results."""

import json
import re
from pathlib import Path

import pytest
from image_api import request

from sdxl import errors
from tools import creators_page

ROOT = Path(__file__).resolve().parents[3]
CREATORS = (ROOT / "docs" / "creators.md").read_text()
DEVELOPERS = (ROOT / "docs" / "developers.md").read_text()


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


@pytest.mark.parametrize("page", [CREATORS, DEVELOPERS])
def test_the_pages_lead_nowhere_wrong(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_the_notebook_in_the_repository_has_no_outputs():
    notebook = json.loads((ROOT / "notebooks" / "quickstart.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
