"""docs/api.md: its table is what the API takes."""

from __future__ import annotations

import pytest

from tools.openapi_document import PAGE, TABLE_BEGIN, TABLE_END, with_table


def test_parameter_table_is_the_schemas() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page == with_table(page), "Run `python -m tools.openapi_document` and commit the page."


@pytest.mark.parametrize("page", ["", TABLE_BEGIN, TABLE_END + TABLE_BEGIN, (TABLE_BEGIN + TABLE_END) * 2])
def test_page_without_its_markers_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="each once"):
        with_table(page)
