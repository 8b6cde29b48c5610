"""Change sets as the CDK CLI uses them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloudformation_support import Stacks, named_parameter, parameter, template


def test_a_new_stack_is_in_review_until_its_change_set_is_executed(stacks: Stacks) -> None:
    described = stacks.change_set({"A": parameter()})

    assert stacks.status() == "REVIEW_IN_PROGRESS"
    assert [change["ResourceChange"]["Action"] for change in described["Changes"]] == ["Add"]
    stacks.api.execute_change_set(StackName="stack", ChangeSetName="change")
    assert stacks.status() == "CREATE_COMPLETE"


def test_an_unchanged_template_makes_a_failed_change_set_with_the_reason_that_the_cli_knows(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter()})

    described = stacks.change_set({"A": parameter()})

    assert described["Status"] == "FAILED"
    assert described["StatusReason"].startswith("The submitted information didn't contain changes.")


def test_a_change_of_outputs_alone_can_be_deployed(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter()})

    stacks.deploy({"A": parameter()}, Outputs={"Name": {"Value": {"Ref": "A"}}})

    assert stacks.outputs()["Name"] == stacks.physical_id("A")


def test_change_set_names_belong_to_a_stack(stacks: Stacks) -> None:
    stacks.change_set({"A": parameter()}, name="one")
    stacks.change_set({"B": parameter()}, name="two")

    described = stacks.api.describe_change_set(StackName="one", ChangeSetName="change")

    assert [change["ResourceChange"]["LogicalResourceId"] for change in described["Changes"]] == ["A"]


def test_deleting_a_change_set_that_does_not_exist_is_no_error(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter()})

    stacks.api.delete_change_set(StackName="stack", ChangeSetName="none")


def test_a_missing_change_set_is_the_error_that_the_cli_waits_for(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter()})

    with pytest.raises(stacks.api.exceptions.ChangeSetNotFoundException):
        stacks.api.describe_change_set(StackName="stack", ChangeSetName="none")


def test_a_replacement_is_announced_with_the_property_that_causes_it(stacks: Stacks) -> None:
    stacks.deploy({"A": named_parameter("/one"), "B": parameter({"Ref": "A"})})

    described = stacks.change_set({"A": named_parameter("/two"), "B": parameter({"Ref": "A"})})

    first, second = (change["ResourceChange"] for change in described["Changes"])
    assert (first["LogicalResourceId"], first["Replacement"]) == ("A", "True")
    assert first["Details"][0]["Target"]["Name"] == "Name"
    assert first["Details"][0]["Target"]["RequiresRecreation"] == "Always"
    assert (second["LogicalResourceId"], second["Replacement"]) == ("B", "False")
    assert second["Details"][0]["CausingEntity"] == "A"


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ({"Type": "AWS::EC2::Instance"}, "AWS::EC2::Instance is not emulated"),
        (
            {"Type": "AWS::S3::Bucket", "Properties": {"AccelerateConfiguration": {}}},
            "AWS::S3::Bucket.AccelerateConfiguration is not emulated",
        ),
        ({"Type": "AWS::SSM::Parameter", "CreationPolicy": {}}, "resource attribute CreationPolicy of A"),
        (parameter({"Fn::GetAtt": ["Ok", "Nothing"]}), "AWS::SSM::Parameter.Nothing (attribute of Ok)"),
        (parameter({"Ref": "Missing"}), "Unresolved resource dependencies [Missing]"),
        (parameter({"Fn::Cidr": ["10.0.0.0/8", 1, 1]}), "intrinsic function Fn::Cidr is not emulated"),
        (parameter("{{resolve:secretsmanager:x}}"), "dynamic reference"),
        (parameter(DeletionPolicy="Snapshot"), "DeletionPolicy 'Snapshot' of A is not emulated"),
    ],
)
def test_what_would_be_skipped_is_refused_before_anything_is_made(
    stacks: Stacks, resource: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError) as refused:
        stacks.change_set({"A": resource, "Ok": parameter()})

    assert message in str(refused.value)
    assert stacks.api.describe_stacks()["Stacks"] == []


def test_every_problem_of_a_template_is_named_at_once(stacks: Stacks) -> None:
    with pytest.raises(ClientError) as refused:
        stacks.change_set({"A": {"Type": "AWS::X::Y"}, "B": parameter(), "C": {"Type": "AWS::X::Z"}})

    assert "AWS::X::Y" in str(refused.value)
    assert "AWS::X::Z" in str(refused.value)


def test_a_nested_property_that_the_service_does_not_have_fails_the_resource_by_name(stacks: Stacks) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"VersioningConfiguration": {"Status": "Enabled", "Odd": 1}}}

    assert stacks.deploy({"A": bucket}) == "ROLLBACK_COMPLETE"
    assert "AWS::S3::Bucket.VersioningConfiguration.VersioningConfiguration.Odd is not emulated" in stacks.reasons()


def test_circular_dependencies_are_refused(stacks: Stacks) -> None:
    with pytest.raises(ClientError, match="Circular dependency between resources"):
        stacks.change_set({"A": parameter({"Ref": "B"}), "B": parameter({"Ref": "A"})})


def test_iam_resources_need_the_callers_acknowledgment(stacks: Stacks) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}

    with pytest.raises(ClientError) as refused:
        stacks.change_set({"A": role}, Capabilities=[])

    assert refused.value.response["Error"]["Code"] == "InsufficientCapabilitiesException"


def test_the_type_of_a_resource_cannot_change(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter()})

    with pytest.raises(ClientError, match="Update of resource type is not permitted"):
        stacks.change_set({"A": {"Type": "AWS::S3::Bucket"}})


def test_parameters_are_defaulted_checked_and_kept(stacks: Stacks) -> None:
    definition = {"P": {"Type": "String", "Default": "a", "AllowedValues": ["a", "b"]}}
    resources = {"A": parameter({"Ref": "P"})}
    stacks.deploy(resources, Parameters_=definition, Parameters=[{"ParameterKey": "P", "ParameterValue": "b"}])

    with pytest.raises(ClientError, match="must be one of AllowedValues"):
        stacks.change_set(resources, Parameters_=definition, Parameters=[{"ParameterKey": "P", "ParameterValue": "c"}])
    kept = stacks.change_set(
        resources, Parameters_=definition, Parameters=[{"ParameterKey": "P", "UsePreviousValue": True}]
    )

    assert kept["Status"] == "FAILED"
    assert stacks.describe()["Parameters"] == [{"ParameterKey": "P", "ParameterValue": "b"}]


def test_a_parameter_of_ssm_type_is_looked_up_and_its_rule_checked(stacks: Stacks, client: Any) -> None:
    client("ssm").put_parameter(Name="/version", Value="5", Type="String")
    sections = {
        "Parameters_": {"V": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/version"}},
        "Rules": {
            "Check": {
                "Assertions": [
                    {"Assert": {"Fn::Not": [{"Fn::Contains": [["1"], {"Ref": "V"}]}]}, "AssertDescription": "too old"}
                ]
            }
        },
        "Outputs": {"V": {"Value": {"Ref": "V"}}},
    }
    stacks.deploy({"A": parameter()}, **sections)

    assert stacks.outputs() == {"V": "5"}
    assert stacks.describe()["Parameters"][0]["ResolvedValue"] == "5"
    client("ssm").put_parameter(Name="/version", Value="1", Type="String", Overwrite=True)
    with pytest.raises(ClientError, match="too old"):
        stacks.change_set({"A": parameter("w")}, **sections)


def test_direct_create_and_update_answer_as_the_cli_expects(stacks: Stacks) -> None:
    stacks.api.create_stack(StackName="direct", TemplateBody=template({"A": parameter("1")}))
    assert stacks.status("direct") == "CREATE_COMPLETE"

    with pytest.raises(ClientError, match=r"No updates are to be performed\."):
        stacks.api.update_stack(StackName="direct", UsePreviousTemplate=True)
    stacks.api.update_stack(StackName="direct", TemplateBody=template({"A": parameter("2")}))

    assert stacks.status("direct") == "UPDATE_COMPLETE"


def test_the_template_is_given_back_as_it_was_submitted(stacks: Stacks) -> None:
    body = template({"A": parameter()}, Outputs={"O": {"Value": "x"}})
    stacks.api.create_stack(StackName="s", TemplateBody=body)

    assert stacks.api.get_template(StackName="s")["TemplateBody"]["Outputs"] == {"O": {"Value": "x"}}
    summary = stacks.api.get_template_summary(StackName="s")
    assert summary["ResourceTypes"] == ["AWS::SSM::Parameter"]


def test_an_action_that_is_not_emulated_says_so(stacks: Stacks) -> None:
    with pytest.raises(ClientError, match="CloudFormation action ListStackSets is not emulated"):
        stacks.api.list_stack_sets()


@pytest.mark.parametrize("settings", [{"OnStackFailure": "DELETE"}, {"NotificationARNs": ["arn:aws:sns:::t"]}])
def test_a_setting_that_would_make_no_difference_here_is_refused(stacks: Stacks, settings: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=rf"CreateChangeSet.{next(iter(settings))} is not emulated"):
        stacks.change_set({"A": parameter()}, **settings)
