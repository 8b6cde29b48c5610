"""Checks of capacities that contradict each other within the section `scaling`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stacks.environment.problems import Location, SettingProblem

if TYPE_CHECKING:
    from stacks.environment.scaling import Scaling, ScheduledCapacity


def scaling_problems(scaling: Scaling) -> Iterator[SettingProblem]:
    """Problems within autoscaling."""
    low, high = scaling.min_capacity, scaling.max_capacity
    if low > high:
        yield _crossed((), low, high)
    names = [schedule.name for schedule in scaling.schedules]
    for index, schedule in enumerate(scaling.schedules):
        if schedule.name in names[:index]:
            yield SettingProblem(
                location=("schedules", index, "name"),
                text=f"{schedule.name!r} stands twice",
                received=schedule.name,
                allowed="a name that no other schedule has",
                remedy="rename one of the two",
            )
        if schedule.max_capacity is None and schedule.min_capacity is not None and schedule.min_capacity > high:
            yield _one_sided(index, "min_capacity", schedule.min_capacity, f"at most scaling.max_capacity ({high})")
        if schedule.min_capacity is None and schedule.max_capacity is not None and schedule.max_capacity < low:
            yield _one_sided(index, "max_capacity", schedule.max_capacity, f"at least scaling.min_capacity ({low})")


def schedule_problems(schedule: ScheduledCapacity) -> Iterator[SettingProblem]:
    """Problems within one schedule."""
    low, high = schedule.min_capacity, schedule.max_capacity
    if low is None and high is None:
        yield SettingProblem(
            location=(),
            text=f"the schedule {schedule.name!r} changes nothing",
            allowed="min_capacity, max_capacity or both",
            remedy="add the capacity that takes effect then, or remove the schedule",
        )
    elif low is not None and high is not None and low > high:
        yield _crossed((), low, high)


def _crossed(location: Location, low: int, high: int) -> SettingProblem:
    return SettingProblem(
        location=(*location, "min_capacity"),
        text=f"{low} is above max_capacity, {high}",
        received=low,
        allowed=f"1 to max_capacity ({high})",
        remedy="lower min_capacity or raise max_capacity",
    )


def _one_sided(index: int, name: str, value: int, allowed: str) -> SettingProblem:
    other = "max_capacity" if name == "min_capacity" else "min_capacity"
    return SettingProblem(
        location=("schedules", index, name),
        text=f"{value} contradicts scaling.{other}, which this schedule leaves as it is",
        received=value,
        allowed=allowed,
        remedy=f"give the schedule a {other} too, or change this one",
    )
