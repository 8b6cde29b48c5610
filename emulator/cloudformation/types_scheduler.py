"""AWS::Scheduler: schedules of EventBridge Scheduler, and their groups."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from typing import ClassVar

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call, tag_list, unless

GONE = "ResourceNotFoundException"
_TARGET = words("Arn DeadLetterConfig Input RetryPolicy RoleArn")


class Schedule(ResourceType):
    """A schedule whose target is a function."""

    name = "AWS::Scheduler::Schedule"
    carried = words(
        "Description EndDate FlexibleTimeWindow GroupName KmsKeyArn Name ScheduleExpression "
        "ScheduleExpressionTimezone StartDate State Target"
    )
    name_property = "Name"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the schedule."""
        name = properties.get("Name") or context.physical_name(64)
        _check(properties)
        arn = call(context.client("scheduler"), "CreateSchedule", {**properties, "Name": name}, of=self.name)
        return Made(name, {"Arn": arn["ScheduleArn"]})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the schedule."""
        _check(after)
        call(context.client("scheduler"), "UpdateSchedule", {**after, "Name": made.physical_id}, of=self.name)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the schedule."""
        group = {"GroupName": properties["GroupName"]} if "GroupName" in properties else {}
        unless(GONE, context.client("scheduler").delete_schedule, Name=made.physical_id, **group)


class ScheduleGroup(ResourceType):
    """A group of schedules."""

    name = "AWS::Scheduler::ScheduleGroup"
    carried = words("Name Tags")
    missing_attributes: ClassVar[dict[str, str]] = dict.fromkeys(
        ("CreationDate", "LastModificationDate", "State"), "nobody asks for it"
    )
    name_property = "Name"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the group."""
        name = properties.get("Name") or context.physical_name(64)
        made = context.client("scheduler").create_schedule_group(Name=name, Tags=tag_list(properties))
        return Made(name, {"Arn": made["ScheduleGroupArn"]})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the tags."""
        context.client("scheduler").tag_resource(ResourceArn=made.attributes["Arn"], Tags=tag_list(after))
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the group with its schedules."""
        unless(GONE, context.client("scheduler").delete_schedule_group, Name=made.physical_id)


def _check(properties: Properties) -> None:
    target = properties["Target"]
    unknown = sorted(set(target) - _TARGET)
    if unknown or ":lambda:" not in str(target.get("Arn")):
        raise ResourceError(f"the emulator's schedules call functions alone, with {', '.join(sorted(_TARGET))}")
