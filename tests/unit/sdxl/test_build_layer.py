"""The layer's archive: the same from the same packages, only what functions import, never half written."""

import zipfile
from pathlib import Path

import pytest

from tools import build_layer
from tools.build_layer import LayerError, layer_archive, write_archive


def make_packages(folder: Path, names: list[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o600)
    return folder


WANTED = ["a/__init__.py", "a/core.so", "a-1.dist-info/METADATA", "a-1.dist-info/licenses/LICENSE"]
UNWANTED = ["a/__pycache__/x.pyc", "a/tests/test_a.py", "bin/tool", ".lock", "a-1.dist-info/RECORD"]


def test_the_same_packages_make_the_same_bytes(tmp_path):
    one = make_packages(tmp_path / "one", WANTED)
    two = make_packages(tmp_path / "two", WANTED[::-1])
    (two / WANTED[0]).touch()
    write_archive(one, tmp_path / "one.zip")
    write_archive(two, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_archive_holds_only_what_functions_import_where_lambda_looks(tmp_path):
    write_archive(make_packages(tmp_path / "packages", WANTED + UNWANTED), tmp_path / "layer.zip")
    with zipfile.ZipFile(tmp_path / "layer.zip") as archive:
        entries = archive.infolist()
    assert {entry.filename for entry in entries} == {f"python/{name}" for name in WANTED}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.filename: entry.external_attr >> 16 for entry in entries}["python/a/core.so"] == 0o100755


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("a-package==1.1.0\n")
    installs = []

    def install(requirements: Path, target: Path) -> None:
        installs.append(requirements.read_text())
        make_packages(target, WANTED)

    monkeypatch.setattr(build_layer, "install", install)
    return tmp_path, installs


def build(folder: Path) -> Path:
    return build_layer.build_layer(folder / "requirements.txt", folder / "layer")


def test_a_built_layer_is_not_built_again(project):
    folder, installs = project
    assert build(folder) == build(folder) == layer_archive(folder / "requirements.txt", folder / "layer")
    assert len(installs) == 1
    assert [path.name for path in (folder / "layer").iterdir()] == [build(folder).name]


def test_other_requirements_are_another_archive(project):
    folder, _ = project
    first = build(folder)
    (folder / "requirements.txt").write_text("other-package==2.0\n")
    assert build(folder) != first


def test_an_interrupted_build_leaves_nothing(project, monkeypatch):
    folder, _ = project

    def interrupted(packages: Path, archive: Path) -> None:
        archive.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(build_layer, "write_archive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(folder)
    assert list((folder / "layer").iterdir()) == []


@pytest.mark.parametrize(
    ("requirements", "message"),
    [
        ("a-package>=1\n", "--require-hashes.*a-package>=1"),
        ("a-package==1.1.0\n", "must have a hash.*a-package==1.1.0"),
    ],
)
def test_a_requirement_without_a_version_or_a_hash_is_refused(tmp_path, requirements, message):
    (tmp_path / "requirements.txt").write_text(requirements)
    with pytest.raises(LayerError, match=message):
        build_layer.build_layer(tmp_path / "requirements.txt", tmp_path / "layer")
    assert list((tmp_path / "layer").iterdir()) == []
