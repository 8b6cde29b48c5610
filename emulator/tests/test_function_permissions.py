"""Functions under their own roles: what is not allowed fails as on AWS, in the words and shape of each service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from emulator_support import ACCOUNT, LAMBDA_TRUST, REGION, Clients, http, zipped
from moto.iam.aws_managed_policies import aws_managed_policies_data
from role_of_function import LOGS, RoleOfFunction, allow
from werkzeug.test import Client

from emulator.iam.documents import parse_policy
from emulator.iam.recorder import RECORDER, create_iam_app, report

pytestmark = pytest.mark.allow_loopback

BUCKET = "of-functions"
OBJECT = f"arn:aws:s3:::{BUCKET}/a/b.txt"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/answers"
ITEM = {"id": {"S": "1"}}


@pytest.fixture(scope="module")
def key_arn(client: Clients) -> str:
    return str(client("kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture(scope="module", autouse=True)
def encrypted_places(client: Clients, key_arn: str) -> None:
    client("s3").create_bucket(Bucket=BUCKET)
    by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": by_key, "BucketKeyEnabled": True}]}
    client("s3").put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=rules)
    client("dynamodb").create_table(
        TableName="answers",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key_arn},
    )


@pytest.fixture(scope="module")
def shared(client: Clients) -> Iterator[RoleOfFunction]:
    made = RoleOfFunction(client, "calling")
    yield made
    made.delete()


@pytest.fixture
def role(shared: RoleOfFunction) -> RoleOfFunction:
    """The function's role, which may write its log alone until it is granted more; nothing is recorded yet."""
    shared.grant()
    RECORDER.clear()
    return shared


def recorded(role: RoleOfFunction) -> dict[str, Any]:
    return next(found for found in report() if found["role"] == role.arn)


def used(role: RoleOfFunction) -> list[tuple[str, str]]:
    return [(use["action"], use["resource"]) for use in recorded(role)["used"] if not use["action"].startswith("logs:")]


def denied(role: RoleOfFunction) -> list[tuple[str, str, str]]:
    return [(denial["action"], denial["resource"], denial["because"]) for denial in recorded(role)["denied"]]


INVOKED = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/sdxl"
PROFILE = "us.stability.stable-image-inpaint-v1:0"
MODEL = "stability.sd3-5-large-v1:0"
JSON, REST = ("AccessDeniedException", 400), ("AccessDeniedException", 403)
REFUSED: dict[str, tuple[str, str, dict[str, Any], tuple[str, int], str]] = {
    # Action: service, operation, parameters, code and status, resource.
    "s3:PutObject": ("s3", "put_object", {"Bucket": BUCKET, "Key": "a/b.txt"}, ("AccessDenied", 403), OBJECT),
    "s3:ListBucket": ("s3", "list_objects_v2", {"Bucket": BUCKET}, ("AccessDenied", 403), f"arn:aws:s3:::{BUCKET}"),
    "dynamodb:GetItem": ("dynamodb", "get_item", {"TableName": "answers", "Key": ITEM}, JSON, TABLE),
    "sagemaker:DescribeEndpoint": ("sagemaker", "describe_endpoint", {"EndpointName": "sdxl"}, JSON, INVOKED),
    "sagemaker:InvokeEndpoint": (
        *("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "sdxl", "Body": "{}"}, REST, INVOKED),
    ),
    "bedrock:InvokeModel": (
        *("bedrock-runtime", "invoke_model", {"modelId": MODEL, "body": "{}"}, REST),
        f"arn:aws:bedrock:{REGION}::foundation-model/{MODEL}",
    ),
    "lambda:InvokeFunction": (
        *("lambda", "invoke", {"FunctionName": "other", "Qualifier": "live"}, REST),
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other:live",
    ),
    "logs:CreateLogGroup": (
        *("logs", "create_log_group", {"logGroupName": "/mine"}, JSON),
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/mine:log-stream:",
    ),
    "cloudwatch:PutMetricData": (
        *("cloudwatch", "put_metric_data", {"Namespace": "SDXL", "MetricData": [{"MetricName": "Images"}]}),
        *(("AccessDenied", 400), "*"),
    ),
    "xray:PutTraceSegments": ("xray", "put_trace_segments", {"TraceSegmentDocuments": ["{}"]}, REST, "*"),
}


@pytest.mark.parametrize("action", REFUSED)
def test_what_the_role_does_not_allow_is_refused_in_the_services_own_form(role: RoleOfFunction, action: str) -> None:
    service, operation, parameters, (code, status), resource = REFUSED[action]
    role.grant(logs=False)

    answer = role.call(service, operation, **parameters)

    named = f'"{resource}"' if service == "s3" else resource
    on = "" if resource == "*" else f" on resource: {named}"
    because = f"because no identity-based policy allows the {action} action"
    assert (answer["Code"], answer["Status"]) == (code, status)
    assert answer["Message"] == f"User: {role.session_arn} is not authorized to perform: {action}{on} {because}"
    assert (action, resource, because) in denied(role)


def test_a_large_upload_is_refused_in_words_and_not_by_a_broken_connection(role: RoleOfFunction) -> None:
    answer = role.call("s3", "put_object", Bucket=BUCKET, Key="a/b.txt", Body="x" * 4_000_000)

    assert (answer["Code"], answer["Status"]) == ("AccessDenied", 403)


def test_an_inference_profile_needs_the_model_in_every_region_it_leads_to(role: RoleOfFunction) -> None:
    profile = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/{PROFILE}"
    model = f"foundation-model/{PROFILE.removeprefix('us.')}"
    by_profile = {"StringEquals": {"bedrock:InferenceProfileArn": profile}}
    regions = [f"arn:aws:bedrock:{region}::{model}" for region in ("us-east-1", "us-east-2", "us-west-2")]

    def invoke(*statements: dict[str, Any]) -> str:
        role.grant(*statements)
        return str(role.call("bedrock-runtime", "invoke_model", modelId=PROFILE, body="{}").get("Message"))

    to_profile = allow("bedrock:InvokeModel", profile)
    assert f"on resource: {profile} because" in invoke(allow("bedrock:InvokeModel", regions))
    assert f"on resource: {regions[0]} because" in invoke(to_profile)
    assert f"on resource: {regions[2]} because" in invoke(to_profile, allow("bedrock:InvokeModel", regions[:2]))
    RECORDER.clear()
    invoke(to_profile, allow("bedrock:InvokeModel", regions, Condition=by_profile))
    assert [resource for _, resource in used(role)] == [profile, *regions]


def test_a_refused_head_has_no_body(role: RoleOfFunction) -> None:
    answer = role.call("s3", "head_object", Bucket=BUCKET, Key="a/b.txt")

    assert (answer["Code"], answer["Status"]) == ("403", 403)


def test_what_the_role_allows_is_done_and_recorded_with_what_allowed_it(
    client: Clients, role: RoleOfFunction, key_arn: str
) -> None:
    role.grant(
        allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/a/*", Sid="Images"),
        allow(
            ["kms:GenerateDataKey", "kms:Decrypt"],
            key_arn,
            Condition={"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}},
        ),
    )

    answer = role.call("s3", "put_object", Bucket=BUCKET, Key="a/b.txt", Body="x")

    assert answer["ServerSideEncryption"] == "aws:kms"
    assert client("s3").get_object(Bucket=BUCKET, Key="a/b.txt")["Body"].read() == b"x"
    assert used(role) == [("s3:PutObject", OBJECT), ("kms:GenerateDataKey", key_arn)]
    found = next(use for use in recorded(role)["used"] if use["action"] == "s3:PutObject")
    assert found["count"] == 1
    assert found["allowed_by"] == {
        "policy": "inline policy granted",
        "statement": "Images",
        "action": "s3:PutObject",
        "resource": f"arn:aws:s3:::{BUCKET}/a/*",
    }


@pytest.mark.parametrize(
    "condition",
    [None, {"kms:ViaService": f"dynamodb.{REGION}.amazonaws.com"}, {"kms:EncryptionContext:aws:s3:arn": OBJECT}],
)
def test_an_encrypted_bucket_needs_the_key_for_it(
    role: RoleOfFunction, key_arn: str, condition: dict[str, str] | None
) -> None:
    # With a bucket key, the encryption context is the bucket's ARN.
    grants = [] if condition is None else [allow("kms:*", key_arn, Condition={"StringEquals": condition})]
    role.grant(allow("s3:*"), *grants)

    answer = role.call("s3", "put_object", Bucket=BUCKET, Key="a/b.txt", Body="x")

    assert (answer["Code"], answer["Status"]) == ("AccessDenied", 403)
    assert answer["Message"] == (
        f"User: {role.session_arn} is not authorized to perform: kms:GenerateDataKey on resource: {key_arn} because no "
        "identity-based policy allows the kms:GenerateDataKey action"
    )


def test_an_encrypted_table_needs_its_key_decrypted_and_no_more(role: RoleOfFunction, key_arn: str) -> None:
    role.grant(allow("dynamodb:PutItem", TABLE))
    refused = role.call("dynamodb", "put_item", TableName="answers", Item=ITEM)
    via = {"StringEquals": {"kms:ViaService": f"dynamodb.{REGION}.amazonaws.com"}}
    role.grant(allow("dynamodb:PutItem", TABLE), allow("kms:Decrypt", key_arn, Condition=via))
    done = role.call("dynamodb", "put_item", TableName=TABLE, Item=ITEM)

    assert (refused["Code"], refused["Status"]) == ("AccessDeniedException", 400)
    assert refused["Message"].startswith(
        "KMS key access denied error: com.amazonaws.services.kms.model.AWSKMSException"
    )
    assert "Code" not in done
    assert used(role)[-2:] == [("dynamodb:PutItem", TABLE), ("kms:Decrypt", key_arn)]


def test_a_key_is_known_by_its_tags(client: Clients, role: RoleOfFunction, key_arn: str) -> None:
    role.grant(allow("kms:DescribeKey", Condition={"StringEquals": {"aws:ResourceTag/stage": "dev"}}))

    untagged = role.call("kms", "describe_key", KeyId=key_arn)
    client("kms").tag_resource(KeyId=key_arn, Tags=[{"TagKey": "stage", "TagValue": "prod"}])
    other = role.call("kms", "describe_key", KeyId=key_arn)
    client("kms").tag_resource(KeyId=key_arn, Tags=[{"TagKey": "stage", "TagValue": "dev"}])

    assert untagged["Message"].endswith("because no identity-based policy allows the kms:DescribeKey action")
    assert other["Message"] == untagged["Message"]
    assert "Code" not in role.call("kms", "describe_key", KeyId=key_arn)
    client("kms").untag_resource(KeyId=key_arn, TagKeys=["stage"])


def test_a_keys_policy_that_leaves_nothing_to_the_account_refuses(
    client: Clients, role: RoleOfFunction, key_arn: str
) -> None:
    before = client("kms").get_key_policy(KeyId=key_arn, PolicyName="default")["Policy"]
    admin = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"},
        "Action": "*",
        "Resource": "*",
    }
    role.grant(allow("kms:*"))
    client("kms").put_key_policy(
        KeyId=key_arn, PolicyName="default", Policy=json.dumps({"Version": "2012-10-17", "Statement": admin})
    )
    refused = role.call("kms", "describe_key", KeyId=key_arn)
    client("kms").put_key_policy(KeyId=key_arn, PolicyName="default", Policy=before)
    allowed = role.call("kms", "describe_key", KeyId=key_arn)

    assert refused["Code"] == "AccessDeniedException"
    assert refused["Message"].endswith("because no resource-based policy allows the kms:DescribeKey action")
    assert "Code" not in allowed


def test_a_bucket_policys_deny_wins(client: Clients, role: RoleOfFunction) -> None:
    def statement(effect: str, **more: Any) -> dict[str, Any]:
        return {"Effect": effect, "Principal": {"AWS": role.arn}, "Action": "s3:ListBucket", **more}

    tls = {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    where = {"Resource": f"arn:aws:s3:::{BUCKET}"}
    role.grant(allow("s3:ListBucket"))

    def listed(*statements: dict[str, Any]) -> dict[str, Any]:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        client("s3").put_bucket_policy(Bucket=BUCKET, Policy=document)
        try:
            return role.call("s3", "list_objects_v2", Bucket=BUCKET)
        finally:
            client("s3").delete_bucket_policy(Bucket=BUCKET)

    assert "Code" not in listed(statement("Deny", **where, **tls))
    assert listed(statement("Deny", **where))["Message"].endswith("with an explicit deny in a resource-based policy")


def test_who_may_not_list_is_not_told_that_an_object_is_missing(role: RoleOfFunction) -> None:
    role.grant(allow("s3:GetObject"))
    refused = role.call("s3", "get_object", Bucket=BUCKET, Key="missing")
    role.grant(allow(["s3:GetObject", "s3:ListBucket"]))
    told = role.call("s3", "get_object", Bucket=BUCKET, Key="missing")

    assert (refused["Code"], refused["Status"]) == ("AccessDenied", 403)
    assert (told["Code"], told["Status"]) == ("NoSuchKey", 404)


def test_a_presigned_address_is_worth_what_its_signers_role_allows(
    client: Clients, role: RoleOfFunction, key_arn: str
) -> None:
    client("s3").put_object(Bucket=BUCKET, Key="a/link.txt", Body=b"linked")
    role.grant(allow("s3:GetObject"), allow("kms:Decrypt", key_arn))
    address = role.call("s3", "presign", Bucket=BUCKET, Key="a/link.txt")
    followed = http("GET", address)
    role.grant(allow("s3:GetObject"))
    refused = http("GET", address)

    assert (followed.status, followed.body) == (200, b"linked")
    assert refused.status == 403
    assert b"<Code>AccessDenied</Code>" in refused.body
    assert b"kms:Decrypt" in refused.body


def test_a_boundary_limits_what_the_role_allows(client: Clients, role: RoleOfFunction) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": [LOGS, allow("s3:GetObject")]})
    arn = client("iam").create_policy(PolicyName="boundary", PolicyDocument=document)["Policy"]["Arn"]
    client("iam").put_role_permissions_boundary(RoleName=role.name, PermissionsBoundary=arn)
    role.grant(allow("s3:*"))
    answer = role.call("s3", "list_objects_v2", Bucket=BUCKET)
    boundary = recorded(role)["boundary"]
    client("iam").delete_role_permissions_boundary(RoleName=role.name)

    assert answer["Message"].endswith("because no permissions boundary allows the s3:ListBucket action")
    assert boundary == arn


def test_an_attached_policy_counts_in_its_present_version(client: Clients, role: RoleOfFunction) -> None:
    iam = client("iam")

    def document(action: str) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": allow(action)})

    arn = iam.create_policy(PolicyName="attached", PolicyDocument=document("s3:ListBucket"))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role.name, PolicyArn=arn)
    first = role.call("s3", "list_objects_v2", Bucket=BUCKET)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document("s3:PutObject"), SetAsDefault=True)
    second = role.call("s3", "list_objects_v2", Bucket=BUCKET)
    iam.detach_role_policy(RoleName=role.name, PolicyArn=arn)

    assert "Code" not in first
    assert second["Code"] == "AccessDenied"


def test_every_policy_of_aws_itself_can_be_read() -> None:
    policies = json.loads(aws_managed_policies_data)

    statements = [parse_policy(json.dumps(policy["Document"])) for policy in policies.values()]

    assert len(statements) > 1000
    assert all(statements)


def test_who_calls_may_always_be_asked(role: RoleOfFunction) -> None:
    role.grant({"Effect": "Deny", "Action": "sts:*", "Resource": "*"})

    assert role.call("sts", "get_caller_identity")["Arn"] == role.session_arn


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "message"),
    [
        ("dynamodb", "list_tables", {}, "DynamoDB ListTables is not evaluated: "),
        ("s3", "get_bucket_acl", {"Bucket": BUCKET}, "S3 GetBucketAcl is not evaluated: "),
        ("ec2", "describe_instances", {}, "the service 'ec2' is not among those whose calls are evaluated: "),
        (
            *("sts", "assume_role", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/calling", "RoleSessionName": "me"}),
            "STS AssumeRole is not evaluated: a session of another role would escape its policies",
        ),
        (
            *("dynamodb", "get_item", {"TableName": TABLE.replace(ACCOUNT, "1" * 12), "Key": ITEM}),
            "is in another account: calls over accounts are not evaluated",
        ),
    ],
)
def test_a_call_whose_permissions_are_not_known_is_refused_and_says_so(
    role: RoleOfFunction, service: str, operation: str, parameters: dict[str, Any], message: str
) -> None:
    role.grant(allow("*"))

    answer = role.call(service, operation, **parameters)

    assert (answer["Code"], answer["Status"]) == ("NotEmulated", 501)
    assert answer["Message"].startswith("The emulator refuses this call: ")
    assert message in answer["Message"]
    assert message in denied(role)[0][2]


def test_a_policy_that_cannot_be_evaluated_is_refused_and_says_so(role: RoleOfFunction) -> None:
    role.grant(allow("s3:ListBucket", Condition={"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))

    answer = role.call("s3", "list_objects_v2", Bucket=BUCKET)

    assert answer["Code"] == "NotEmulated"
    assert "condition key 'aws:SourceIp' is not emulated for this request" in answer["Message"]


def test_a_key_of_the_session_without_its_token_is_no_session(
    client: Clients, aws_url: str, role: RoleOfFunction
) -> None:
    role.grant(allow("s3:*"), allow("kms:*"))
    address = role.call("s3", "presign", Bucket=BUCKET, Key="a/b.txt")

    answer = http("GET", address.replace("X-Amz-Security-Token=", "X-Amz-Security-Token=0"))

    assert answer.status == 403
    assert b"<Code>InvalidAccessKeyId</Code>" in answer.body


def test_a_log_that_the_role_may_not_write_is_dropped(client: Clients, role: RoleOfFunction) -> None:
    group = f"/aws/lambda/{role.name}"

    def logged() -> int:
        return len(client("logs").filter_log_events(logGroupName=group)["events"])

    role.call("sts", "get_caller_identity")
    before = logged()
    role.grant(logs=False)
    role.call("sts", "get_caller_identity")
    during = logged()
    role.grant()
    role.call("sts", "get_caller_identity")

    assert before > 0
    assert during == before
    assert logged() > before
    (denial,) = {(action, why) for action, _, why in denied(role)}
    assert denial == ("logs:PutLogEvents", "because no identity-based policy allows the logs:PutLogEvents action")


def test_traces_are_the_roles_business_where_tracing_is_active(client: Clients, role: RoleOfFunction) -> None:
    role.call("sts", "get_caller_identity")
    untraced = denied(role)
    client("lambda").update_function_configuration(FunctionName=role.name, TracingConfig={"Mode": "Active"})
    role.call("sts", "get_caller_identity")
    refused = denied(role)
    role.grant(allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"]))
    role.call("sts", "get_caller_identity")
    client("lambda").update_function_configuration(FunctionName=role.name, TracingConfig={"Mode": "PassThrough"})

    assert untraced == []
    assert [action for action, _, _ in refused] == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    assert used(role) == [("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")]


def test_a_function_in_a_vpc_needs_to_manage_network_interfaces(client: Clients, role: RoleOfFunction) -> None:
    actions = [
        *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
        *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
    ]
    function = {
        "FunctionName": "inside",
        "Runtime": "python3.13",
        "Role": role.arn,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped({"app.py": ""})},
        "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    }
    with pytest.raises(ClientError) as refused:
        client("lambda").create_function(**function)
    with pytest.raises(ClientError, match="Function not found"):
        client("lambda").get_function(FunctionName="inside")
    role.grant(allow(actions[:-1]))
    with pytest.raises(ClientError, match="does not have permissions to call UnassignPrivateIpAddresses on EC2"):
        client("lambda").create_function(**function)
    role.grant(allow(actions))
    client("lambda").create_function(**function)
    client("lambda").delete_function(FunctionName="inside")

    assert refused.value.response["Error"] == {
        "Code": "InvalidParameterValueException",
        "Message": "The provided execution role does not have permissions to call CreateNetworkInterface on EC2",
    }
    assert {action for action, _ in used(role)} == set(actions)
    assert ("ec2:CreateNetworkInterface", f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/subnet-1") in used(role)


def test_a_role_must_trust_lambda(client: Clients, role: RoleOfFunction) -> None:
    other = LAMBDA_TRUST.replace("lambda.", "sagemaker.")
    arn = client("iam").create_role(RoleName="untrusting", AssumeRolePolicyDocument=other)["Role"]["Arn"]

    with pytest.raises(ClientError) as refused:
        client("lambda").create_function(
            FunctionName="untrusted",
            Runtime="python3.13",
            Role=arn,
            Handler="app.handler",
            Code={"ZipFile": zipped({"app.py": ""})},
        )

    assert refused.value.response["Error"] == {
        "Code": "InvalidParameterValueException",
        "Message": "The role defined for the function cannot be assumed by Lambda.",
    }


def test_nothing_is_left_of_a_role_that_is_deleted(client: Clients) -> None:
    role = RoleOfFunction(client, "short-lived-role")
    role.grant(allow("s3:*"), allow("dynamodb:*"))
    role.call("s3", "list_objects_v2", Bucket=BUCKET)
    role.grant(logs=False)
    client("iam").delete_role(RoleName=role.name)

    running = role.call("dynamodb", "get_item", TableName="answers", Key=ITEM)
    client("lambda").update_function_configuration(FunctionName=role.name, MemorySize=256)
    with pytest.raises(ClientError) as new:
        role.call("s3", "list_objects_v2", Bucket=BUCKET)
    role.delete()

    assert (running["Code"], running["Status"]) == ("UnrecognizedClientException", 400)
    assert running["Message"] == "The security token included in the request is invalid."
    assert new.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "The role defined for the function cannot be assumed by Lambda." in str(new.value)


def test_what_is_granted_and_never_used_is_reported(role: RoleOfFunction) -> None:
    role.grant(
        allow(["s3:ListBucket", "s3:GetObject"], [f"arn:aws:s3:::{BUCKET}", "arn:aws:s3:::other/*"], Sid="Images"),
        allow("s3:List*", Sid="Twice"),
        {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"},
    )
    role.call("s3", "list_objects_v2", Bucket=BUCKET)

    found = recorded(role)

    of_images = {"policy": "inline policy granted", "statement": "Images"}
    of_twice = {"policy": "inline policy granted", "statement": "Twice"}
    assert found["functions"] == [f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{role.name}"]
    assert found["unused"] == [
        {**of_images, "action": "s3:GetObject", "resources": [f"arn:aws:s3:::{BUCKET}", "arn:aws:s3:::other/*"]},
        {**of_twice, "action": "s3:List*", "resources": ["*"]},
    ]
    assert found["unused_resources"] == [
        {**of_images, "resource": "arn:aws:s3:::other/*"},
        {**of_twice, "resource": "*"},
    ]


def test_the_report_is_read_and_cleared_over_http(role: RoleOfFunction) -> None:
    face = Client(create_iam_app())
    role.call("s3", "list_objects_v2", Bucket=BUCKET)

    shown = face.get("/_emulator/iam").get_json()
    cleared = face.delete("/_emulator/iam").get_json()
    refused = face.post("/_emulator/iam")

    assert [found["denied"] for found in shown["roles"] if found["role"] == role.arn] == [
        [
            {
                "action": "s3:ListBucket",
                "resource": f"arn:aws:s3:::{BUCKET}",
                "via": None,
                "because": "because no identity-based policy allows the s3:ListBucket action",
                "count": 1,
            }
        ]
    ]
    assert [found["denied"] for found in cleared["roles"] if found["role"] == role.arn] == [[]]
    assert (refused.status_code, refused.get_json()) == (405, {"message": "POST is not allowed: use GET or DELETE"})
