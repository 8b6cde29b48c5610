"""What the pages for developers and the quickstart notebook show, run as it stands against a deployed API.

The model source is `optimized`, which has everything that the examples ask for.
"""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest
from deploy_harness import ROOT
from deployed_api import DeployedApi
from documented_examples import Example, examples
from PIL import Image

pytestmark = pytest.mark.allow_loopback

EXAMPLES = list(examples(ROOT / "docs" / "developers.md"))
SIZE = (1344, 768)


@pytest.fixture(scope="module")
def variables(api: DeployedApi) -> dict[str, str]:
    """Where the deployed API is, as the examples and the notebook read it."""
    return {"SDXL_API_URL": api.url, "SDXL_API_KEY": api.key}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples leave their files for one another, and the files that the page asks a reader to bring."""
    folder = tmp_path_factory.mktemp("examples")
    mask = Image.new("L", SIZE, "black")
    mask.paste("white", (900, 50, 1200, 350))
    mask.save(folder / "mask.png")
    picture = Image.new("RGBA", (1024, 1024), "navy")
    picture.paste((0, 0, 0, 0), (600, 100, 900, 400))
    picture.save(folder / "transparent.png")
    return folder


def _open(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_runs_as_it_stands(example: Example, folder: Path, variables: dict[str, str]) -> None:
    before = set(folder.iterdir())

    result = example.run(folder, variables)

    assert result.returncode == 0, result.stdout + result.stderr
    for path in set(folder.iterdir()) - before:
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.verify()
                assert image.format == "PNG"


def test_the_examples_did_what_they_say(folder: Path) -> None:
    sizes = {path.name: _open(path).size for path in folder.glob("*.png")}
    assert sizes["lighthouse.png"] == sizes["painting.png"] == sizes["moon.png"] == SIZE
    assert sizes["puppy.png"] == sizes["painted-puppy.png"] == sizes["openai-lighthouse.png"] == SIZE
    assert {"moon-11.png", "moon-12.png", "fox-1.png", "fox-2.png", "fox-3.png"} <= set(sizes)


def test_only_what_is_white_in_the_mask_was_painted_anew(folder: Path) -> None:
    before, after = (_open(folder / name) for name in ("lighthouse.png", "moon.png"))
    assert before.crop((0, 0, 800, 768)).tobytes() == after.crop((0, 0, 800, 768)).tobytes()
    inside = (950, 100, 1150, 300)
    assert before.crop(inside).tobytes() != after.crop(inside).tobytes()


def test_the_quickstart_notebook_runs_from_top_to_bottom(
    tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", as_version=4)

    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()

    texts = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())]
    assert "the same image: True\n" in texts
    assert "5000" in texts[-1]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"puppy.png", "bow-tie.png"} < names
    assert sum(name.startswith("lighthouse-") for name in names) == 2
