"""A deployed endpoint: waited for while SageMaker changes it, and compared with its stack; stacks that have left."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sdxl.deployment.destroy import _delete_left_stacks
from sdxl.deployment.endpoint import check_configuration, wait_until_in_service
from sdxl.errors import SdxlError

CONFIG = "AWS::SageMaker::EndpointConfig"


class FakeAws:
    """A session whose clients answer with what they are given; several answers to one call come in order."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def client(self, _: str) -> FakeAws:
        return self

    def __getattr__(self, name: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.calls.append((name, parameters))
            answer = self.answers[name]
            if isinstance(answer, list):
                answer = answer.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def missing() -> ClientError:
    error = {"Code": "ValidationException", "Message": 'Could not find endpoint "sdxl-dev".'}
    return ClientError({"Error": error}, "DescribeEndpoint")


def endpoint(status: str = "InService", config: str = "new", **more: str) -> dict[str, str]:
    return {"EndpointStatus": status, "EndpointConfigName": config, **more}


def stack(*configs: str) -> dict[str, Any]:
    arn = "arn:aws:sagemaker:us-east-1:111122223333:endpoint-config/"
    return {"StackResources": [{"ResourceType": CONFIG, "PhysicalResourceId": arn + config} for config in configs]}


def test_an_endpoint_that_is_being_changed_is_waited_for_and_said_once() -> None:
    said: list[str] = []
    aws = FakeAws(describe_endpoint=[endpoint("Updating"), endpoint("Updating"), endpoint("InService")])

    wait_until_in_service(aws, "sdxl-dev", note=said.append, pause_seconds=0)  # type: ignore[arg-type]

    assert said == ["waiting for the endpoint sdxl-dev, which is Updating"]
    assert len(aws.calls) == 3


def test_an_endpoint_that_is_not_there_is_not_waited_for() -> None:
    wait_until_in_service(FakeAws(describe_endpoint=missing()), "sdxl-dev", note=pytest.fail)  # type: ignore[arg-type]


def test_an_endpoint_that_serves_its_stacks_configuration_passes() -> None:
    aws = FakeAws(describe_stack_resources=stack("new"), describe_endpoint=endpoint(config="new"))

    check_configuration(aws, "dev")  # type: ignore[arg-type]

    assert ("describe_stack_resources", {"StackName": "sdxl-dev-Inference"}) in aws.calls


def test_an_update_that_was_rolled_back_without_a_reason_is_found() -> None:
    aws = FakeAws(describe_stack_resources=stack("new"), describe_endpoint=endpoint(config="old"))

    with pytest.raises(SdxlError, match=r"serves the configuration old, .* says new: .*SageMaker gives no reason"):
        check_configuration(aws, "dev")  # type: ignore[arg-type]


def test_without_an_endpoint_there_is_nothing_to_compare() -> None:
    check_configuration(FakeAws(describe_stack_resources=missing()), "dev")  # type: ignore[arg-type]


def test_what_may_not_be_looked_at_is_no_success() -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStackResources")

    with pytest.raises(SdxlError, match="cannot be compared"):
        check_configuration(FakeAws(describe_stack_resources=denied), "dev")  # type: ignore[arg-type]


class FakeCloudFormation(FakeAws):
    """An account with these stacks."""

    def __init__(self, *stacks: str) -> None:
        super().__init__(delete_stack={})
        self.stacks = stacks

    def get_paginator(self, _: str) -> FakeCloudFormation:
        return self

    def paginate(self) -> list[dict[str, Any]]:
        return [{"Stacks": [{"StackName": name}]} for name in self.stacks]

    def get_waiter(self, _: str) -> FakeAws:
        return FakeAws(wait=None)


def test_stacks_that_the_app_no_longer_has_are_deleted_dependents_first() -> None:
    aws = FakeCloudFormation("sdxl-dev-Network", "sdxl-dev-Inference", "sdxl-dev-Api", "sdxl-dev2-Inference", "other")

    _delete_left_stacks(aws, "dev", ["Operations", "Api"], lambda _: None)

    assert [parameters["StackName"] for _, parameters in aws.calls] == ["sdxl-dev-Inference", "sdxl-dev-Network"]
