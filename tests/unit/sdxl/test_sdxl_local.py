"""The deployment on this machine: what is refused before it starts, and what is never touched."""

import json
import re
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from sdxl.cli import app
from sdxl.commands import local as commands
from sdxl.deployment import cdk as cdk_cli
from sdxl.deployment.record import Deployment
from sdxl.errors import SdxlError, UsageError
from sdxl.local import cdk, emulator, processes, up
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


def test_up_of_another_environment_than_the_one_that_runs_is_refused(machine, tmp_path):
    machine.state_file.write_text(json.dumps(STATE))
    machine.answering = True
    (tmp_path / "deployment.json").write_text(json.dumps({**DEPLOYMENT.to_json(), "environment": "staging"}))
    with pytest.raises(SdxlError, match="'staging' runs on this machine"):
        up._emulator(DEV)


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
    with up._alone(), pytest.raises(SdxlError, match="at work"), up._alone():
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
    line = up.curl_line(DEPLOYMENT)
    assert "http://127.0.0.1:4580/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image" in line
    assert "'x-api-key: it'\"'\"'s'" in line
    assert "\n" not in line


def test_up_ends_with_a_summary_that_can_be_pasted(monkeypatch):
    monkeypatch.setattr(commands, "load_named_environment", lambda name: DEV)
    monkeypatch.setattr(up, "up", lambda environment: (DEPLOYMENT, up.FIRST_IMAGE))
    done = CliRunner().invoke(app, ["local", "up"], env={"COLUMNS": "40"})
    assert done.exit_code == 0
    assert up.curl_line(DEPLOYMENT) in done.stdout
    assert f"{DEPLOYMENT.api_url}/#key={DEPLOYMENT.api_key}" in done.stdout
    assert "make down" in done.stdout


def test_status_tells_scripts_by_its_exit_code(monkeypatch):
    monkeypatch.setattr(emulator, "find_running", lambda: None)
    assert CliRunner().invoke(app, ["local", "status"]).exit_code == 5
    monkeypatch.setattr(emulator, "find_running", lambda: RUNNING)
    monkeypatch.setattr(commands, "read_local_deployment", lambda: None)
    assert CliRunner().invoke(app, ["local", "status"]).exit_code == 5
    monkeypatch.setattr(commands, "read_local_deployment", lambda: DEPLOYMENT)
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
