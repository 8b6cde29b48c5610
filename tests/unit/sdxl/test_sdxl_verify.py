"""`sdxl verify`: what each check prints of what AWS and the API answer, and what it says in the emulator."""

import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx2
import pytest
from botocore.exceptions import ClientError
from conftest import make_png
from rich.console import Console
from typer.testing import CliRunner

from sdxl import Client
from sdxl.cli import app
from sdxl.commands import verify as command
from sdxl.deployment.record import Deployment
from sdxl.project import ROOT
from sdxl.verify import checks
from sdxl.verify.checks import CHECKS, run
from sdxl.verify.deployed import Deployed

PAGE = ROOT / "docs" / "not-run-on-aws.md"
DEPLOYMENT = Deployment(kind="aws", api_url="https://api.example/api", api_key="key", environment="dev")
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
ENDPOINT = {
    "EndpointName": "sdxl-dev",
    "EndpointStatus": "InService",
    "CreationTime": CREATED,
    "LastModifiedTime": CREATED + timedelta(seconds=432),
}
FUNCTION = {
    "FunctionName": "image",
    "Runtime": "python3.13",
    "Architectures": ["arm64"],
    "SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"},
}


class Aws:
    """Answers calls by method; what has no answer is refused, as for want of a permission."""

    def __init__(self, **answers):
        self.answers = {
            "describe_stack_resources": {
                "StackResources": [
                    {"ResourceType": "AWS::SageMaker::Endpoint", "PhysicalResourceId": "arn:x:endpoint/sdxl-dev"},
                    {"ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": "image"},
                ]
            },
            "describe_endpoint": ENDPOINT,
            "list_versions_by_function": {"Versions": [{}, FUNCTION]},
            **answers,
        }

    def client(self, service):
        return _Client(self.answers)


class _Client:
    def __init__(self, answers):
        self._answers = answers

    def __getattr__(self, method):
        def call(**_):
            if method not in self._answers:
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": f"not allowed: {method}"}}, method)
            return self._answers[method]

        return call


def gateway(request):
    if request.url.path.endswith("/health"):
        return httpx2.Response(200, json={"status": "ok"})
    if "x-api-key" not in request.headers:
        return httpx2.Response(403, json={"message": "Forbidden"}, headers={"x-amzn-errortype": "ForbiddenException"})
    return httpx2.Response(404, json={"name": "not_found", "message": f"no route {request.url.raw_path.decode()}"})


def look(api, monkeypatch, aws=None, *, source="open", deployment=DEPLOYMENT, **settings):
    environment = SimpleNamespace(
        name="dev",
        account="210987654321",
        region="us-east-1",
        model=SimpleNamespace(source=source),
        network=None,
        operations=SimpleNamespace(budget=None),
        instance_types=("ml.g5.4xlarge",),
        **settings,
    )
    monkeypatch.setattr(checks, "preflight", lambda account: [])
    monkeypatch.setattr(checks, "Account", lambda *_: None)
    client = Client(deployment.api_url, deployment.api_key, transport=api.transport)
    transport = httpx2.MockTransport(gateway)
    deployed = Deployed(environment, aws or Aws(), deployment, client=client, transport=transport)
    return {check.name: observation for check, observation in run(deployed)}


def test_every_check_answers_and_prints_what_it_saw(api, monkeypatch):
    seen = look(api, monkeypatch)
    assert list(seen) == [check.name for check in CHECKS]
    assert all(observation.saw for observation in seen.values())
    assert (seen["start-up"].outcome, "432 s" in seen["start-up"].saw) == ("seen", True)
    assert re.search(r"first \d+\.\d s, second \d+\.\d s", seen["latency"].saw)
    assert "python3.13 on arm64" in seen["layer"].saw
    assert "ForbiddenException" in seen["gateway-errors"].saw
    assert "%2F" in seen["gateway-paths"].saw
    assert seen["bedrock-filter"].outcome == seen["vpc"].outcome == seen["budget"].outcome == "not here"


def test_what_is_refused_is_unknown_and_says_the_services_words(api, monkeypatch):
    seen = look(api, monkeypatch)
    assert seen["execution-policy"].outcome == "unknown"
    assert "AccessDenied" in seen["execution-policy"].saw


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        ({"describe_endpoint": {**ENDPOINT, "EndpointStatus": "Failed"}}, "start-up"),
        (
            {"list_versions_by_function": {"Versions": [{**FUNCTION, "SnapStart": {"ApplyOn": "PublishedVersions"}}]}},
            "snapstart",
        ),
    ],
)
def test_what_is_not_as_documented_fails(api, monkeypatch, answers, name):
    assert look(api, monkeypatch, Aws(**answers))[name].outcome == "failed"


def test_without_keys_no_image_is_requested(api, monkeypatch):
    seen = look(api, monkeypatch, deployment=Deployment(kind="aws", api_url="https://api.example/api", api_key=""))
    assert api.requests == []
    assert seen["latency"].outcome == "not here"


def test_the_images_of_the_checks_can_be_read():
    for data in (checks._grey_png(), checks._half_white_png()):
        assert data[:8] == make_png()[:8]
        assert int.from_bytes(data[16:20]) == int.from_bytes(data[20:24]) == 1024


def test_each_line_of_the_page_names_its_check_and_each_check_has_a_line():
    rows = [line.split("|")[1:-1] for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    named = [re.findall(r"`([a-z-]+)`", row[2]) for row in rows]
    assert {name for names in named for name in names} == {check.name for check in CHECKS}
    assert all(names or row[2].strip().startswith("none: ") for names, row in zip(named, rows, strict=True))


@pytest.mark.parametrize("is_emulator", [True, False])
def test_the_command_says_whether_it_looked_at_an_emulator(monkeypatch, is_emulator):
    monkeypatch.setattr(command.emulator, "find_running", lambda: None)
    monkeypatch.setattr(command, "make_session", lambda environment, role: None)
    monkeypatch.setattr(command, "find_aws_deployment", lambda environment, session: DEPLOYMENT)
    monkeypatch.setattr(
        command,
        "load_named_environment",
        lambda name: SimpleNamespace(
            name=name,
            account="210987654321",
            region="us-east-1",
            api=SimpleNamespace(auth=SimpleNamespace(mode="api_key")),
        ),
    )
    bad = checks.Observation(outcome="failed", saw="blank")
    monkeypatch.setattr(command, "run", lambda deployed: [(CHECKS[0], bad)])
    if is_emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    else:
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    done = CliRunner().invoke(app, ["verify", "--env", "dev", "--json"])
    assert done.exit_code == 1
    content = json.loads(done.stdout)
    assert content["emulator"] is is_emulator
    assert content["checks"] == [
        {"name": "start-up", "question": CHECKS[0].question, "outcome": "failed", "saw": "blank"}
    ]
    assert ("not how AWS behaves" in done.stderr) is is_emulator


@pytest.mark.parametrize(("arguments", "is_hidden"), [([], True), (["--all"], False)])
def test_a_terminal_gets_what_the_environment_has_and_the_names_of_the_rest(monkeypatch, capsys, arguments, is_hidden):
    seen = (CHECKS[0], checks.Observation(outcome="seen", saw="4 minutes"))
    absent = (CHECKS[1], checks.Observation(outcome="not here", saw="the model source is open"))
    monkeypatch.setattr(Console, "is_terminal", property(lambda _: True))

    command._print_observations([seen, absent], every_row=bool(arguments))

    shown = capsys.readouterr().out
    assert "4 minutes" in shown
    assert ("the model source is open" not in shown) is is_hidden
    assert (f"not here: {CHECKS[1].name}" in shown) is is_hidden


def test_json_of_an_answer_can_be_wrapped_between_words():
    assert checks._short('{"id":"1","name":"not_found"}') == '{"id": "1", "name": "not_found"}'
    assert checks._short("<html>  no\nJSON</html>") == "<html> no JSON</html>"
