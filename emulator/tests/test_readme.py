"""README.md lists what is emulated."""

from pathlib import Path

from emulator.aws import load_resource_types
from emulator.cloudformation.resource_type import ResourceType

PAGE = Path(__file__).resolve().parents[1] / "README.md"


def test_the_page_lists_every_type_with_what_it_ignores() -> None:
    load_resource_types()
    expected = [
        f"| `{name}` | {'; '.join(f'`{prop}`: {reason}' for prop, reason in kind.without_effect.items())} |"
        for name, kind in sorted(ResourceType.registry.items())
    ]

    listed = [line for line in PAGE.read_text().splitlines() if line.startswith("| `AWS::")]

    assert listed == expected
