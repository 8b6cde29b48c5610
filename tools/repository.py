"""Where the project is in its git repository: at its root, or in a folder of a larger one."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def repository_root(root: Path = ROOT) -> Path:
    """Return the root of the git repository around `root`; `root` itself where there is none."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def folder_in_repository(root: Path = ROOT) -> str:
    """Return the project's folder in its repository, such as `infra/sdxl`; empty at the repository's root."""
    folder = root.relative_to(repository_root(root)).as_posix()
    return "" if folder == "." else folder
