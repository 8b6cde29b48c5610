"""A release: a folder with all that the server runs on, and a manifest that names every file by its content.

    base/            a diffusers folder: model_index.json, unet/, vae/, text_encoder/ ...
    loras/NAME/      one safetensors file of an adapter, in diffusers' naming
    controlnet/TYPE/ a diffusers ControlNet
    LICENSE          the licence of the weights
    manifest.json    path, size and SHA-256 of every other file

The SHA-256 of the manifest names the release. Nothing of a release runs before all of it is verified, and pickles,
which run code as they are read, are refused.

`python -m inference.release manifest FOLDER` writes the manifest and prints the digest;
`python -m inference.release verify FOLDER` verifies a folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

MANIFEST = "manifest.json"
_FORMAT = 1
_REQUIRED = ("LICENSE", "base/model_index.json", "base/unet/config.json", "base/vae/config.json")
_PICKLES = frozenset({".bin", ".ckpt", ".joblib", ".msgpack", ".pickle", ".pkl", ".pt", ".pth"})
# The first two bytes of a pickle of protocol 2 to 5 (Python's `pickletools`, PROTO).
_PICKLE_BEGINNINGS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_WEIGHTS = ".safetensors"
# An adapter's name is also a name within the network, where a dot separates.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BLOCK_BYTES = 1 << 20
_LONGEST_HEADER = 100_000_000


class InvalidReleaseError(ValueError):
    """The folder is not a whole release; the message names the file."""


@dataclass(frozen=True)
class Release:
    """A verified release. `digest` is the SHA-256 of its manifest, in hexadecimal digits."""

    folder: Path
    digest: str
    loras: dict[str, Path]
    controlnets: dict[str, Path]

    @property
    def base(self) -> Path:
        """The diffusers folder of the base weights."""
        return self.folder / "base"


def write_manifest(folder: Path) -> str:
    """Write the manifest of a folder and return its digest. The same files give the same digest.

    Raises:
        InvalidReleaseError: a file is missing, or is one that a release must not have.
    """
    (folder / MANIFEST).unlink(missing_ok=True)
    files = [{"path": path, "size": size, "sha256": digest} for path, size, digest in _described(folder)]
    _check_required({str(file["path"]) for file in files})
    text = json.dumps({"format": _FORMAT, "files": files}, indent=1) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def verify(folder: Path, *, digest: str | None = None) -> Release:
    """Read every file of a release and compare it with the manifest.

    Args:
        folder: The release.
        digest: The release that it has to be; None takes any that is whole.

    Raises:
        InvalidReleaseError: a file is missing, changed, surplus or a pickle, or it is another release.
    """
    data, expected = _read_manifest(folder)
    found_digest = hashlib.sha256(data).hexdigest()
    if digest is not None and found_digest != digest:
        raise InvalidReleaseError(f"{folder} is release {found_digest}, expected is {digest}.")
    paths = set()
    for path, size, content in _described(folder):
        paths.add(path)
        if path not in expected:
            raise InvalidReleaseError(f"{path} is not in {MANIFEST}.")
        if size != expected[path]["size"]:
            raise InvalidReleaseError(f"{path} has {size} bytes, and by {MANIFEST} {expected[path]['size']}.")
        if content != expected[path]["sha256"]:
            raise InvalidReleaseError(f"{path} is not the file of {MANIFEST}: its SHA-256 is {content}.")
    if missing := sorted(set(expected) - paths):
        raise InvalidReleaseError(f"{missing[0]} is missing.")
    _check_required(paths)
    return Release(folder, found_digest, _parts(folder, "loras"), _parts(folder, "controlnet"))


def lora_file(folder: Path) -> str:
    """The name of the one file of weights in an adapter's folder.

    Raises:
        InvalidReleaseError: there is none, or more than one.
    """
    files = sorted(path.name for path in folder.glob(f"*{_WEIGHTS}"))
    if len(files) != 1:
        raise InvalidReleaseError(
            f"{folder.parent.name}/{folder.name} has {len(files)} {_WEIGHTS} files, needed is one."
        )
    return files[0]


def _read_manifest(folder: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        data = (folder / MANIFEST).read_bytes()
    except OSError as exc:
        raise InvalidReleaseError(f"{MANIFEST} cannot be read: {exc.strerror}.") from exc
    try:
        manifest = json.loads(data)
        if manifest["format"] != _FORMAT:
            raise InvalidReleaseError(f"{MANIFEST} has format {manifest['format']!r}, known is {_FORMAT}.")
        return data, {str(file["path"]): {"size": file["size"], "sha256": file["sha256"]} for file in manifest["files"]}
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        if isinstance(exc, InvalidReleaseError):
            raise
        raise InvalidReleaseError(f"{MANIFEST} is not a manifest: {exc!r}.") from exc


def _described(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Path, size and SHA-256 of every file but the manifest, in the order of their paths; each is checked."""
    for file in sorted(folder.rglob("*")):
        path = PurePosixPath(file.relative_to(folder)).as_posix()
        if file.is_symlink():
            raise InvalidReleaseError(f"{path} is a link; a release has files only.")
        if file.is_dir() or path == MANIFEST:
            continue
        _refuse_pickle(file, path)
        if file.suffix == _WEIGHTS:
            _check_safetensors(file, path)
        with file.open("rb") as stream:
            yield path, file.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()


def _refuse_pickle(file: Path, path: str) -> None:
    with file.open("rb") as stream:
        beginning = stream.read(2)
    is_pickle = file.suffix.lower() in _PICKLES or beginning in _PICKLE_BEGINNINGS
    if not is_pickle and beginning == b"PK" and zipfile.is_zipfile(file):
        # PyTorch's own format: a zip with a pickle in it.
        with zipfile.ZipFile(file) as archive:
            is_pickle = any(PurePosixPath(name).suffix in _PICKLES for name in archive.namelist())
    if is_pickle:
        raise InvalidReleaseError(f"{path} is a pickle, which can run any code. Convert it to safetensors.")


def _check_safetensors(file: Path, path: str) -> None:
    """Its header: 8 bytes of length, JSON, and tensors that end with the file (safetensors' format description)."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(length) if length <= min(size, _LONGEST_HEADER) else b""
    try:
        tensors = json.loads(header)
        end = max((entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as exc:
        raise InvalidReleaseError(f"{path} is not a safetensors file.") from exc
    if 8 + length + end != size:
        raise InvalidReleaseError(f"{path} has {size} bytes, and by its own header {8 + length + end}.")


def _check_required(paths: set[str]) -> None:
    for path in _REQUIRED:
        if path not in paths:
            raise InvalidReleaseError(f"{path} is missing.")
    if not any(path.startswith("base/unet/") and path.endswith(_WEIGHTS) for path in paths):
        raise InvalidReleaseError(f"base/unet has no {_WEIGHTS} file.")


def _parts(folder: Path, kind: str) -> dict[str, Path]:
    """The folders of adapters or ControlNets by name."""
    root = folder / kind
    parts = {path.name: path for path in sorted(root.iterdir()) if path.is_dir()} if root.is_dir() else {}
    for name in parts:
        if not _NAME.fullmatch(name):
            raise InvalidReleaseError(f"{kind}/{name}: a name has letters, digits, _ and -, 64 at most.")
    return parts


def main(arguments: list[str]) -> int:
    """Write or verify a manifest and print its digest."""
    commands: dict[str, Callable[[Path], str]] = {
        "manifest": write_manifest,
        "verify": lambda folder: verify(folder).digest,
    }
    if len(arguments) != 2 or arguments[0] not in commands:
        sys.stderr.write("usage: python -m inference.release manifest|verify FOLDER\n")
        return 2
    try:
        digest = commands[arguments[0]](Path(arguments[1]))
    except InvalidReleaseError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 1
    sys.stdout.write(f"{digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
