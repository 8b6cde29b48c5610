"""Renews what the creators' page takes from the API itself: tables of sizes and styles, and the picture of the sizes.

`python -m tools.creators_page` writes `docs/creators.md` (between its markers) and `docs/images/sizes.svg`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from image_api.presets import SIZE_PRESETS, TRAINED_SIZES
from image_api.styles import BUILT_IN_STYLES

from tools.marked_section import replace_section

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "creators.md"
PICTURE = ROOT / "docs" / "images" / "sizes.svg"

# One pixel of the picture is this many of an image.
_SCALE = 10
_COLUMNS = 4
_CELL_WIDTH, _CELL_HEIGHT = 180, 200


def page(current: str) -> str:
    """Return the page with its tables renewed."""
    return _between(_between(current, "sizes", _sizes_table()), "styles", _styles_table())


def picture() -> str:
    """Return the sizes as an SVG drawing: each to scale, with its name."""
    rows = -(-len(SIZE_PRESETS) // _COLUMNS)
    width, height = _COLUMNS * _CELL_WIDTH, rows * _CELL_HEIGHT
    cells = [_cell(index) for index in range(len(SIZE_PRESETS))]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            "<title>The seven sizes by use, drawn to scale</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            '<g font-family="sans-serif" font-size="12" text-anchor="middle" fill="#1f2328">',
            *cells,
            "</g>",
            "</svg>",
            "",
        ]
    )


def main() -> int:
    """Write both files."""
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture())
    PAGE.write_text(page(PAGE.read_text()))
    return 0


def _cell(index: int) -> str:
    preset = SIZE_PRESETS[index]
    width, height = preset.width // _SCALE, preset.height // _SCALE
    center = (index % _COLUMNS) * _CELL_WIDTH + _CELL_WIDTH // 2
    bottom = (index // _COLUMNS + 1) * _CELL_HEIGHT - 50
    return (
        f'<rect x="{center - width // 2}" y="{bottom - height}" width="{width}" height="{height}" '
        f'fill="#dbe7ff" stroke="#3b6fd4"/>'
        f'<text x="{center}" y="{bottom - height // 2 + 4}">{preset.width}x{preset.height}</text>'
        f'<text x="{center}" y="{bottom + 18}" font-weight="bold">{preset.label} {preset.ratio}</text>'
        f'<text x="{center}" y="{bottom + 34}" font-family="monospace">{preset.name}</text>'
    )


def _sizes_table() -> str:
    rows = [f"| `{size.name}` | {size.label} | {size.ratio} | {size.width}x{size.height} |" for size in SIZE_PRESETS]
    named = {(size.width, size.height) for size in SIZE_PRESETS}
    others = ", ".join(f"{width}x{height}" for width, height in sorted(TRAINED_SIZES - named))
    return "\n".join(
        [
            "| size | for | ratio | pixels |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Trained for as well, without a name: {others}.",
        ]
    )


def _styles_table() -> str:
    rows = [f"| `{style.name}` | {style.description} |" for style in BUILT_IN_STYLES]
    return "\n".join(["| style | what it gives |", "|---|---|", *rows])


def _between(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}: begin (made by tools/creators_page.py) -->", f"<!-- {name}: end -->"
    try:
        return replace_section(text, begin, end, f"{content}\n")
    except ValueError as exc:
        raise ValueError(f"{PAGE}: {exc}. Put the markers back where the table belongs.") from exc


if __name__ == "__main__":
    sys.exit(main())
