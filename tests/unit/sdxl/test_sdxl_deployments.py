"""Which deployment is called: looked up, answered for, and never quietly another one."""

import json
from types import SimpleNamespace

import pytest

from sdxl.deployment import aws as aws_accounts
from sdxl.deployment import choose
from sdxl.deployment.aws import find_aws_deployment
from sdxl.deployment.choose import Target, choose_deployment
from sdxl.deployment.record import Deployment, read_local_deployment
from sdxl.errors import ApiConnectionError, NotDeployedError, UnexpectedAnswerError, UsageError

PROD = SimpleNamespace(name="prod", account="333333333333", region="eu-west-1")
LOCAL = Deployment(kind="local", api_url="http://127.0.0.1:4580", api_key="local-key", environment="dev")
STACK = {"StackName": "sdxl-prod-Api", "CreationTime": "2026-01-01", "StackStatus": "CREATE_COMPLETE"}
OUTPUTS = [
    {"OutputKey": "ApiUrl", "OutputValue": "https://abc.execute-api.eu-west-1.amazonaws.com/api"},
    {"OutputKey": "ApiKeyId", "OutputValue": "key-id"},
]


def test_a_deployed_environment_is_found_through_its_stacks_outputs(session):
    session.stubs["sts"].add_response("get_caller_identity", {"Account": PROD.account})
    session.stubs["cloudformation"].add_response(
        "describe_stacks", {"Stacks": [{**STACK, "Outputs": OUTPUTS}]}, {"StackName": "sdxl-prod-Api"}
    )
    session.stubs["apigateway"].add_response(
        "get_api_key", {"value": "secret"}, {"apiKey": "key-id", "includeValue": True}
    )
    found = find_aws_deployment(PROD, session)
    assert (found.api_url, found.api_key) == (OUTPUTS[0]["OutputValue"], "secret")
    assert found.describe() == f"prod in AWS account 333333333333, eu-west-1, {found.api_url}"


def test_credentials_of_another_account_are_refused(session):
    session.stubs["sts"].add_response("get_caller_identity", {"Account": "999999999999"})
    with pytest.raises(NotDeployedError, match=r"for account 999999999999; environment 'prod' is in 333333333333"):
        find_aws_deployment(PROD, session)


def test_an_environment_that_is_not_deployed_says_how_to_deploy_it(session):
    session.stubs["sts"].add_response("get_caller_identity", {"Account": PROD.account})
    session.stubs["cloudformation"].add_client_error(
        "describe_stacks", "ValidationError", "Stack with id sdxl-prod-Api does not exist"
    )
    with pytest.raises(NotDeployedError, match=r"not deployed in account 333333333333.*npx cdk deploy 'sdxl-prod/\*'"):
        find_aws_deployment(PROD, session)


def test_a_denied_lookup_keeps_the_services_words(session):
    session.stubs["sts"].add_response("get_caller_identity", {"Account": PROD.account})
    session.stubs["cloudformation"].add_client_error("describe_stacks", "AccessDenied", "not authorized to perform")
    with pytest.raises(NotDeployedError, match="not authorized to perform"):
        find_aws_deployment(PROD, session)


def test_a_stack_without_the_outputs_is_an_older_version(session):
    session.stubs["sts"].add_response("get_caller_identity", {"Account": PROD.account})
    session.stubs["cloudformation"].add_response("describe_stacks", {"Stacks": [STACK]})
    with pytest.raises(NotDeployedError, match="no output 'ApiKeyId'"):
        find_aws_deployment(PROD, session)


@pytest.mark.parametrize("mode", ["iam", "cognito"])
def test_an_environment_without_keys_says_how_it_is_called(session, mode):
    session.stubs["sts"].add_response("get_caller_identity", {"Account": PROD.account})
    outputs = [OUTPUTS[0], {"OutputKey": "AuthMode", "OutputValue": mode}]
    session.stubs["cloudformation"].add_response("describe_stacks", {"Stacks": [{**STACK, "Outputs": outputs}]})
    with pytest.raises(NotDeployedError, match=rf"takes no API keys: its api.auth.mode is {mode}.*Client\(..., auth="):
        find_aws_deployment(PROD, session)


def test_missing_credentials_are_one_clear_error(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(NotDeployedError, match="Unable to locate credentials"):
        find_aws_deployment(PROD)


def test_the_local_deployment_file_is_read(tmp_path):
    path = tmp_path / "deployment.json"
    assert read_local_deployment(path) is None
    path.write_text(json.dumps(LOCAL.to_json()))
    assert read_local_deployment(path) == LOCAL


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"api_url": "x"}'])
def test_a_broken_local_deployment_file_says_how_to_mend_it(tmp_path, content):
    path = tmp_path / "deployment.json"
    path.write_text(content)
    with pytest.raises(NotDeployedError, match="make up"):
        read_local_deployment(path)


@pytest.fixture
def world(monkeypatch):
    """A machine with a local deployment of dev that answers, and an account with every environment."""
    world = SimpleNamespace(local=LOCAL, problem=None, notes=[])
    aws = Deployment(kind="aws", api_url="https://aws", api_key="k", environment="found")
    monkeypatch.setattr(choose, "read_local_deployment", lambda: world.local)
    monkeypatch.setattr(aws_accounts, "find_aws_deployment", lambda _: aws)
    monkeypatch.setattr(
        aws_accounts, "load_named_environment", lambda name: SimpleNamespace(name=name, account="222222222222")
    )

    def health(_):
        if world.problem is not None:
            raise world.problem

    monkeypatch.setattr(choose.Client, "health", health)
    world.choose = lambda **what: choose_deployment(Target(**what), note=world.notes.append)
    return world


@pytest.mark.parametrize("what", [{}, {"environment": "dev"}, {"place": "local"}])
def test_the_local_deployment_is_used_where_it_is_of_the_wanted_environment(world, what):
    assert world.choose(**what) == LOCAL


@pytest.mark.parametrize("what", [{"environment": "prod"}, {"place": "aws"}, {"environment": "dev", "place": "aws"}])
def test_another_environment_is_looked_for_in_its_account(world, what):
    assert world.choose(**what).kind == "aws"


def test_going_to_aws_without_being_told_to_is_said(world):
    world.local = None
    assert world.choose().kind == "aws"
    assert "Looking in AWS account 222222222222" in world.notes[0]


@pytest.mark.parametrize("problem", [ApiConnectionError("refused"), UnexpectedAnswerError("another server")])
def test_a_local_deployment_that_does_not_answer_is_an_error_and_no_call_to_aws(world, problem):
    world.problem = problem
    with pytest.raises(NotDeployedError, match="does not answer"):
        world.choose()


def test_insisting_on_local_never_goes_to_aws(world):
    with pytest.raises(NotDeployedError, match="runs environment 'dev', not 'prod'"):
        world.choose(environment="prod", place="local")
    world.local = None
    with pytest.raises(NotDeployedError, match="does not run on this machine"):
        world.choose(place="local")


def test_an_address_and_key_can_be_given(world, monkeypatch):
    assert world.choose(url="https://mine/api/", api_key="k").api_url == "https://mine/api"
    monkeypatch.setenv("SDXL_API_URL", "https://theirs/api")
    monkeypatch.setenv("SDXL_API_KEY", "k2")
    chosen = world.choose()
    assert (chosen.api_url, chosen.api_key) == ("https://theirs/api", "k2")


def test_the_command_line_beats_the_environment_variable_and_says_so(world, monkeypatch):
    monkeypatch.setenv("SDXL_API_URL", "https://theirs/api")
    assert world.choose(environment="dev") == LOCAL
    assert "SDXL_API_URL is not used" in world.notes[0]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"url": "https://mine"}, "needs the deployment's API key"),
        ({"url": "mine", "api_key": "k"}, "must start with https://"),
        ({"url": "https://mine", "api_key": "k", "environment": "dev"}, "leave out --env"),
        ({"api_key": "k"}, "--api-key goes with --url"),
    ],
)
def test_contradicting_options_are_refused(world, what, message):
    with pytest.raises(UsageError, match=message):
        world.choose(**what)


def test_a_key_goes_nowhere_in_what_is_shown(world):
    assert "local-key" not in Deployment.describe(LOCAL)
