"""`sdxl diff` from a revision of a real repository to its working tree: checked out, synthesized, compared."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from infrastructure_synthesis import ROOT

from sdxl.diff.assemblies import checked_out, read_assembly, synthesize
from sdxl.diff.changes import changes_between
from sdxl.errors import SdxlError


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with what is here now as its only commit, and one environment."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("app.py", "cdk.json", "styles.yaml", "stacks", "lambda", "tools"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(folder)], check=True)
    (folder / "environments").mkdir()
    (folder / "environments" / "dev.yaml").write_text(
        'account: "111122223333"\nregion: us-east-1\nmodel: {source: open}\n'
    )
    # What the project does not keep in git, the clone does not either: layer, page, packages.
    shutil.copy(ROOT / ".gitignore", folder)
    shutil.copytree(ROOT / "console", folder / "console", ignore=shutil.ignore_patterns("node_modules"))
    git("init", "--quiet", "--initial-branch=main", str(folder))
    git("-C", str(folder), "add", "-A")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    git("-C", str(folder), *identity, "commit", "--quiet", "-m", "one")
    (folder / "console" / "node_modules").symlink_to(ROOT / "console" / "node_modules")
    return folder


def test_a_changed_environment_is_a_changed_resource_and_nothing_is_left_behind(clone: Path, tmp_path: Path) -> None:
    with (clone / "environments" / "dev.yaml").open("a") as file:
        file.write("endpoint: {instance_count: 3}\n")

    with checked_out("HEAD", clone) as tree:
        before = read_assembly(synthesize(tree, tmp_path / "before", name="HEAD"))
    after = read_assembly(synthesize(clone, tmp_path / "after", name="the working tree"))

    (change,) = changes_between(before, after)
    assert (change.type, change.action) == ("AWS::SageMaker::EndpointConfig", "replace")
    assert change.replaced_by == ("ProductionVariants",)
    assert len(git("-C", str(clone), "worktree", "list").splitlines()) == 1


def test_a_revision_that_does_not_synthesize_says_why(clone: Path, tmp_path: Path) -> None:
    (clone / "environments" / "dev.yaml").write_text("region: nowhere\n")

    with pytest.raises(SdxlError, match="the working tree does not synthesize:") as error:
        synthesize(clone, tmp_path / "after", name="the working tree")

    assert "received nowhere" in str(error.value)


def test_a_revision_gets_the_page_that_the_working_tree_has_built_from_the_same_sources(clone: Path) -> None:
    with checked_out("HEAD", clone) as tree:
        assert not (tree / "console" / "node_modules").exists()
        assert page_of(tree) == page_of(clone)


def test_a_revision_with_another_page_gets_its_own(clone: Path) -> None:
    committed = page_of(clone)
    source = clone / "console" / "src" / "index.html"
    source.write_text(source.read_text().replace("</title>", " of tomorrow</title>"))
    (clone / "lambda" / "image_api" / "console" / "index.html").write_text("built from other sources")

    with checked_out("HEAD", clone) as tree:
        assert page_of(tree) == committed


def test_a_clone_that_is_not_set_up_says_so(clone: Path) -> None:
    shutil.rmtree(clone / "lambda" / "image_api" / "console")

    with pytest.raises(SdxlError, match=r"not built. Run `make setup`"), checked_out("HEAD", clone):
        pass


def page_of(tree: Path) -> str:
    return (tree / "lambda" / "image_api" / "console" / "index.html").read_text()
