"""Synthesized apps: their templates by environment and stack, and those of a revision of this repository."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdxl.errors import SdxlError, UsageError
from sdxl.project import ROOT, child_environment
from tools.build_layer import layer_archive, signing_layer_archive
from tools.repository import folder_in_repository

Template = dict[str, Any]
Templates = Mapping[str, Mapping[str, Template]]

_STAGE = "assembly-sdxl-"
_PLACE = re.compile(r"aws://(?P<account>[^/]+)/(?P<region>[^/]+)")


@dataclass(frozen=True)
class Place:
    """Where an environment is deployed."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"account {self.account}, {self.region}"


def read_assembly(directory: Path) -> Templates:
    """The templates below a cdk.out folder: by environment, then by stack in the order of deployment.

    Raises:
        UsageError: there is no synthesized app.
    """
    return {
        environment: {
            str(artifact["displayName"]).rpartition("/")[2]: json.loads(
                (stage / artifact["properties"]["templateFile"]).read_text()
            )
            for artifact in artifacts
        }
        for environment, stage, artifacts in _stages(directory)
    }


def read_places(directory: Path) -> Mapping[str, Place]:
    """Where the environments of a cdk.out folder are deployed.

    Raises:
        UsageError: there is no synthesized app.
    """
    found = {}
    for environment, _, artifacts in _stages(directory):
        place = _PLACE.fullmatch(artifacts[0]["environment"]) if artifacts else None
        if place is not None:
            found[environment] = Place(place["account"], place["region"])
    return found


def _stages(directory: Path) -> Iterator[tuple[str, Path, list[dict[str, Any]]]]:
    """Each environment, its folder, and what its manifest says of its stacks."""
    if not (directory / "manifest.json").is_file():
        raise UsageError(
            f"{directory} holds no synthesized app: it has no manifest.json. Make one with `npx cdk synth --output "
            f"{directory}`."
        )
    for stage in sorted(directory.glob(f"{_STAGE}*")):
        artifacts = json.loads((stage / "manifest.json").read_text())["artifacts"].values()
        stacks = [artifact for artifact in artifacts if artifact["type"] == "aws:cloudformation:stack"]
        yield stage.name.removeprefix(_STAGE), stage, stacks


def resources(template: Template, *types: str) -> dict[str, dict[str, Any]]:
    """The resources of these types, by logical id; all of them where none is named."""
    found = template.get("Resources", {})
    return {name: item for name, item in found.items() if not types or item["Type"] in types}


WORKING_TREE = "the working tree"
# Where a branch has left the main line, by what is usual.
MAIN_LINES = ("origin/main", "origin/master", "main", "master")


def default_base(root: Path = ROOT) -> str:
    """The revision that a branch would be merged into: where it left the main line, or HEAD on the main line itself.

    Raises:
        UsageError: this is no git repository, or none with a commit.
    """
    if not _git(root, "rev-parse", "--verify", "--quiet", "HEAD"):
        raise UsageError(
            f"{root} is no git repository with a commit: compare two synthesized apps with --from-assembly and "
            "--to-assembly."
        )
    for line in MAIN_LINES:
        if base := _git(root, "merge-base", "HEAD", line):
            return base
    return "HEAD"


# The creators' page, which git does not keep: where it is built, and from what.
_PAGE = Path("lambda", "image_api", "console")
_PAGE_SOURCES = Path("console")


@contextmanager
def checked_out(revision: str, root: Path = ROOT) -> Iterator[Path]:
    """A folder with `revision` in it, which goes away afterwards, also when interrupted.

    Raises:
        UsageError: there is no such revision.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not commit:
        raise UsageError(
            f"There is no revision {revision!r} in {root}. In a shallow clone, fetch it first "
            "(git fetch --unshallow; on GitHub Actions, fetch-depth: 0)."
        )
    folder = Path(tempfile.mkdtemp(prefix="sdxl-diff-"))
    try:
        done = _run_git(root, "worktree", "add", "--detach", "--quiet", str(folder / "tree"), commit)
        if done.returncode:
            raise SdxlError(f"{revision} cannot be checked out: {done.stderr.strip()}")
        # The repository may be larger than the project.
        tree = folder / "tree" / folder_in_repository(root)
        _add_page(tree, root, commit)
        yield tree
    finally:
        _run_git(root, "worktree", "remove", "--force", str(folder / "tree"))
        shutil.rmtree(folder, ignore_errors=True)
        _run_git(root, "worktree", "prune")


def _add_page(tree: Path, root: Path, commit: str) -> None:
    """Give the revision in `tree` its creators' page: the one in `root` where the sources are the same, or a new one.

    Raises:
        SdxlError: `root` is not set up, or the revision's page cannot be built with what is installed there.
    """
    if (tree / _PAGE).exists() or not (tree / _PAGE_SOURCES / "build.mjs").is_file():
        return
    if not (root / _PAGE / "index.html").is_file() or not (root / _PAGE_SOURCES / "node_modules").is_dir():
        raise SdxlError(f"The creators' page in {root / _PAGE} is not built. Run `make setup`.")
    if _run_git(root, "diff", "--quiet", commit, "--", str(_PAGE_SOURCES)).returncode == 0:
        shutil.copytree(root / _PAGE, tree / _PAGE)
        return
    (tree / _PAGE_SOURCES / "node_modules").symlink_to((root / _PAGE_SOURCES / "node_modules").resolve())
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["node", str(_PAGE_SOURCES / "build.mjs")],  # noqa: S607 - the node of the PATH, first the project's own
        cwd=tree,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SdxlError(f"The creators' page of {commit[:12]} cannot be built:\n{done.stderr.strip()[-2000:]}")


def synthesize(
    tree: Path, output: Path, *, name: str, environments: Path | None = None, only: str | None = None
) -> Path:
    """Synthesize every environment of the revision in `tree` into `output`, without the CLI, an account or a network.

    `environments` is where the files are; default: where the revision has them. `only` is the one environment that is
    wanted; default: all.

    Raises:
        SdxlError: the revision does not synthesize.
    """
    if not (tree / "cdk.json").is_file():
        raise UsageError(f"{name} has no project at {folder_in_repository() or 'its root'}: no cdk.json is there.")
    flags = json.loads((tree / "cdk.json").read_text()).get("context", {})
    files = {} if environments is None else {"environments_dir": str(environments)}
    if only is not None:
        files["environment"] = only
    layers = {"layer_archive": str(layer_archive()), "signing_layer_archive": str(signing_layer_archive())}
    variables = {
        **child_environment(),
        "CDK_OUTDIR": str(output),
        "CDK_CONTEXT_JSON": json.dumps({**flags, **files, **layers}),
        # Whether it passes the validator is for its own build to say.
        "CDK_VALIDATION": "false",
        "PYTHONPATH": str(tree),
    }
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=tree, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SdxlError(f"{name} does not synthesize:\n{done.stderr.strip()[-2000:]}")
    return output


def _git(root: Path, *arguments: str) -> str:
    """What git says; empty where it fails."""
    done = _run_git(root, *arguments)
    return done.stdout.strip() if done.returncode == 0 else ""


def _run_git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - our own arguments
            ["git", "-C", str(root), *arguments],  # noqa: S607 - the git of the PATH
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as exc:
        raise SdxlError("git is not on the PATH.") from exc
