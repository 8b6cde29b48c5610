"""The same input gives the same bytes, on every machine."""

from __future__ import annotations

from pathlib import Path

from infrastructure_synthesis import ROOT, contents, example_environments, make_layer, synthesize


def test_synthesizing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    layer = make_layer(tmp_path)
    first = synthesize(tmp_path / "first" / "cdk.out", *example_environments(), layer=layer)
    second = synthesize(tmp_path / "second" / "cdk.out", *example_environments(), layer=layer)

    assert contents(first.directory) == contents(second.directory)


def test_nothing_of_this_machine_is_in_the_templates(tmp_path: Path) -> None:
    found = synthesize(tmp_path / "cdk.out", *example_environments())

    for path in found.directory.rglob("*.template.json"):
        text = path.read_text()
        assert str(ROOT) not in text
        assert str(tmp_path) not in text
