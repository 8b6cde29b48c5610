"""Functions through the real runtime client: results, limits, failures, versions, environment and logs."""

from __future__ import annotations

import base64
import importlib.metadata
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from emulator_support import ACCOUNT, REGION, Clients, zipped

from emulator.functions.operation import OPERATION
from emulator.functions.package import layer_mismatches

pytestmark = pytest.mark.allow_loopback

HANDLER = """
import os, sys, time

print("module loaded")

def handler(event, context):
    what = event.get("do")
    print("doing", what)
    if what == "sleep":
        time.sleep(30)
    if what == "exit":
        os._exit(3)
    if what == "raise":
        raise ValueError("no such thing")
    if what == "answer":
        return "x" * event["size"]
    if what == "environment":
        return dict(os.environ)
    if what == "path":
        return sys.path
    if what == "wait":
        time.sleep(0.2)
    return {"pid": os.getpid(), "version": context.function_version, "arn": context.invoked_function_arn}
"""
BROKEN = "import a_module_that_is_not_there\n"


@pytest.fixture(scope="module")
def function(client: Clients, role_arn: str) -> Iterator[str]:
    yield from created(client, role_arn, "tiny", HANDLER)


def created(client: Clients, role_arn: str, name: str, code: str, **more: Any) -> Iterator[str]:
    client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role_arn,
        Handler="app.handler",
        Code={"ZipFile": zipped({"app.py": code})},
        **{"Timeout": 5, "Environment": {"Variables": {"COLOUR": "red"}}, **more},
    )
    yield name
    client("lambda").delete_function(FunctionName=name)


def invoke(client: Clients, name: str, event: Any = None, **more: Any) -> tuple[Any, dict[str, Any]]:
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}), **more)
    return json.loads(answer["Payload"].read() or b"null"), answer


def test_a_worker_is_reused(client: Clients, function: str) -> None:
    first, _ = invoke(client, function)
    second, answer = invoke(client, function)

    assert first == second
    assert first["arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tiny"
    assert "FunctionError" not in answer


def test_invocations_at_the_same_time_get_workers_of_their_own(client: Clients, function: str) -> None:
    pids: list[int] = []
    threads = [
        threading.Thread(target=lambda: pids.append(invoke(client, function, {"do": "wait"})[0]["pid"]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(pids)) == 3


def test_the_environment_is_the_functions_and_nobody_elses(
    client: Clients, function: str, aws_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke(client, function, {"do": "exit"})
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "PYTHONPATH", "SECRET_OF_THE_DEVELOPER"):
        monkeypatch.setenv(name, "leaked")
    client("lambda").update_function_configuration(
        FunctionName=function, Environment={"Variables": {"COLOUR": "red", "AWS_REGION": "ignored"}}
    )

    environment, _ = invoke(client, function, {"do": "environment"})

    assert "leaked" not in environment.values()
    assert environment["COLOUR"] == "red"
    assert environment["AWS_REGION"] == REGION
    assert environment["AWS_ENDPOINT_URL"] == aws_url
    # A session of the function's own role.
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert environment["AWS_SESSION_TOKEN"]
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == function
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"


def test_the_functions_path_has_its_code_first_and_nothing_of_the_repository(client: Clients, function: str) -> None:
    path, _ = invoke(client, function, {"do": "path"})

    assert "emulator-functions-" in path[0]
    assert str(Path.cwd()) not in path
    assert not [entry for entry in path if entry.endswith("/lambda")]


def test_an_exception_is_the_functions_error(client: Clients, function: str) -> None:
    payload, answer = invoke(client, function, {"do": "raise"})

    assert answer["FunctionError"] == "Unhandled"
    assert (payload["errorType"], payload["errorMessage"]) == ("ValueError", "no such thing")


def test_a_crash_is_reported_and_the_next_invocation_works(client: Clients, function: str) -> None:
    payload, _ = invoke(client, function, {"do": "exit"})

    assert payload["errorType"] == "Runtime.ExitError"
    assert payload["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert invoke(client, function)[0]["version"] == "$LATEST"


def test_the_timeout_is_enforced_in_lambdas_words(client: Clients, role_arn: str) -> None:
    functions = created(client, role_arn, "slow", HANDLER, Timeout=1)
    next(functions)

    payload, answer = invoke(client, "slow", {"do": "sleep"})
    again, _ = invoke(client, "slow")

    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Sandbox.Timedout"
    assert payload["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert again["version"] == "$LATEST"
    assert next(functions, None) is None


def test_a_response_over_six_megabytes_is_too_large(client: Clients, function: str) -> None:
    fits, _ = invoke(client, function, {"do": "answer", "size": 6_291_554})
    payload, answer = invoke(client, function, {"do": "answer", "size": 6_291_555})

    assert len(fits) == 6_291_554
    assert answer["FunctionError"] == "Unhandled"
    assert payload == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert invoke(client, function)[0]["version"] == "$LATEST"


def test_a_request_over_six_megabytes_is_refused(client: Clients, function: str) -> None:
    with pytest.raises(ClientError) as caught:
        invoke(client, function, {"padding": "x" * 6_291_456})

    assert caught.value.response["Error"]["Code"] == "RequestEntityTooLargeException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_payload_that_is_not_json_is_refused(client: Clients, function: str) -> None:
    with pytest.raises(ClientError, match="Could not parse request body into json"):
        client("lambda").invoke(FunctionName=function, Payload=b"{")


def test_an_init_error_is_reported_with_its_type(client: Clients, role_arn: str) -> None:
    functions = created(client, role_arn, "broken", BROKEN)
    next(functions)

    payload, answer = invoke(client, "broken")

    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Runtime.ImportModuleError"
    assert "a_module_that_is_not_there" in payload["errorMessage"]
    assert next(functions, None) is None


def test_a_published_version_keeps_its_code_and_its_environment(client: Clients, role_arn: str) -> None:
    functions = created(client, role_arn, "versioned", "def handler(e, c): return [1, c.function_version]\n")
    next(functions)
    api = client("lambda")
    version = api.publish_version(FunctionName="versioned")["Version"]
    api.create_alias(FunctionName="versioned", Name="live", FunctionVersion=version)
    before = invoke(client, "versioned")[0]

    api.update_function_code(
        FunctionName="versioned", ZipFile=zipped({"app.py": "def handler(e, c): return [2, c.invoked_function_arn]\n"})
    )

    alias, answer = invoke(client, "versioned", Qualifier="live")
    latest, _ = invoke(client, "versioned")
    assert before == [1, "$LATEST"]
    assert alias == [1, version]
    assert answer["ExecutedVersion"] == version
    assert latest == [2, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:versioned"]
    assert next(functions, None) is None


def test_deleting_a_function_ends_its_workers(client: Clients, role_arn: str) -> None:
    functions = created(client, role_arn, "short-lived", HANDLER)
    next(functions)
    pid = invoke(client, "short-lived")[0]["pid"]
    assert next(functions, None) is None

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_reserved_concurrency_throttles(client: Clients, role_arn: str) -> None:
    functions = created(client, role_arn, "reserved", HANDLER)
    next(functions)
    client("lambda").put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)

    with pytest.raises(ClientError) as caught:
        invoke(client, "reserved")

    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert next(functions, None) is None


def test_the_log_has_lambdas_own_lines_around_the_functions(client: Clients, function: str) -> None:
    _, answer = invoke(client, function, {"do": "raise"}, LogType="Tail")

    tail = base64.b64decode(answer["LogResult"]).decode().splitlines()
    request_id = tail[-2].split()[-1]
    assert f"START RequestId: {request_id} Version: $LATEST" in tail
    assert "doing raise" in tail
    assert tail[-2] == f"END RequestId: {request_id}"
    assert tail[-1].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    logged = client("logs").filter_log_events(logGroupName="/aws/lambda/tiny", filterPattern="")["events"]
    assert f"END RequestId: {request_id}" in [event["message"] for event in logged]


def test_an_event_invocation_is_accepted_and_runs(client: Clients, function: str) -> None:
    _, answer = invoke(client, function, InvocationType="Event")
    _, dry = invoke(client, function, InvocationType="DryRun")

    assert answer["StatusCode"] == 202
    assert dry["StatusCode"] == 204


def test_another_service_invokes_by_arn(function: str, aws_url: str) -> None:
    result = OPERATION.invoke_function(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tiny", b"{}")

    assert not result.failed
    assert json.loads(result.payload)["version"] == "$LATEST"


def test_a_layer_of_other_versions_is_refused_with_the_difference(client: Clients, role_arn: str) -> None:
    archive = zipped({"python/moto-0.0.1.dist-info/METADATA": "", "python/not_here-1.0.dist-info/METADATA": ""})
    layer = client("lambda").publish_layer_version(LayerName="other", Content={"ZipFile": archive})["LayerVersionArn"]
    functions = created(client, role_arn, "layered", HANDLER, Layers=[layer])
    next(functions)

    payload, _ = invoke(client, "layered")

    assert payload["errorType"] == "Emulator.PackageError"
    assert "moto is 0.0.1 in the layer and 5" in payload["errorMessage"]
    assert "not_here 1.0 is not installed" in payload["errorMessage"]
    assert next(functions, None) is None


def test_a_layer_of_the_same_versions_is_accepted() -> None:
    version = importlib.metadata.version("msgspec")

    assert layer_mismatches(zipped({f"python/msgspec-{version}.dist-info/METADATA": ""})) == []
    assert layer_mismatches(io.BytesIO(b"no zip").getvalue())[0].startswith("it is not a zip archive")


def test_another_runtime_is_refused(client: Clients, role_arn: str) -> None:
    client("lambda").create_function(
        FunctionName="node", Runtime="nodejs22.x", Role=role_arn, Handler="x.y", Code={"ZipFile": zipped({"x.js": ""})}
    )

    assert "runtime 'nodejs22.x' of node is not emulated" in invoke(client, "node")[0]["errorMessage"]
