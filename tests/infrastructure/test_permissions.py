"""No permission is wider than the service demands, in any stack of any environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infrastructure_synthesis import Synthesis, access_environments, example_environments

from sdxl.checks.arns import UNKNOWN_ARN, stack_values
from sdxl.checks.iam_lint import lint_policies, policies_in

# Actions without a resource level: IAM knows no narrower resource than * for them.
WITHOUT_RESOURCE_LEVEL = {
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "cloudwatch:GetMetricData",
    "cloudwatch:GetMetricWidgetImage",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


def identity_statements(*syntheses: Synthesis) -> Iterator[dict[str, Any]]:
    for stacks in (stacks for synthesis in syntheses for stacks in synthesis.templates.values()):
        for template in stacks.values():
            for resource in template["Resources"].values():
                if resource["Type"] == "AWS::IAM::ManagedPolicy":
                    yield from resource["Properties"]["PolicyDocument"]["Statement"]
                assert resource["Type"] not in ("AWS::IAM::Policy", "AWS::IAM::UserPolicy", "AWS::IAM::RolePolicy")
                if resource["Type"] == "AWS::IAM::Role":
                    assert "Policies" not in resource["Properties"]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_action_is_named(examples: Synthesis, access: Synthesis) -> None:
    actions = {action for statement in identity_statements(examples, access) for action in as_list(statement["Action"])}

    assert actions
    assert not [action for action in actions if "*" in action]


def test_every_resource_is_named_where_the_service_allows_it(examples: Synthesis, access: Synthesis) -> None:
    for statement in identity_statements(examples, access):
        if statement["Effect"] == "Allow" and "*" in as_list(statement["Resource"]):
            assert set(as_list(statement["Action"])) <= WITHOUT_RESOURCE_LEVEL


def test_aws_managed_policies_are_attached_to_the_gateways_own_role_only(
    examples: Synthesis, access: Synthesis
) -> None:
    attached = {
        arn["Fn::Join"][1][-1]
        for stacks in examples.templates.values()
        for template in stacks.values()
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role"
        for arn in resource["Properties"]["ManagedPolicyArns"]
        # Managed policies of the stack are references; AWS's have the partition in front.
        if "Ref" not in arn
    }

    assert attached == {":iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}


def test_every_policy_of_the_environments_does_what_it_says(examples: Synthesis, access: Synthesis) -> None:
    for environment in (*example_environments(), *access_environments()):
        synthesis = examples if environment.name in examples.templates else access
        stacks = {f"sdxl-{environment.name}-{name}": one for name, one in synthesis.templates[environment.name].items()}

        assert lint_policies(stacks, account=environment.account, region=environment.region) == []


def test_every_arn_in_a_policy_is_of_a_known_type(examples: Synthesis, access: Synthesis) -> None:
    for stacks in (*examples.templates.values(), *access.templates.values()):
        for values in stack_values(stacks, account="111122223333", region="us-east-1").values():
            for resource in values.template["Resources"].values():
                for document in policies_in(resource.get("Properties", {})):
                    for statement in document["Statement"]:
                        assert UNKNOWN_ARN not in map(values.text, as_list(statement.get("Resource", []))), resource
