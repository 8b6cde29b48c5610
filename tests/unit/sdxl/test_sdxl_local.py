"""The deployment on this machine: what is refused before it starts, and what is never touched."""

import json
import re
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from sdxl import project
from sdxl.cli import app
from sdxl.commands import local as commands
from sdxl.deployment import cdk as cdk_cli
from sdxl.deployment.record import Deployment, LocalTarget
from sdxl.errors import SdxlError, UsageError
from sdxl.local import cdk, emulator, processes, stand_ins, up
from sdxl.project import ROOT

STATE = {
    "pid": 4242,
    "gateway_url": "http://127.0.0.1:4580",
    "aws_endpoint_url": "http://127.0.0.1:4581",
    "account": "111111111111",
}
RUNNING = emulator.Emulator(**STATE)
API = SimpleNamespace(auth=SimpleNamespace(mode="api_key"))
DEV = SimpleNamespace(name="dev", account="111111111111", region="us-east-1", api=API, has_console=True)
DEPLOYMENT = Deployment(kind="local", api_url="http://127.0.0.1:4580", api_key="it's", environment="dev")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine on which nothing runs, with its files in a separate folder."""
    machine = SimpleNamespace(ended=[], commands={}, answering=False, state_file=tmp_path / "emulator.json")
    monkeypatch.setattr(emulator, "STATE_FILE", machine.state_file)
    monkeypatch.setattr(emulator, "LOG_FILE", tmp_path / "emulator.log")
    monkeypatch.setattr(emulator.read_state, "__defaults__", (machine.state_file,))
    monkeypatch.setattr(up, "LOCAL", tmp_path)
    monkeypatch.setattr(up, "DEPLOYMENT_FILE", tmp_path / "deployment.json")
    monkeypatch.setattr(up, "TARGET_FILE", tmp_path / "up.json")
    monkeypatch.setattr(emulator, "answers", lambda _: machine.answering)
    monkeypatch.setattr(processes, "command_of", lambda pid: machine.commands.get(pid, ""))
    monkeypatch.setattr(processes, "end", lambda pid: machine.ended.append(pid) or True)
    return machine


@pytest.mark.parametrize("value", ["80", "65535", "x", "-1", "45.80"])
def test_a_port_that_cannot_be_is_refused(monkeypatch, value):
    monkeypatch.setenv("SDXL_LOCAL_PORT", value)
    with pytest.raises(UsageError, match=f"SDXL_LOCAL_PORT is '{value}'"):
        emulator.wanted_port()


def test_a_taken_port_names_its_holder_and_the_way_out(monkeypatch):
    monkeypatch.setattr(processes, "port_is_free", lambda port: port != 4581)
    monkeypatch.setattr(processes, "port_holder", lambda port: "nginx (process 7)")
    with pytest.raises(SdxlError, match=r"Port 4581, .* is taken by nginx \(process 7\).*SDXL_LOCAL_PORT=4680 make up"):
        emulator.check_ports(4580)


@pytest.mark.parametrize("content", [None, "", "{}", '{"pid": "x"}', "[]"])
def test_an_unreadable_state_file_is_no_emulator(machine, content):
    if content is not None:
        machine.state_file.write_text(content)
    assert emulator.read_state() is None


def test_down_stops_our_emulator_and_forgets_the_deployment(machine, tmp_path):
    machine.state_file.write_text(json.dumps(STATE))
    machine.answering = True
    (tmp_path / "deployment.json").write_text("{}")
    assert up.down() is True
    assert machine.ended == [4242]
    assert not machine.state_file.exists()
    assert not (tmp_path / "deployment.json").exists()
    assert up.down() is False


def test_down_stops_an_emulator_that_no_longer_answers(machine):
    machine.state_file.write_text(json.dumps(STATE))
    machine.commands[4242] = "/x/python -m emulator --port 4580"
    assert up.down() is True
    assert machine.ended == [4242]


def test_down_never_touches_a_process_that_took_over_the_number(machine):
    machine.state_file.write_text(json.dumps(STATE))
    machine.commands[4242] = "vim important.txt"
    assert up.down() is False
    assert machine.ended == []
    assert not machine.state_file.exists()


def test_up_keeps_an_emulator_that_runs(machine):
    machine.state_file.write_text(json.dumps(STATE))
    machine.answering = True
    assert up._emulator(DEV) == RUNNING


def test_up_of_an_environment_without_keys_is_refused():
    api = SimpleNamespace(auth=SimpleNamespace(mode="iam"))
    with pytest.raises(SdxlError, match=r"'dev' has api\.auth\.mode iam; .* called with an API key"):
        up.check_takes_keys(SimpleNamespace(name="dev", api=api))


TARGET = {"environment": "dev", "account": "111111111111", "region": "us-east-1"}


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ({"environment": "staging"}, "'staging' runs on this machine.*`make down`"),
        ({"account": "222222222222"}, "for account 222222222222, us-east-1, .*says account 111111111111.*`make down`"),
        ({"region": "eu-west-1"}, "for account 111111111111, eu-west-1, .*says account .*us-east-1.*`make down`"),
    ],
)
def test_up_of_another_environment_account_or_region_than_runs_is_refused(machine, tmp_path, before, message):
    machine.state_file.write_text(json.dumps(STATE))
    machine.answering = True
    (tmp_path / "up.json").write_text(json.dumps({**TARGET, **before}))
    with pytest.raises(SdxlError, match=message):
        up._emulator(DEV)


def test_what_an_emulator_is_for_is_written_before_anything_is_deployed(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(emulator, "check_ports", lambda port: None)
    monkeypatch.setattr(emulator, "start", lambda port, account: RUNNING)
    assert up._emulator(DEV) == RUNNING
    assert json.loads((tmp_path / "up.json").read_text()) == TARGET
    machine.state_file.write_text(json.dumps(STATE))
    machine.answering = True
    up.down()
    assert not (tmp_path / "up.json").exists()


def test_the_emulator_starts_without_the_users_aws_configuration():
    inherited = {"PATH": "/bin", "AWS_PROFILE": "gone", "AWS_DEFAULT_PROFILE": "x", "HTTPS_PROXY": "x", "HOME": "/h"}
    variables = project.local_environment(inherited)
    assert not {name for name in variables if name.startswith("AWS_") or name == "HTTPS_PROXY"}
    assert variables["HOME"] == "/h"


def environment(*, boundary=None, **sections):
    named = {"storage": SimpleNamespace(key_arn=None), "network": None, **sections}
    return SimpleNamespace(name="dev", organization=SimpleNamespace(permissions_boundary=boundary), **named)


@pytest.mark.parametrize(
    "named",
    [
        {"storage": SimpleNamespace(key_arn="arn:aws:kms:us-east-1:111111111111:key/1")},
        {"network": SimpleNamespace(vpc_id="vpc-1")},
    ],
)
def test_what_exists_only_in_the_account_is_refused_with_the_way_to_rehearse_the_rest(named):
    stand_ins.check_can_be_rehearsed(environment())
    with pytest.raises(SdxlError, match=r"exists only in its AWS account.*make up ENV="):
        stand_ins.check_can_be_rehearsed(environment(**named))


@pytest.mark.parametrize(
    ("boundary", "made"),
    [
        ("workload", [("/", "workload")]),
        ("teams/a/workload", [("/teams/a/", "workload")]),
        ("arn:aws:iam::111111111111:policy/teams/workload", [("/teams/", "workload")]),
        ("arn:aws:iam::aws:policy/PowerUserAccess", []),
        (None, []),
    ],
)
def test_a_permissions_boundary_gets_a_stand_in_that_is_reported(boundary, made):
    policies = []

    def create_policy(**policy):
        assert json.loads(policy["PolicyDocument"])["Statement"][0]["Effect"] == "Allow"
        policies.append((policy["Path"], policy["PolicyName"]))

    session = SimpleNamespace(client=lambda name: SimpleNamespace(create_policy=create_policy))
    notes = [*stand_ins.make(environment(boundary=boundary), session)]
    assert policies == made
    assert len(notes) == len(made)
    assert all(boundary in note for note in notes)


def test_up_on_another_port_than_the_one_that_runs_is_refused(machine, monkeypatch):
    machine.state_file.write_text(json.dumps(STATE))
    machine.answering = True
    monkeypatch.setenv("SDXL_LOCAL_PORT", "5000")
    with pytest.raises(SdxlError, match="not on port 5000"):
        up._emulator(DEV)


def test_up_beside_an_emulator_that_hangs_is_refused(machine):
    machine.state_file.write_text(json.dumps(STATE))
    machine.commands[4242] = "python -m emulator"
    with pytest.raises(SdxlError, match=r"runs but does not answer\. `make down` stops it"):
        up._emulator(DEV)


def test_two_ups_at_once_are_refused(machine):
    with up._alone(), pytest.raises(SdxlError, match="is running in"), up._alone():
        pass


def test_the_cdk_gets_the_emulators_keys_and_nothing_of_the_users():
    inherited = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "AWS_PROFILE": "work",
        "CDK_DEFAULT_ACCOUNT": "9",
        "https_proxy": "x",
    }
    variables = cdk.cli_environment(RUNNING, DEV, inherited)
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4581"
    assert variables["AWS_ACCESS_KEY_ID"].endswith("111111111111")
    assert not {"AWS_PROFILE", "CDK_DEFAULT_ACCOUNT", "https_proxy"} & set(variables)
    assert variables["HOME"] == "/home/me"
    assert variables["CDK_HOME"].endswith(".local/cdk-home")


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        (
            "sdxl-dev-Api |  3/20 | 1:53:46 PM | CREATE_COMPLETE      | AWS::Lambda::Function | ImageApi (ImageApi1)\n",
            [("sdxl-dev-Api 3/20 Lambda::Function", False)],
        ),
        ("\x1b[32m✅  sdxl-dev/Api (sdxl-dev-Api)\x1b[39m\n", [("sdxl-dev-Api deployed", True)]),
        ("✅  sdxl-dev/Storage (sdxl-dev-Storage) (no changes)\n", [("sdxl-dev-Storage is unchanged", True)]),
        ("Outputs:\n", []),
        ("\n", []),
    ],
)
def test_the_clis_output_in_short(line, progress):
    shown = []
    cdk_cli.show_progress(line, lambda detail, *, is_lasting: shown.append((detail, is_lasting)))
    assert shown == progress


@pytest.mark.parametrize(
    ("found", "version", "message"),
    [
        (None, "", "Node.js is not on the PATH"),
        ("/usr/bin/node", "v18.20.1\n", "v18.20.1 at /usr/bin/node is too old"),
        ("/usr/bin/node", "garbage", "garbage at /usr/bin/node is too old"),
    ],
)
def test_a_missing_or_old_node_is_one_clear_error(monkeypatch, found, version, message):
    monkeypatch.setattr(cdk_cli.shutil, "which", lambda *_, **__: found)
    monkeypatch.setattr(cdk_cli.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=version))
    with pytest.raises(SdxlError, match=message):
        cdk_cli.check_node()


def test_the_curl_line_survives_a_shell():
    line = DEPLOYMENT.curl_line()
    assert "http://127.0.0.1:4580/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image" in line
    assert "'x-api-key: it'\"'\"'s'" in line
    assert "\n" not in line


def test_up_ends_with_a_summary_that_can_be_pasted(monkeypatch):
    monkeypatch.setattr(commands, "load_named_environment", lambda name: DEV)
    monkeypatch.setattr(up, "up", lambda environment: (DEPLOYMENT, up.FIRST_IMAGE))
    done = CliRunner().invoke(app, ["local", "up"], env={"COLUMNS": "40"})
    assert done.exit_code == 0
    assert DEPLOYMENT.curl_line() in done.stdout
    assert f"{DEPLOYMENT.api_url}/#key={DEPLOYMENT.api_key}" in done.stdout
    assert "make down" in done.stdout


def test_status_tells_scripts_by_its_exit_code(monkeypatch):
    monkeypatch.setattr(emulator, "find_running", lambda: None)
    assert CliRunner().invoke(app, ["local", "status"]).exit_code == 5
    monkeypatch.setattr(emulator, "find_running", lambda: RUNNING)
    monkeypatch.setattr(commands, "read_local_deployment", lambda: None)
    assert CliRunner().invoke(app, ["local", "status"]).exit_code == 5
    monkeypatch.setattr(commands, "read_local_deployment", lambda: DEPLOYMENT)
    monkeypatch.setattr(commands, "read_local_target", lambda: LocalTarget(**TARGET))
    assert "account 111111111111, us-east-1" in CliRunner().invoke(app, ["local", "status"]).stdout
    done = CliRunner().invoke(app, ["local", "status", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["deployment"]["environment"]) == (0, "dev")


def test_logs_shows_the_last_lines(monkeypatch, tmp_path):
    monkeypatch.setattr(emulator, "LOG_FILE", tmp_path / "emulator.log")
    assert CliRunner().invoke(app, ["local", "logs"]).exit_code == 5
    (tmp_path / "emulator.log").write_text("one\ntwo\nthree\n")
    assert CliRunner().invoke(app, ["local", "logs", "-n", "2"]).stdout == "two\nthree\n"
    assert CliRunner().invoke(app, ["local", "logs", "-n", "0"]).stdout == ""


def test_down_with_nothing_running_is_fine(machine):
    done = CliRunner().invoke(app, ["local", "down"])
    assert (done.exit_code, "Nothing was running." in done.stderr) == (0, True)


def test_only_the_door_imports_from_the_emulator():
    importing = {
        path.relative_to(ROOT).as_posix()
        for folder in ("lambda", "sdxl", "stacks", "tools")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"^\s*(from|import) emulator\b", path.read_text(), re.MULTILINE)
    }

    assert importing == {"sdxl/local/emulator.py"}
