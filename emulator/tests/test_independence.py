"""The emulator is a program of its own: it imports nothing of the code that it runs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Container
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = {
    *("_typeshed", "boto3", "botocore", "cfnlint", "cryptography", "flask", "jwt", "moto", "PIL"),
    *("pytest", "werkzeug", "yaml"),
}


def imported(path: Path, known: Container[str] = ()) -> set[str]:
    """The modules that a file imports, anywhere in it, also for types only.

    `from package import name` imports `package.name` where that is a module in `known`, else `package`.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = (f"{node.module}.{alias.name}" for alias in node.names)
            names |= {part if part in known else node.module for part in parts}
    return names


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, Path]:
    return {module_name(path): path for path in PACKAGE.rglob("*.py") if "tests" not in path.parts}


def test_it_imports_nothing_of_the_code_that_it_runs() -> None:
    supports = {path.stem for path in (PACKAGE / "tests").rglob("*.py")}
    allowed = LIBRARIES | supports | set(sys.stdlib_module_names) | {"emulator"}
    foreign = {
        (path.name, name)
        for path in PACKAGE.rglob("*.py")
        for name in imported(path)
        if name.partition(".")[0] not in allowed
    }

    assert foreign == set()


def test_no_module_imports_itself_through_others() -> None:
    found = modules()
    graph = {
        name: {one for one in imported(path, found) if one in found and one != name} for name, path in found.items()
    }

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        raise AssertionError(f"import circle: {exc.args[1]}") from exc
