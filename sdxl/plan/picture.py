"""A small picture of the time played, in characters: requests, instances in service and wait, below each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sdxl.plan.arrivals import DAY, HOUR
from sdxl.plan.outcome import Bucket, Outcome

_BLOCKS = " ▁▂▃▄▅▆▇█"
_ASCII = " .:#"
_FAILED = "x"
_ROWS = 3
_LABEL = 12
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def picture(outcome: Outcome, width: int, *, is_ascii: bool = False) -> Iterator[str]:
    """Yield the lines of the picture for `width` columns, in ASCII for a terminal that has no block characters."""
    buckets = outcome.buckets(max(10, width - _LABEL - 1))
    # As wide as fits: a day of 24 hours would otherwise be a third of the line.
    repeat = max(1, (width - _LABEL - 1) // len(buckets))
    blocks = _ASCII if is_ascii else _BLOCKS
    rates = [bucket.requests * HOUR / bucket.seconds for bucket in buckets]
    for name, values in (
        ("requests/h", rates),
        ("instances", [bucket.instances for bucket in buckets]),
        ("p95 wait s", [bucket.p95 or 0.0 for bucket in buckets]),
    ):
        yield from _chart(name, values, blocks, repeat)
    yield " " * (_LABEL + 1) + _axis(buckets, outcome, repeat)
    if any(math.isinf(bucket.p95 or 0.0) for bucket in buckets):
        yield f"{_FAILED}: more than 5 % of the requests of that time failed"


def _chart(name: str, values: Sequence[float], blocks: str, repeat: int) -> Iterator[str]:
    known = [value for value in values if math.isfinite(value)]
    top = max([*known, 0.0])
    levels = len(blocks) - 1
    label = f"{top:,.0f}" if top >= 100 else f"{top:.1f}".removesuffix(".0")
    for row in reversed(range(_ROWS)):
        line = ""
        for value in values:
            if math.isinf(value):
                character = _FAILED
            else:
                filled = 0 if top == 0 else math.ceil(value / top * _ROWS * levels) - row * levels
                character = blocks[min(max(filled, 0), levels)]
            line += character * repeat
        left = {_ROWS - 1: label, _ROWS - 2: name}.get(row, "0" if row == 0 else "")
        yield f"{left:>{_LABEL}} {line}".rstrip()


def _axis(buckets: Sequence[Bucket], outcome: Outcome, repeat: int) -> str:
    """The hours of one day, or the days of several."""
    start = outcome.played.arrivals.start_minute * 60
    step = 6 * HOUR if outcome.days == 1 else DAY * max(1, math.ceil(outcome.days * 4 / (len(buckets) * repeat)))
    axis = [" "] * (len(buckets) * repeat + 3)
    for index, bucket in enumerate(buckets):
        at = bucket.start
        if at % step >= bucket.seconds:
            continue
        moment = start + at - at % step
        text = f"{int(moment % DAY // HOUR):02}" if outcome.days == 1 else _WEEKDAYS[int(moment // DAY) % 7]
        for offset, character in enumerate(text):
            axis[index * repeat + offset] = character
    return "".join(axis).rstrip()
