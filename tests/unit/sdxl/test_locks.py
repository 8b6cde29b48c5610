"""The lock files are what `make lock` makes of pyproject.toml and package.json: nothing missing, nothing left over."""

import json
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]


def group(name: str) -> Iterator[Requirement]:
    for entry in GROUPS[name]:
        if isinstance(entry, dict):
            yield from group(entry["include-group"])
        else:
            yield Requirement(entry)


def everything() -> list[Requirement]:
    project = PROJECT["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["cli"]]
    return [*map(Requirement, listed), *group("dev")]


def pins(lock: str) -> list[Requirement]:
    """Return the entries of a lock file without their hashes; a package may have several, for several platforms."""
    lines = re.findall(r"^[a-zA-Z0-9].*?(?= \\$)", (ROOT / lock).read_text(), re.MULTILINE)
    return [Requirement(line) for line in lines]


def versions(lock: str) -> dict[str, str]:
    """Return the locked versions for this machine by package."""
    here = [pin for pin in pins(lock) if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in here}


def reached(roots: list[Requirement], installed: dict[str, str]) -> dict[str, list[Requirement]]:
    """Return everything that `roots` bring, by package, with what is asked of it, as the installed packages say."""
    found: dict[str, list[Requirement]] = {}
    done = set()
    to_do = [(requirement, "") for requirement in roots]
    while to_do:
        requirement, extra = to_do.pop()
        if requirement.marker and not requirement.marker.evaluate({**default_environment(), "extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        found.setdefault(name, []).append(requirement)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in done and name in installed:
                done.add((name, wanted))
                to_do += [(Requirement(text), wanted) for text in requires(name) or ()]
    return found


LOCKS = [
    ("requirements.txt", everything()),
    ("requirements/catalog.txt", list(group("catalog"))),
    ("lambda/requirements.txt", list(group("function"))),
]


@pytest.mark.parametrize(("lock", "roots"), LOCKS, ids=[lock for lock, _ in LOCKS])
def test_a_lock_file_holds_what_pyproject_asks_for_and_all_that_brings(lock, roots):
    locked = versions(lock)
    for name, requirements in reached(roots, locked).items():
        assert name in locked, f"{lock} lacks {name}: run `make lock`"
        for requirement in requirements:
            assert requirement.specifier.contains(locked[name], prereleases=True), f"{lock}: {requirement}"


@pytest.mark.parametrize(("lock", "roots"), LOCKS, ids=[lock for lock, _ in LOCKS])
def test_a_lock_file_holds_nothing_that_nothing_asks_for(lock, roots):
    locked = versions(lock)
    assert set(locked) - set(reached(roots, locked)) == set()


def test_every_lock_file_has_the_same_version_of_a_package():
    locked = versions("requirements.txt")
    for lock in ("requirements/catalog.txt", "lambda/requirements.txt", "lambda/signing-requirements.txt"):
        for name, version in versions(lock).items():
            assert locked.get(name, version) == version, f"{lock}: {name}"


def test_checkov_is_locked_in_the_version_that_pyproject_names():
    (wanted,) = group("checkov")
    assert wanted.specifier.contains(versions("requirements/checkov.txt")["checkov"])


def test_every_group_is_locked_somewhere():
    in_dev = {entry["include-group"] for entry in GROUPS["dev"] if isinstance(entry, dict)}
    assert set(GROUPS) - in_dev == {"dev", "browser", "catalog", "checkov", "clients", "inference"}


@pytest.mark.parametrize("folder", [ROOT, ROOT / "console"], ids=["cdk", "console"])
def test_the_npm_lock_file_is_of_package_json(folder):
    wanted = json.loads((folder / "package.json").read_text())
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    for kind in ("dependencies", "devDependencies", "optionalDependencies"):
        assert locked[""].get(kind) == wanted.get(kind)
        for name, version in wanted.get(kind, {}).items():
            assert locked[f"node_modules/{name}"]["version"] == version
            assert locked[f"node_modules/{name}"]["integrity"].startswith("sha512-")


@pytest.mark.parametrize(
    "lock",
    [
        "requirements.txt",
        "requirements/browser.txt",
        "requirements/catalog.txt",
        "requirements/checkov.txt",
        "lambda/requirements.txt",
        "lambda/signing-requirements.txt",
        "package-lock.json",
        "console/package-lock.json",
    ],
)
def test_lock_files_name_no_address_but_hashes(lock):
    # What npm says of whom to thank is no address that anything is fetched from.
    text = re.sub(r'"url": "https://[^"]*"', "", (ROOT / lock).read_text())
    assert not re.search(r"https?://|file://|--(extra-)?index-url|--find-links", text)
    assert re.search(r"sha256:[0-9a-f]{64}|sha512-", text)
