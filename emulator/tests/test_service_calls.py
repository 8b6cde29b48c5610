"""What requests ask for: the operation and the parameters that name its resource, in every protocol."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import quote, unquote

import pytest

from emulator.iam.requests import (
    Call,
    UndeterminedError,
    access_key_of,
    expected_protocol,
    read_call,
    read_signature,
)

SCOPE = "ASIAEXAMPLE/20261126/us-east-1/{}/aws4_request"


def request(service: str, line: str, body: bytes = b"", **headers: str) -> dict[str, Any]:
    """A request as a WSGI server hands it on, signed in its header."""
    method, _, address = line.partition(" ")
    path, _, query = address.partition("?")
    return {
        "REQUEST_METHOD": method,
        "RAW_URI": address,
        "PATH_INFO": unquote(path),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={SCOPE.format(service)}, SignedHeaders=host, Signature=0",
        "HTTP_HOST": "127.0.0.1:4581",
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }


def read(environ: dict[str, Any]) -> Call:
    return read_call(environ, read_signature(environ), partition="aws", account="111122223333")


@pytest.mark.parametrize(
    ("line", "operation", "parameters"),
    [
        ("GET /", "ListBuckets", {}),
        ("GET /b", "ListObjects", {"Bucket": "b"}),
        ("GET /b/", "ListObjects", {"Bucket": "b"}),
        ("GET /b?list-type=2&prefix=a%2Fb", "ListObjectsV2", {"Bucket": "b", "Prefix": "a/b"}),
        ("GET /b?location", "GetBucketLocation", {"Bucket": "b"}),
        ("GET /b?policy", "GetBucketPolicy", {"Bucket": "b"}),
        ("HEAD /b", "HeadBucket", {"Bucket": "b"}),
        ("GET /b/a/b%20c.png", "GetObject", {"Bucket": "b", "Key": "a/b c.png"}),
        ("GET /b/k?versionId=1", "GetObject", {"Bucket": "b", "Key": "k", "VersionId": "1"}),
        ("GET /b/k?tagging", "GetObjectTagging", {"Bucket": "b", "Key": "k"}),
        ("HEAD /b/k", "HeadObject", {"Bucket": "b", "Key": "k"}),
        ("PUT /b/k", "PutObject", {"Bucket": "b", "Key": "k"}),
        ("DELETE /b/k", "DeleteObject", {"Bucket": "b", "Key": "k"}),
        ("POST /b?delete", "DeleteObjects", {"Bucket": "b"}),
        ("POST /b/k?uploads", "CreateMultipartUpload", {"Bucket": "b", "Key": "k"}),
        (
            "PUT /b/k?partNumber=1&uploadId=u",
            "UploadPart",
            {"Bucket": "b", "Key": "k", "PartNumber": "1", "UploadId": "u"},
        ),
        ("POST /b/k?uploadId=u", "CompleteMultipartUpload", {"Bucket": "b", "Key": "k", "UploadId": "u"}),
        ("DELETE /b/k?uploadId=u", "AbortMultipartUpload", {"Bucket": "b", "Key": "k", "UploadId": "u"}),
        ("GET /b/k?uploadId=u", "ListParts", {"Bucket": "b", "Key": "k", "UploadId": "u"}),
    ],
)
def test_an_s3_request_is_told_by_method_path_and_query(line: str, operation: str, parameters: dict[str, str]) -> None:
    call = read(request("s3", line))

    assert (call.operation, call.protocol) == (operation, "rest-xml")
    assert call.parameters == parameters


def test_a_copy_is_told_from_an_upload_by_its_header() -> None:
    assert read(request("s3", "PUT /b/k", x_amz_copy_source="other/key")).operation == "CopyObject"


@pytest.mark.parametrize(
    ("service", "line", "operation", "parameters"),
    [
        ("sagemaker", "POST /endpoints/sdxl/invocations", "InvokeEndpoint", {"EndpointName": "sdxl"}),
        (
            "bedrock",
            "POST /model/stability.sd3-5-large-v1%3A0/invoke",
            "InvokeModel",
            {"modelId": "stability.sd3-5-large-v1:0"},
        ),
        (
            *("bedrock", f"POST /model/{quote('arn:aws:bedrock:us-east-1::foundation-model/m', safe='')}/invoke"),
            *("InvokeModel", {"modelId": "arn:aws:bedrock:us-east-1::foundation-model/m"}),
        ),
        (
            *("lambda", "POST /2015-03-31/functions/other/invocations?Qualifier=live", "Invoke"),
            {"FunctionName": "other", "Qualifier": "live"},
        ),
        ("xray", "POST /TraceSegments", "PutTraceSegments", {}),
    ],
)
def test_a_rest_request_is_told_by_its_address(
    service: str, line: str, operation: str, parameters: dict[str, str]
) -> None:
    call = read(request(service, line))

    assert (call.operation, call.protocol, call.parameters) == (operation, "rest-json", parameters)


def test_the_body_of_a_json_request_can_be_read_again() -> None:
    body = b'{"TableName": "answers"}'
    environ = request("dynamodb", "POST /", body, x_amz_target="DynamoDB_20120810.GetItem")

    call = read(environ)

    assert (call.operation, call.protocol, call.parameters) == ("GetItem", "json", {"TableName": "answers"})
    assert environ["wsgi.input"].read() == body


def test_a_query_request_names_its_action() -> None:
    call = read(request("sts", "POST /", b"Action=GetCallerIdentity&Version=2011-06-15"))

    assert (call.operation, call.protocol) == ("GetCallerIdentity", "query")


def test_a_cbor_request_names_its_operation_in_its_address() -> None:
    body = b"\xa1\x69Namespace\x64SDXL"
    call = read(request("monitoring", "POST /service/GraniteServiceVersion20100801/operation/PutMetricData", body))

    assert (call.operation, call.protocol, call.parameters) == ("PutMetricData", "rpc-v2-cbor", {"Namespace": "SDXL"})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            request("rds", "POST /"),
            "the service 'rds' is not among those whose calls are evaluated: bedrock, dynamodb, ",
        ),
        (request("kms", "POST /", x_amz_target="TrentService.Conjure"), "POST / is no operation of kms that is known"),
        (request("sts", "POST /", b"Action=Conjure"), "POST / is no operation of sts that is known"),
        (request("lambda", "GET /nothing"), "GET /nothing is no operation of lambda that is known"),
        (request("kms", "POST /", b"{", x_amz_target="TrentService.Decrypt"), "the request's body is not JSON: "),
        (
            {**request("s3", "GET /b/k"), "HTTP_AUTHORIZATION": "AWS ASIAEXAMPLE:c2lnbmF0dXJl"},
            "its signature is not one of version 4, which says what service is called",
        ),
    ],
)
def test_what_is_not_known_is_an_error(environ: dict[str, Any], message: str) -> None:
    with pytest.raises(UndeterminedError) as caught:
        read(environ)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("header", "query", "key"),
    [
        (f"AWS4-HMAC-SHA256 Credential={SCOPE.format('s3')}, Signature=0", "", "ASIAEXAMPLE"),
        ("AWS4-ECDSA-P256-SHA256 Credential=ASIAEXAMPLE/20261126/s3/aws4_request, Signature=0", "", "ASIAEXAMPLE"),
        ("AWS ASIAEXAMPLE:c2lnbmF0dXJl", "", "ASIAEXAMPLE"),
        ("", f"X-Amz-Credential={quote(SCOPE.format('s3'), safe='')}&X-Amz-Signature=0", "ASIAEXAMPLE"),
        ("", "Signature=0&AWSAccessKeyId=ASIAEXAMPLE&Expires=1", "ASIAEXAMPLE"),
        ("Bearer token", "page=1", None),
    ],
)
def test_no_kind_of_signature_hides_whose_key_it_is(header: str, query: str, key: str | None) -> None:
    assert access_key_of({"HTTP_AUTHORIZATION": header, "QUERY_STRING": query}) == key


def test_a_presigned_request_is_read_by_its_query() -> None:
    query = f"X-Amz-Credential={quote(SCOPE.format('s3'), safe='')}&X-Amz-Security-Token=token%2F1"
    environ = {**request("s3", f"GET /b/k?{query}"), "HTTP_AUTHORIZATION": ""}

    signature = read_signature(environ)

    assert (signature.service, signature.region, signature.session_token) == ("s3", "us-east-1", "token/1")
    assert read(environ).parameters == {"Bucket": "b", "Key": "k"}


@pytest.mark.parametrize(
    ("service", "headers", "protocol"),
    [
        ("rds", {"content_type": ""}, "rest-json"),
        ("kinesis", {"x_amz_target": "Kinesis.PutRecord"}, "json"),
        ("timestream", {"smithy_protocol": "rpc-v2-cbor"}, "rpc-v2-cbor"),
        ("s3", {}, "rest-xml"),
        ("sts", {}, "query"),
    ],
)
def test_a_refusal_is_written_in_the_protocol_that_the_client_speaks(
    service: str, headers: dict[str, str], protocol: str
) -> None:
    assert expected_protocol(request(service, "POST /", **headers), service) == protocol
