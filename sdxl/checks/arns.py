"""The ARNs that synthesized templates speak of, as patterns: `*` stands for what only the deployment decides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Template = Mapping[str, Any]


UNKNOWN_ARN = "arn:*:*:*:*:*"
"""The ARN of a resource of a type that `ARNS` does not have: it may be anything."""


@dataclass(frozen=True)
class ArnForm:
    """How the ARN of a resource type is made. `name` is the property that names the resource, if there is one."""

    arn: str
    name: str | None = None
    ref_is_arn: bool = False


_REGIONAL = "{region}:{account}"
ARNS: Mapping[str, ArnForm] = {
    "AWS::CodeBuild::Project": ArnForm(f"codebuild:{_REGIONAL}:project/{{name}}", "Name"),
    "AWS::CodePipeline::Pipeline": ArnForm(f"codepipeline:{_REGIONAL}:{{name}}", "Name"),
    "AWS::Cognito::UserPool": ArnForm(f"cognito-idp:{_REGIONAL}:userpool/*"),
    "AWS::CloudWatch::Alarm": ArnForm(f"cloudwatch:{_REGIONAL}:alarm:{{name}}", "AlarmName"),
    "AWS::CloudWatch::CompositeAlarm": ArnForm(f"cloudwatch:{_REGIONAL}:alarm:{{name}}", "AlarmName"),
    "AWS::CloudWatch::Dashboard": ArnForm("cloudwatch::{account}:dashboard/{name}", "DashboardName"),
    "AWS::DynamoDB::Table": ArnForm(f"dynamodb:{_REGIONAL}:table/{{name}}", "TableName"),
    "AWS::IAM::ManagedPolicy": ArnForm("iam::{account}:policy/{name}", "ManagedPolicyName", ref_is_arn=True),
    "AWS::IAM::Role": ArnForm("iam::{account}:role/{name}", "RoleName"),
    "AWS::KMS::Key": ArnForm(f"kms:{_REGIONAL}:key/*"),
    "AWS::Lambda::Alias": ArnForm(f"lambda:{_REGIONAL}:function:*", ref_is_arn=True),
    "AWS::Lambda::Function": ArnForm(f"lambda:{_REGIONAL}:function:{{name}}", "FunctionName"),
    "AWS::Lambda::LayerVersion": ArnForm(f"lambda:{_REGIONAL}:layer:{{name}}", "LayerName", ref_is_arn=True),
    "AWS::Lambda::Version": ArnForm(f"lambda:{_REGIONAL}:function:*", ref_is_arn=True),
    "AWS::Logs::LogGroup": ArnForm(f"logs:{_REGIONAL}:log-group:{{name}}", "LogGroupName"),
    "AWS::S3::Bucket": ArnForm("s3:::{name}", "BucketName"),
    "AWS::SNS::Topic": ArnForm(f"sns:{_REGIONAL}:{{name}}", "TopicName", ref_is_arn=True),
    "AWS::SQS::Queue": ArnForm(f"sqs:{_REGIONAL}:{{name}}", "QueueName"),
    "AWS::SageMaker::Endpoint": ArnForm(f"sagemaker:{_REGIONAL}:endpoint/{{name}}", "EndpointName", ref_is_arn=True),
    "AWS::SageMaker::EndpointConfig": ArnForm(
        f"sagemaker:{_REGIONAL}:endpoint-config/{{name}}", "EndpointConfigName", ref_is_arn=True
    ),
    "AWS::SageMaker::Model": ArnForm(f"sagemaker:{_REGIONAL}:model/{{name}}", "ModelName", ref_is_arn=True),
    "AWS::WAFv2::WebACL": ArnForm(f"wafv2:{_REGIONAL}:regional/webacl/{{name}}/*", "Name"),
}
"""ARNs by resource type, without `arn:` and the partition. Source: Service Authorization Reference."""

_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")


@dataclass(frozen=True, kw_only=True)
class StackValues:
    """Gives the values of one stack's template as text, with `*` for what only the deployment decides.

    `exports` are the values that other stacks export, by name: see `stack_values`.
    """

    template: Template
    stack_name: str
    account: str
    region: str
    partition: str = "aws"
    exports: Mapping[str, str] = field(default_factory=dict)

    def text(self, value: Any) -> str:  # noqa: PLR0911 - a case for each function
        """Return a value of the template as a pattern."""
        if not isinstance(value, Mapping):
            return str(value)
        ((function, argument),) = value.items()
        match function:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                logical_id, _, attribute = (argument if isinstance(argument, str) else ".".join(argument)).partition(
                    "."
                )
                return self.arn(logical_id) if attribute.endswith("Arn") else self._attribute(logical_id, attribute)
            case "Fn::Join":
                separator, parts = argument
                return str(separator).join(self.text(part) for part in parts)
            case "Fn::Sub":
                template, given = (argument, {}) if isinstance(argument, str) else argument
                return _VARIABLE.sub(lambda found: self._variable(found[1], given), template)
            case "Fn::ImportValue":
                return self.exports.get(self.text(argument), "*")
            case _:
                return "*"

    def arn(self, logical_id: str) -> str:
        """Return the ARN of a resource of the template; `UNKNOWN_ARN` where `ARNS` does not have its type."""
        resource = self.template["Resources"][logical_id]
        form = ARNS.get(resource["Type"])
        if form is None:
            return UNKNOWN_ARN
        name = self.name(logical_id) if form.name else "*"
        arn = form.arn.format(region=self.region, account=self.account, name=name)
        return f"arn:{self.partition}:{arn}"

    def name(self, logical_id: str) -> str:
        """Return the name that a resource has, or the pattern of the one that CloudFormation gives it.

        CloudFormation makes a name of the stack's name, the logical id and random characters, and shortens the first
        two as the service demands. Buckets have small letters.
        """
        resource = self.template["Resources"][logical_id]
        form = ARNS.get(resource["Type"])
        given = resource.get("Properties", {}).get(form.name) if form and form.name else None
        if given is not None:
            return self.text(given)
        prefix = self.stack_name.partition("-")[0]
        return f"{prefix.lower() if resource['Type'] == 'AWS::S3::Bucket' else prefix}-*"

    def _ref(self, logical_id: str) -> str:
        pseudo = {
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::AccountId": self.account,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if logical_id in pseudo:
            return pseudo[logical_id]
        resource = self.template["Resources"].get(logical_id)
        if resource is None:
            return "*"
        form = ARNS.get(resource["Type"])
        if form is not None and form.ref_is_arn:
            return self.arn(logical_id)
        return self.name(logical_id) if form is not None and form.name else "*"

    def _attribute(self, logical_id: str, attribute: str) -> str:
        form = ARNS.get(self.template["Resources"][logical_id]["Type"])
        return self.name(logical_id) if form is not None and attribute == form.name else "*"

    def _variable(self, name: str, given: Mapping[str, Any]) -> str:
        if name in given:
            return self.text(given[name])
        return self.text({"Fn::GetAtt": name} if "." in name else {"Ref": name})


def stack_values(
    stacks: Mapping[str, Template], *, account: str, region: str, partition: str = "aws"
) -> dict[str, StackValues]:
    """Return the values of stacks of one account and region by the stack's name, with what each exports."""
    alone = {
        name: StackValues(template=template, stack_name=name, account=account, region=region, partition=partition)
        for name, template in stacks.items()
    }
    exports = {
        values.text(output["Export"]["Name"]): values.text(output["Value"])
        for values in alone.values()
        for output in values.template.get("Outputs", {}).values()
        if "Export" in output
    }
    return {name: replace(values, exports=exports) for name, values in alone.items()}


def overlap(one: str, other: str) -> bool:
    """Whether a text exists that fits both patterns, where `*` is any text and `?` one character."""
    pending, seen = [(0, 0)], {(0, 0)}
    while pending:
        first, second = pending.pop()
        if first == len(one) and second == len(other):
            return True
        left, right = one[first : first + 1], other[second : second + 1]
        nexts = []
        if left == "*":
            nexts.append((first + 1, second))
        if right == "*":
            nexts.append((first, second + 1))
        if left and right:
            if left == "*" or right == "*":
                nexts.append((first + (left != "*"), second + (right != "*")))
            elif left == right or "?" in (left, right):
                nexts.append((first + 1, second + 1))
        for state in nexts:
            if state not in seen:
                seen.add(state)
                pending.append(state)
    return False
