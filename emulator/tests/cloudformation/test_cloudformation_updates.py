"""Order, replacement, rollback and deletion of resources."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError
from cloudformation_support import ROLE, Stacks, broken, named_parameter, parameter

from emulator.aws import AwsApplication


def test_resources_are_made_after_what_they_depend_on(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter({"Ref": "B"}), "B": parameter(DependsOn="C"), "C": parameter()})

    complete = [line for line in stacks.history() if line.endswith(" CREATE_COMPLETE")]

    assert complete == ["C CREATE_COMPLETE", "B CREATE_COMPLETE", "A CREATE_COMPLETE", "stack CREATE_COMPLETE"]


def test_events_tell_each_resources_way_in_order_of_time(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter()})

    events = stacks.api.describe_stack_events(StackName="stack")["StackEvents"]

    assert stacks.history() == [
        "stack REVIEW_IN_PROGRESS",
        "stack CREATE_IN_PROGRESS",
        "A CREATE_IN_PROGRESS",
        "A CREATE_IN_PROGRESS",
        "A CREATE_COMPLETE",
        "stack CREATE_COMPLETE",
    ]
    times = [event["Timestamp"] for event in events]
    assert times == sorted(set(times), reverse=True)


def test_an_update_touches_only_what_differs(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter("1"), "B": parameter("1")})
    before = stacks.physical_id("A")

    stacks.deploy({"A": parameter("2"), "B": parameter("1")})

    assert stacks.physical_id("A") == before
    assert "A UPDATE_COMPLETE" in stacks.history()
    assert "B UPDATE_COMPLETE" not in stacks.history()


def test_a_replaced_resource_is_made_anew_then_its_dependents_follow_and_the_old_one_goes_last(
    stacks: Stacks, client: Any
) -> None:
    stacks.deploy({"A": named_parameter("/old"), "B": parameter({"Ref": "A"})})

    stacks.deploy({"A": named_parameter("/new"), "B": parameter({"Ref": "A"})})

    assert stacks.history()[-5:] == [
        "B UPDATE_COMPLETE",
        "stack UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "A DELETE_IN_PROGRESS",
        "A DELETE_COMPLETE",
        "stack UPDATE_COMPLETE",
    ]
    assert client("ssm").get_parameter(Name=stacks.physical_id("B"))["Parameter"]["Value"] == "/new"
    with pytest.raises(ClientError, match="not found"):
        client("ssm").get_parameter(Name="/old")


def test_a_replaced_resource_stays_where_its_policy_retains_it(stacks: Stacks, client: Any) -> None:
    stacks.deploy({"A": named_parameter("/kept", UpdateReplacePolicy="Retain")})

    stacks.deploy({"A": named_parameter("/other", UpdateReplacePolicy="Retain")})

    assert client("ssm").get_parameter(Name="/kept")
    assert "A DELETE_SKIPPED" in stacks.history()


def test_a_named_resource_cannot_be_replaced_under_its_own_name(stacks: Stacks) -> None:
    named = {**ROLE["Properties"], "RoleName": "named"}
    stacks.deploy({"A": {**ROLE, "Properties": named}})

    assert stacks.deploy({"A": {**ROLE, "Properties": {**named, "Path": "/a/"}}}) == "UPDATE_ROLLBACK_COMPLETE"
    assert "Rename named and update the stack again." in stacks.reasons()


def test_a_failed_creation_removes_what_was_made_in_reverse_order(stacks: Stacks, client: Any) -> None:
    status = stacks.deploy({"A": named_parameter("/a"), "B": parameter({"Ref": "A"}), "C": broken(DependsOn="B")})

    assert status == "ROLLBACK_COMPLETE"
    deleted = [line for line in stacks.history() if line.endswith("DELETE_COMPLETE")]
    assert deleted == ["B DELETE_COMPLETE", "A DELETE_COMPLETE"]
    assert "The following resource(s) failed to create: [C]." in stacks.reasons()
    assert "No access to reserved parameter name" in stacks.reasons()
    assert client("ssm").describe_parameters()["Parameters"] == []


def test_a_resource_that_fails_half_way_is_removed_too(stacks: Stacks, client: Any) -> None:
    half = {"Type": "AWS::S3::Bucket", "Properties": {"OwnershipControls": {"Rules": [{"Nonsense": 1}]}}}

    assert stacks.deploy({"A": half}) == "ROLLBACK_COMPLETE"
    assert client("s3").list_buckets()["Buckets"] == []


def test_a_failed_creation_keeps_what_its_policy_retains(stacks: Stacks, client: Any) -> None:
    stacks.deploy(
        {
            "A": named_parameter("/retained", DeletionPolicy="Retain"),
            "B": named_parameter("/on-create", DeletionPolicy="RetainExceptOnCreate"),
            "C": broken(DependsOn=["A", "B"]),
        }
    )

    assert [item["Name"] for item in client("ssm").describe_parameters()["Parameters"]] == ["/retained"]


def test_a_failed_update_puts_everything_back(stacks: Stacks, client: Any) -> None:
    before = {"A": parameter("1"), "R": named_parameter("/r1"), "Gone": named_parameter("/gone")}
    outputs = {"Value": {"Value": {"Fn::GetAtt": ["A", "Value"]}}}
    stacks.deploy(before, Outputs=outputs)
    first_id = stacks.physical_id("A")

    status = stacks.deploy(
        {
            "A": parameter("2"),
            "R": named_parameter("/r2"),
            "New": named_parameter("/new"),
            "Z": broken(DependsOn=["A", "R", "New"]),
        },
        Outputs=outputs,
    )

    assert status == "UPDATE_ROLLBACK_COMPLETE"
    names = {item["Name"] for item in client("ssm").describe_parameters()["Parameters"]}
    assert names == {first_id, "/r1", "/gone"}
    assert client("ssm").get_parameter(Name=first_id)["Parameter"]["Value"] == "1"
    assert stacks.outputs() == {"Value": "1"}
    assert stacks.physical_id("R") == "/r1"
    assert stacks.change_set(before, Outputs=outputs)["Status"] == "FAILED"


def test_a_stack_whose_creation_was_rolled_back_must_be_deleted_first(stacks: Stacks) -> None:
    stacks.deploy({"A": broken()})

    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        stacks.change_set({"A": parameter()}, kind="UPDATE")
    stacks.api.delete_stack(StackName="stack")
    assert stacks.deploy({"A": parameter()}) == "CREATE_COMPLETE"


def test_without_rollback_a_failed_update_stays_and_can_be_resumed(stacks: Stacks, client: Any) -> None:
    stacks.deploy({"A": named_parameter("/1")})

    status = stacks.deploy({"A": named_parameter("/2"), "B": broken(DependsOn="A")}, DisableRollback=True)
    assert status == "UPDATE_FAILED"
    assert stacks.deploy({"A": named_parameter("/2"), "B": parameter()}) == "UPDATE_COMPLETE"

    names = [item["Name"] for item in client("ssm").describe_parameters()["Parameters"]]
    assert sorted(names) == sorted(["/2", stacks.physical_id("B")])


def test_without_rollback_a_failed_update_can_be_rolled_back_later(stacks: Stacks) -> None:
    stacks.deploy({"A": named_parameter("/1")})
    stacks.deploy({"A": named_parameter("/2"), "B": broken(DependsOn="A")}, DisableRollback=True)

    stacks.api.rollback_stack(StackName="stack")

    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.physical_id("A") == "/1"


def test_a_resource_that_left_the_template_is_deleted_or_retained(stacks: Stacks, client: Any) -> None:
    stacks.deploy({"A": parameter(), "B": named_parameter("/b"), "C": named_parameter("/c", DeletionPolicy="Retain")})

    stacks.deploy({"A": parameter()})

    names = {item["Name"] for item in client("ssm").describe_parameters()["Parameters"]}
    assert names == {stacks.physical_id("A"), "/c"}


def test_conditions_decide_which_resources_exist(stacks: Stacks) -> None:
    sections: dict[str, Any] = {
        "Parameters_": {"On": {"Type": "String", "Default": "no"}},
        "Conditions": {"IsOn": {"Fn::Equals": [{"Ref": "On"}, "yes"]}},
    }
    resources = {
        "A": parameter(),
        "B": named_parameter("/b", Condition="IsOn"),
        "C": parameter({"Fn::If": ["IsOn", {"Ref": "B"}, "off"]}),
    }
    stacks.deploy(resources, **sections)
    assert "B CREATE_COMPLETE" not in stacks.history()

    stacks.deploy(resources, **sections, Parameters=[{"ParameterKey": "On", "ParameterValue": "yes"}])
    assert stacks.physical_id("B") == "/b"

    stacks.deploy(resources, **sections, Parameters=[{"ParameterKey": "On", "ParameterValue": "no"}])
    assert "B DELETE_COMPLETE" in stacks.history()


def test_a_stack_is_deleted_dependents_first_and_keeps_what_is_retained(stacks: Stacks, client: Any) -> None:
    stacks.deploy({"A": named_parameter("/a", DeletionPolicy="Retain"), "B": parameter({"Ref": "A"})})
    stack_id = stacks.describe()["StackId"]

    stacks.api.delete_stack(StackName="stack")

    assert stacks.status(stack_id) == "DELETE_COMPLETE"
    assert [line for line in stacks.history(stack_id) if "DELETE" in line][1:4] == [
        "B DELETE_IN_PROGRESS",
        "B DELETE_COMPLETE",
        "A DELETE_SKIPPED",
    ]
    assert client("ssm").get_parameter(Name="/a")
    with pytest.raises(ClientError, match="Stack with id stack does not exist"):
        stacks.describe()


def test_a_resource_that_cannot_be_deleted_fails_the_deletion_and_keeps_what_it_needs(
    stacks: Stacks, client: Any
) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "DependsOn": "Needed"}
    stacks.deploy({"Bucket": bucket, "Needed": parameter(), "Other": parameter()})
    name = stacks.physical_id("Bucket")
    client("s3").put_object(Bucket=name, Key="k", Body=b"x")

    stacks.api.delete_stack(StackName="stack")

    assert stacks.status() == "DELETE_FAILED"
    assert "The following resource(s) failed to delete: [Bucket]." in stacks.describe()["StackStatusReason"]
    assert stacks.physical_id("Needed")
    assert "Other DELETE_COMPLETE" in stacks.history()
    client("s3").delete_object(Bucket=name, Key="k")
    stacks.api.delete_stack(StackName="stack")
    assert stacks.api.describe_stacks()["Stacks"] == []


def test_termination_protection_keeps_a_stack(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter()})
    stacks.api.update_termination_protection(StackName="stack", EnableTerminationProtection=True)

    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
        stacks.api.delete_stack(StackName="stack")


def test_an_existing_bucket_is_imported_with_its_objects(stacks: Stacks, client: Any) -> None:
    client("s3").create_bucket(Bucket="kept-images", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client("s3").put_object(Bucket="kept-images", Key="k", Body=b"x")
    identifier = {
        "ResourceType": "AWS::S3::Bucket",
        "LogicalResourceId": "Images",
        "ResourceIdentifier": {"BucketName": "kept-images"},
    }
    bucket = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}

    assert stacks.deploy({"Images": bucket}, kind="IMPORT", ResourcesToImport=[identifier]) == "IMPORT_COMPLETE"

    assert stacks.physical_id("Images") == "kept-images"
    stacks.api.delete_stack(StackName="stack")
    assert client("s3").get_object(Bucket="kept-images", Key="k")


def test_requests_that_moto_cannot_serve_at_once_wait_for_each_other(application: AwsApplication) -> None:
    at_once, most = 0, 0
    count = threading.Lock()

    def moto(environ: Any, start_response: Any) -> list[bytes]:
        nonlocal at_once, most
        with count:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with count:
            at_once -= 1
        return []

    def most_at_once(service: str) -> int:
        nonlocal most
        most = 0
        environ = {"HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=key/20261130/eu-west-1/{service}/aws4_request"}
        with patch.object(application, "_moto", moto), ThreadPoolExecutor(4) as pool:
            for _ in [pool.submit(application._answer_aws, environ, None) for _ in range(4)]:  # type: ignore[arg-type]
                pass
        return most

    assert most_at_once("iam") == 1
    # A call of these takes as long as what it does.
    assert most_at_once("sagemaker") > 1
