"""AWS::CloudWatch and the metric filters and saved queries of AWS::Logs."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

import json
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call, unless
from emulator.monitoring.alarms import alarms_of_rule
from emulator.monitoring.logs import FilterPatternError, parse_pattern


class Alarm(ResourceType):
    """A CloudWatch alarm."""

    name = "AWS::CloudWatch::Alarm"
    carried = words(
        "ActionsEnabled AlarmActions AlarmDescription AlarmName ComparisonOperator DatapointsToAlarm Dimensions "
        "EvaluateLowSampleCountPercentile EvaluationPeriods ExtendedStatistic InsufficientDataActions MetricName "
        "Metrics Namespace OKActions Period Statistic Tags Threshold ThresholdMetricId TreatMissingData Unit"
    )
    name_property = "AlarmName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the alarm."""
        alarm = properties.get("AlarmName") or context.physical_name(255)
        call(context.client("cloudwatch"), "PutMetricAlarm", {**properties, "AlarmName": alarm}, of=self.name)
        return Made(alarm, {"Arn": context.arn("cloudwatch", f"alarm:{alarm}")})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the alarm anew."""
        fields = {**after, "AlarmName": made.physical_id}
        call(context.client("cloudwatch"), "PutMetricAlarm", fields, of=self.name)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the alarm."""
        context.client("cloudwatch").delete_alarms(AlarmNames=[made.physical_id])


class CompositeAlarm(ResourceType):
    """An alarm on other alarms, which have to be there, as CloudWatch demands."""

    name = "AWS::CloudWatch::CompositeAlarm"
    carried = words(
        "ActionsEnabled ActionsSuppressor ActionsSuppressorExtensionPeriod ActionsSuppressorWaitPeriod AlarmActions "
        "AlarmDescription AlarmName AlarmRule InsufficientDataActions OKActions Tags"
    )
    name_property = "AlarmName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the alarm."""
        alarm = properties.get("AlarmName") or context.physical_name(255)
        return self._put(context, alarm, properties)

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the alarm anew."""
        return self._put(context, made.physical_id, after)

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the alarm."""
        context.client("cloudwatch").delete_alarms(AlarmNames=[made.physical_id])

    def _put(self, context: Context, alarm: str, properties: Properties) -> Made:
        known = cloudwatch_backends[context.account][context.region].alarms
        missing = [name for name in alarms_of_rule(properties["AlarmRule"]) if name not in known]
        if missing:
            message = f"Could not save the composite alarm as alarms {missing} in the alarm rule do not exist"
            raise ResourceError(message)
        fields = {**properties, "AlarmName": alarm}
        call(context.client("cloudwatch"), "PutCompositeAlarm", fields, of=self.name)
        return Made(alarm, {"Arn": context.arn("cloudwatch", f"alarm:{alarm}")})


class Dashboard(ResourceType):
    """A dashboard. CloudWatch refuses a body that is no JSON."""

    name = "AWS::CloudWatch::Dashboard"
    carried = words("DashboardBody DashboardName")
    name_property = "DashboardName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the dashboard."""
        name = properties.get("DashboardName") or context.physical_name(255)
        return self._put(context, name, properties)

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the dashboard anew."""
        return self._put(context, made.physical_id, after)

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the dashboard."""
        unless("ResourceNotFound", context.client("cloudwatch").delete_dashboards, DashboardNames=[made.physical_id])

    @staticmethod
    def _put(context: Context, name: str, properties: Properties) -> Made:
        try:
            json.loads(properties["DashboardBody"])
        except ValueError as exc:
            message = f"The dashboard body is invalid, there are 1 validation errors: not JSON, {exc}"
            raise ResourceError(message) from exc
        context.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=properties["DashboardBody"])
        return Made(name)


class MetricFilter(ResourceType):
    """A metric out of a log group's lines."""

    name = "AWS::Logs::MetricFilter"
    carried = words("FilterName FilterPattern LogGroupName MetricTransformations")
    name_property = "FilterName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the filter."""
        name = properties.get("FilterName") or context.physical_name(512)
        return self._put(context, name, properties)

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the filter anew; moto would keep both."""
        self.delete(context, made, before)
        return self._put(context, made.physical_id, after)

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the filter."""
        context.client("logs").delete_metric_filter(
            filterName=made.physical_id, logGroupName=properties["LogGroupName"]
        )

    def _put(self, context: Context, name: str, properties: Properties) -> Made:
        try:
            parse_pattern(properties["FilterPattern"])
        except FilterPatternError as exc:
            raise ResourceError(str(exc)) from exc
        call(context.client("logs"), "PutMetricFilter", {**properties, "FilterName": name}, of=self.name)
        return Made(name)


class QueryDefinition(ResourceType):
    """A saved query of Logs Insights. moto has none: the stack alone knows it."""

    name = "AWS::Logs::QueryDefinition"
    carried = words("LogGroupNames Name Parameters QueryLanguage QueryString")

    def create(self, context: Context, properties: Properties) -> Made:
        """Check what the service checks, and give it an id."""
        self._check(context, properties)
        made_id = context.physical_name(64)
        return Made(made_id, {"QueryDefinitionId": made_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the query."""
        self._check(context, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Nothing but the stack knows it."""

    @staticmethod
    def _check(context: Context, properties: Properties) -> None:
        logs: Any = context.client("logs")
        for group in properties.get("LogGroupNames") or []:
            found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
            if group not in [item["logGroupName"] for item in found]:
                message = f"Log group {group} of the query {properties['Name']!r} does not exist"
                raise ResourceError(message)
