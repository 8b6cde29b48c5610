"""AWS::ApplicationAutoScaling: scalable targets with their scheduled actions, and scaling policies."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from typing import Any

from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call, unless

SERVICE = "application-autoscaling"
# moto answers ValidationException, AWS ObjectNotFoundException, for what is not there.
MISSING = "ValidationException ObjectNotFoundException"
TARGET_KEYS = ("ResourceId", "ScalableDimension", "ServiceNamespace")


class ScalableTarget(ResourceType):
    """A scalable target and its scheduled actions."""

    name = "AWS::ApplicationAutoScaling::ScalableTarget"
    carried = words(
        "MaxCapacity MinCapacity ResourceId RoleARN ScalableDimension ScheduledActions ServiceNamespace SuspendedState"
    )

    def create(self, context: Context, properties: Properties) -> Made:
        """Register the target, then put its scheduled actions."""
        self._register(context, properties)
        physical_id = "|".join(properties[key] for key in TARGET_KEYS)
        made = Made(physical_id, {"Id": physical_id})
        context.initiated(made)
        self._schedule(context, {}, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change capacities and scheduled actions."""
        self._register(context, after)
        self._schedule(context, before, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Deregister the target, with its scheduled actions."""
        client = context.client(SERVICE)
        self._schedule(context, properties, {key: properties[key] for key in TARGET_KEYS})
        unless(MISSING, client.deregister_scalable_target, **_target(properties))

    def _register(self, context: Context, properties: Properties) -> None:
        fields = {key: value for key, value in properties.items() if key != "ScheduledActions"}
        call(context.client(SERVICE), "RegisterScalableTarget", fields, of=self.name)

    def _schedule(self, context: Context, before: Properties, after: Properties) -> None:
        client = context.client(SERVICE)
        wanted = after.get("ScheduledActions") or []
        for action in before.get("ScheduledActions") or []:
            # Changed ones too: moto keeps what a new version of an action leaves out.
            if action not in wanted:
                name = action["ScheduledActionName"]
                unless(MISSING, client.delete_scheduled_action, ScheduledActionName=name, **_target(before))
        for action in wanted:
            call(client, "PutScheduledAction", {**action, **_target(after)}, of=f"{self.name}.ScheduledActions")


class ScalingPolicy(ResourceType):
    """A scaling policy."""

    name = "AWS::ApplicationAutoScaling::ScalingPolicy"
    carried = words(
        "PolicyName PolicyType PredictiveScalingPolicyConfiguration ResourceId ScalableDimension ScalingTargetId "
        "ServiceNamespace StepScalingPolicyConfiguration TargetTrackingScalingPolicyConfiguration"
    )

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the policy."""
        fields = {key: value for key, value in properties.items() if key != "ScalingTargetId"}
        fields |= _target(properties)
        arn = call(context.client(SERVICE), "PutScalingPolicy", fields, of=self.name)["PolicyARN"]
        return Made(arn, {"Arn": arn})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the policy anew."""
        self.create(context, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the policy."""
        delete = context.client(SERVICE).delete_scaling_policy
        unless(MISSING, delete, PolicyName=properties["PolicyName"], **_target(properties))


def _target(properties: Properties) -> dict[str, Any]:
    if "ScalingTargetId" in properties:
        return dict(zip(TARGET_KEYS, properties["ScalingTargetId"].split("|"), strict=True))
    return {key: properties[key] for key in TARGET_KEYS}
