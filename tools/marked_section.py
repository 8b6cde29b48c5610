"""Sections of hand-written pages that are made from code: what stands between two markers is renewed."""

from __future__ import annotations


def replace_section(page: str, begin: str, end: str, content: str) -> str:
    """`page` with `content`, whole lines, between the markers `begin` and `end`.

    Raises:
        ValueError: the page has not exactly one of each marker, in order.
    """
    head, found_begin, rest = page.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not found_begin or not found_end or begin in rest or end in tail:
        raise ValueError(f"the page must hold {begin!r} and, after it, {end!r}, each once")
    return f"{head}{begin}\n{content}{end}{tail}"
