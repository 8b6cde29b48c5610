"""Builds the functions' Lambda layers from locked requirements, without Docker: same requirements, same bytes.

`python -m tools.build_layer` prints the archives' paths: of the layer that every image function has, and of the one
with which images are signed. An archive's name is the hash of its requirements, so one that exists is the right one and
is never built again.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "lambda" / "requirements.txt"
SIGNING_REQUIREMENTS = ROOT / "lambda" / "signing-requirements.txt"
LAYERS = ROOT / ".local" / "layer"

PYTHON_VERSION = "3.13"
# Lambda's Python 3.13 runs on Amazon Linux 2023, glibc 2.34: wheels for 2.28 and older load there.
PYTHON_PLATFORM = "aarch64-manylinux_2_28"

# A zip entry cannot be older than 1980. Any fixed time serves.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)
# Nothing imports these. `tests` and `bin` are dropped at any depth, `.lock` is left behind by the installer.
EXCLUDED_NAMES = frozenset({"__pycache__", "bin", "tests", ".lock"})
# What a wheel brings for compilers: 31 MB of C2PA's library, for programs in Rust.
EXCLUDED_SUFFIXES = frozenset({".pyc", ".rlib", ".d"})
# Written by the installer about itself: where, when and by whom. They would make two builds differ.
EXCLUDED_METADATA = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"})


class LayerError(RuntimeError):
    """The layer cannot be built from its requirements."""


def layer_archive(requirements: Path = REQUIREMENTS, layers: Path = LAYERS) -> Path:
    """Return where the archive for these requirements is, whether it was built already or not."""
    return layers / f"{hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]}.zip"


def signing_layer_archive() -> Path:
    """Return where the archive of the layer with which images are signed is, whether it was built already or not."""
    return layer_archive(SIGNING_REQUIREMENTS)


def build_layer(requirements: Path = REQUIREMENTS, layers: Path = LAYERS) -> Path:
    """Build the archive unless it exists, and return its path. An interrupted build leaves no archive behind.

    Raises:
        LayerError: the wheels cannot be installed.
    """
    archive = layer_archive(requirements, layers)
    if archive.is_file():
        return archive
    layers.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=layers) as workspace:
        packages = Path(workspace) / "packages"
        install(requirements, packages)
        unfinished = Path(workspace) / "layer.zip"
        write_archive(packages, unfinished)
        unfinished.replace(archive)
    return archive


def install(requirements: Path, target: Path) -> None:
    """Install wheels for the function's platform into `target`. Every hash is checked; nothing is compiled or run."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--python-version", PYTHON_VERSION, "--python-platform", PYTHON_PLATFORM]
    command += ["--link-mode", "copy", "--target", str(target), "--requirement", str(requirements)]
    if not uv.is_file():
        raise LayerError(f"{uv} is missing. Run `make setup`.")
    finished = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own arguments
    if finished.returncode:
        raise LayerError(
            f"The wheels of lambda/{requirements.name} for Python {PYTHON_VERSION} on {PYTHON_PLATFORM} could not be "
            f"installed:\n{finished.stderr.strip()}"
        )


def write_archive(packages: Path, archive: Path) -> None:
    """Zip `packages` under `python/`, where Lambda looks: sorted, with fixed times and modes, nothing of the machine.

    Stored, not deflated: two versions of zlib deflate differently, and the archive's hash decides what is redeployed.
    """
    files = sorted(path for path in packages.rglob("*") if path.is_file() and _is_wanted(path.relative_to(packages)))
    with zipfile.ZipFile(archive, "w") as output:
        for path in files:
            entry = zipfile.ZipInfo(f"python/{path.relative_to(packages).as_posix()}", TIMESTAMP)
            entry.create_system = 3  # Unix, so that the mode below counts wherever the archive is made
            entry.external_attr = (0o100755 if path.suffix == ".so" else 0o100644) << 16
            output.writestr(entry, path.read_bytes())


def _is_wanted(path: Path) -> bool:
    if EXCLUDED_NAMES.intersection(path.parts) or path.suffix in EXCLUDED_SUFFIXES:
        return False
    return not (path.name in EXCLUDED_METADATA and path.parent.name.endswith(".dist-info"))


def main() -> int:
    """Build the layers, say so if it took work, and print their paths."""
    for requirements in (REQUIREMENTS, SIGNING_REQUIREMENTS):
        if not layer_archive(requirements).is_file():
            sys.stderr.write(f"Building the Lambda layer of {requirements.name} for Python {PYTHON_VERSION} on arm64\n")
        try:
            built = build_layer(requirements)
        except LayerError as exc:
            sys.stderr.write(f"error: {exc}\n")
            return 1
        sys.stdout.write(f"{os.path.relpath(built)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
