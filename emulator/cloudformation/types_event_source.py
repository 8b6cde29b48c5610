"""AWS::Lambda::EventSourceMapping: a queue that a function reads."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from typing import ClassVar

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call, unless
from emulator.messages.event_sources import find_queue


class EventSourceMapping(ResourceType):
    """A queue that a function reads. Other sources are not emulated."""

    name = "AWS::Lambda::EventSourceMapping"
    carried = words("BatchSize Enabled EventSourceArn FunctionName FunctionResponseTypes ScalingConfig")
    without_effect: ClassVar[dict[str, str]] = {
        "MaximumBatchingWindowInSeconds": "a batch is what is visible, and is not waited for",
        "MetricsConfig": "it publishes more metrics of the reading",
        "Tags": "nothing looks at the tags of a mapping here",
    }

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the mapping, if the function's role may read the queue."""
        if find_queue(properties["EventSourceArn"]) is None:
            raise ResourceError(f"{properties['EventSourceArn']} is no queue: other event sources are not emulated")
        fields = {key: value for key, value in properties.items() if key in self.carried}
        made = call(context.client("lambda"), "CreateEventSourceMapping", fields, of=self.name)
        arn = context.arn("lambda", f"event-source-mapping:{made['UUID']}")
        return Made(made["UUID"], {"Id": made["UUID"], "EventSourceMappingArn": arn})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change function, batch and concurrency."""
        kept = self.carried - {"EventSourceArn"}
        fields = {key: value for key, value in after.items() if key in kept}
        call(context.client("lambda"), "UpdateEventSourceMapping", {"UUID": made.physical_id, **fields}, of=self.name)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the mapping; the messages stay in the queue."""
        unless("ResourceNotFoundException", context.client("lambda").delete_event_source_mapping, UUID=made.physical_id)
