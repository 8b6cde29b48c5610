"""A function's code on disk, and whether this machine's Python packages are those of its layers."""

from __future__ import annotations

import importlib.metadata
import io
import re
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path

from emulator.functions.definition import FunctionDefinition, Layer

_DIST_INFO = re.compile(r"(?:^|/)(?P<name>[^/]+?)-(?P<version>[^/-]+)\.dist-info/METADATA$")


class PackageError(RuntimeError):
    """The function's package cannot run on this machine; the message says why."""


class CodeStore:
    """Unpacked code, once per content."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._root: Path | None = None
        self._checked_layers: set[str] = set()

    def task_root(self, definition: FunctionDefinition) -> Path:
        """The folder of the function's code; raises PackageError."""
        if definition.package_type != "Zip":
            raise PackageError(f"package type {definition.package_type} of {definition.name} is not emulated: use Zip")
        if not (definition.runtime or "").startswith("python3"):
            raise PackageError(f"runtime {definition.runtime!r} of {definition.name} is not emulated: use python3.x")
        with self._lock:
            for layer in definition.layers:
                self._check_layer(layer)
            if self._root is None:
                self._root = Path(tempfile.mkdtemp(prefix="emulator-functions-"))
            folder = self._root / re.sub(r"\W", "_", definition.code_sha256)
            if not folder.exists():
                _unpack(definition, folder)
            return folder

    def clear(self) -> None:
        """Remove everything that was unpacked."""
        with self._lock:
            if self._root is not None:
                shutil.rmtree(self._root, ignore_errors=True)
            self._root = None

    def _check_layer(self, layer: Layer) -> None:
        if layer.arn in self._checked_layers:
            return
        mismatches = layer_mismatches(layer.archive)
        if mismatches:
            raise PackageError(
                f"layer {layer.arn} holds other versions than the environment that runs the function here: "
                f"{'; '.join(mismatches)}. Build the layer of the versions that are installed here, and deploy again"
            )
        self._checked_layers.add(layer.arn)


def layer_mismatches(archive: bytes) -> list[str]:
    """Where the distributions in a layer differ from those installed here, in words."""
    try:
        names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    except zipfile.BadZipFile as exc:
        return [f"it is not a zip archive ({exc})"]
    mismatches = []
    for found in filter(None, map(_DIST_INFO.search, sorted(names))):
        name, version = found["name"], found["version"]
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            mismatches.append(f"{name} {version} is not installed")
            continue
        if installed != version:
            mismatches.append(f"{name} is {version} in the layer and {installed} here")
    return mismatches


def _unpack(definition: FunctionDefinition, folder: Path) -> None:
    if not definition.code:
        raise PackageError(f"function {definition.name} has no code: its S3 object does not exist")
    try:
        with zipfile.ZipFile(io.BytesIO(definition.code)) as archive:
            archive.extractall(folder)
    except zipfile.BadZipFile as exc:
        raise PackageError(f"the code of function {definition.name} is not a zip archive: {exc}") from exc
