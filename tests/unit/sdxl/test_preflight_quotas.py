"""`sdxl preflight`: quotas and zones of instance types, quotas of API Gateway, and `--request-quota`."""

import pytest
from preflight_fakes import (
    SCALING,
    assert_found,
    bad,
    check,
    environment,
    no_quota,
    other_endpoints,
    quota,
    refused,
    running,
)

from stacks.catalog import load_catalog

# name: (what plants it, the environment, (status, check, what is found, what to do))
FAULTS = {
    "quota of a new account": (
        quota("ml.g5.4xlarge", 0),
        environment(),
        ("failed", "quota of ml.g5.4xlarge", r"0 \(L-\w{8}\); 1 wanted: 1 here, 0 in other", "--desired-value 1 --reg"),
    ),
    "quota below the most instances": (
        quota("ml.g5.4xlarge", 3),
        environment(scaling=SCALING),
        ("failed", "quota of ml.g5.4xlarge", "3 .* 4 wanted: 4 here", "--desired-value 4"),
    ),
    "quota below a scheduled capacity": (
        quota("ml.g5.4xlarge", 4),
        environment(
            scaling={**SCALING, "schedules": [{"name": "day", "schedule": "cron(0 7 * * ? *)", "max_capacity": 6}]}
        ),
        ("failed", "quota of ml.g5.4xlarge", "6 wanted", "--desired-value 6"),
    ),
    "quota used by another endpoint": (
        other_endpoints(**running(7)),
        environment(scaling=SCALING),
        ("failed", "quota of ml.g5.4xlarge", "10 .* 11 wanted: 4 here, 7 in other endpoints", "--desired-value 11"),
    ),
    "quota used by an endpoint that grows": (
        other_endpoints(**running(2, desired=8)),
        environment(scaling=SCALING),
        ("failed", "quota of ml.g5.4xlarge", "12 wanted: 4 here, 8 in other", "--desired-value 12"),
    ),
    "quota used by pools": (
        other_endpoints(
            variants=[
                {
                    "VariantName": "v",
                    "InitialInstanceCount": 9,
                    "InstancePools": [
                        {"InstanceType": "ml.g5.xlarge", "Priority": 1},
                        {"InstanceType": "ml.g5.4xlarge", "Priority": 2},
                    ],
                }
            ],
            live=[
                {
                    "VariantName": "v",
                    "CurrentInstanceCount": 9,
                    "InstancePools": [
                        {"InstanceType": "ml.g5.xlarge", "CurrentInstanceCount": 1},
                        {"InstanceType": "ml.g5.4xlarge", "CurrentInstanceCount": 8},
                    ],
                }
            ],
        ),
        environment(scaling=SCALING),
        ("failed", "quota of ml.g5.4xlarge", "12 wanted: 4 here, 8 in other", "--desired-value 12"),
    ),
    "quota used by an endpoint that is being created": (
        other_endpoints(
            status="Creating",
            variants=[{"VariantName": "v", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 10}],
        ),
        environment(),
        ("failed", "quota of ml.g5.4xlarge", "11 wanted: 1 here, 10 in other", "--desired-value 11"),
    ),
    "quota of a fallback": (
        quota("ml.g5.8xlarge", 0),
        environment(endpoint={"instance_types": ["ml.g5.4xlarge", "ml.g5.8xlarge"]}),
        ("warning", "quota of ml.g5.8xlarge", "It is no fallback", "--desired-value 1"),
    ),
    "instance type that the region has not": (
        no_quota("ml.g5.4xlarge"),
        environment(),
        ("failed", "quota of ml.g5.4xlarge", "not offered there", "endpoint.instance_types"),
    ),
    "API Gateway's timeout": (
        lambda aws: None,
        environment(api={"integration_timeout_seconds": 45}),
        ("failed", "API Gateway timeout", r"29000 ms \(L-E5AE38E3\); 45000 ms wanted", "--desired-value 45000"),
    ),
    "API Gateway's throttle": (
        lambda aws: aws.quotas.update({"L-8A5B8E43": 9}),
        environment(api={"keys": [{"name": "one"}, {"name": "two"}]}),
        ("warning", "API Gateway throttle", "9/s .* 10/s wanted", "--quota-code L-8A5B8E43"),
    ),
    "quota that an update does not fit into": (
        quota("ml.g5.4xlarge", 6),
        environment(scaling=SCALING),
        ("warning", "quota of ml.g5.4xlarge", "update of all 4 .* side by side, and wants 8", "--desired-value 8"),
    ),
    "type in no zone": (
        lambda aws: aws.zones.clear(),
        environment(),
        ("failed", "zones of ml.g5.4xlarge", "EC2 offers no g5.4xlarge in us-east-1", "endpoint.instance_types"),
    ),
    "type in one zone": (
        lambda aws: aws.zones.pop(),
        environment(),
        ("warning", "zones of ml.g5.4xlarge", "us-east-1a alone", "a further type"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_says_what_to_do(aws, fault):
    assert_found(aws, *FAULTS[fault])


def test_a_quota_that_is_short_anyway_is_failed_without_the_other_endpoints(aws):
    aws.answers["ListEndpoints"] = refused("AccessDenied")
    quota("ml.g5.4xlarge", 0)(aws)
    (finding,) = bad(check(aws))
    assert finding.status == "failed"
    assert "what other endpoints use is unknown" in finding.found


def test_endpoints_that_failed_or_go_or_are_gone_use_nothing(aws):
    aws.endpoints = {
        "failed": running(9, status="Failed"),
        "going": running(9, status="Deleting"),
        "gone": running(9),
    }
    described = aws.DescribeEndpoint
    aws.answers["DescribeEndpoint"] = lambda EndpointName: described(  # noqa: N803
        "nothing" if EndpointName == "gone" else EndpointName
    )
    assert bad(check(aws, environment(scaling=SCALING))) == []


def test_a_quota_that_was_never_raised_is_the_default(aws):
    code = load_catalog().instance_type("ml.g5.4xlarge").quota_code
    del aws.quotas[code]
    aws.answers["GetAWSDefaultServiceQuota"] = {"Quota": {"QuotaCode": code, "Value": 2.0}}
    assert bad(check(aws)) == []


def test_a_type_without_a_quota_code_is_unknown(aws):
    described = environment(operations=None)
    endpoint = described.endpoint.model_copy(update={"instance_types": ("ml.g9.xlarge",)})
    finding, cost = bad(check(aws, described.model_copy(update={"endpoint": endpoint})))
    assert (finding.status, finding.name) == ("unknown", "quota of ml.g9.xlarge")
    assert (cost.status, cost.name) == ("unknown", "monthly cost")
    assert "for endpoint usage" in finding.remedy


def test_without_the_flag_no_quota_is_requested(aws):
    quota("ml.g5.4xlarge", 0)(aws)
    check(aws)
    assert aws.called("RequestServiceQuotaIncrease") == []


def test_a_short_quota_is_requested_once_asked_to_and_stays_failed(aws):
    quota("ml.g5.4xlarge", 1)(aws)
    (finding,) = bad(check(aws, environment(scaling=SCALING), request_quota=True))
    (sent,) = aws.called("RequestServiceQuotaIncrease")
    code = load_catalog().instance_type("ml.g5.4xlarge").quota_code
    assert sent == {"ServiceCode": "sagemaker", "QuotaCode": code, "DesiredValue": 4.0}
    assert finding.status == "failed"
    assert "Requested 4 just now (req-1, PENDING)" in finding.remedy


@pytest.mark.parametrize("status", ["PENDING", "CASE_OPENED"])
def test_nothing_is_requested_twice(aws, status):
    quota("ml.g5.4xlarge", 1)(aws)
    aws.quota_requests = [
        {"Id": "old", "Status": "DENIED", "DesiredValue": 9.0},
        {"Id": "req-0", "Status": status, "DesiredValue": 2.0},
    ]
    (finding,) = bad(check(aws, environment(scaling=SCALING), request_quota=True))
    assert aws.called("RequestServiceQuotaIncrease") == []
    assert f"A request for 2 is open (req-0, {status})" in finding.remedy
    assert "less than the 4 wanted" in finding.remedy


def test_nothing_is_requested_when_open_requests_cannot_be_seen(aws):
    quota("ml.g5.4xlarge", 0)(aws)
    aws.answers["ListRequestedServiceQuotaChangeHistoryByQuota"] = refused("AccessDeniedException")
    (finding,) = bad(check(aws, request_quota=True))
    assert aws.called("RequestServiceQuotaIncrease") == []
    assert "Allow servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota" in finding.remedy


def test_nothing_is_requested_in_another_account(aws):
    quota("ml.g5.4xlarge", 0)(aws)
    aws.answers["GetCallerIdentity"] = {"Account": "999999999999"}
    check(aws, request_quota=True)
    assert [name for name, _ in aws.calls] == ["GetCallerIdentity"]


def test_a_request_that_is_refused_says_so(aws):
    quota("ml.g5.4xlarge", 0)(aws)
    aws.answers["RequestServiceQuotaIncrease"] = refused("AccessDeniedException", "not you")
    (finding,) = bad(check(aws, request_quota=True))
    assert finding.status == "failed"
    assert "The request failed: servicequotas:RequestServiceQuotaIncrease" in finding.remedy


def test_a_quota_that_is_never_raised_is_not_asked_for(aws):
    aws.answers["GetServiceQuota"] = {"Quota": {"Value": 0.0, "Adjustable": False}}
    findings = bad(check(aws, request_quota=True))
    assert findings
    assert all("not raised on request" in finding.remedy for finding in findings)
    assert aws.called("RequestServiceQuotaIncrease") == []
