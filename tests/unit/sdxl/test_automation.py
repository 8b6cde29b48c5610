"""The ways in: `make`, set-up and continuous integration run the same steps, from pinned versions, with few rights."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


def make(*arguments: str) -> str:
    return subprocess.run(["make", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_make_alone_lists_every_target():
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    listed = re.findall(r"^  make (\S+)", make("-s"), re.MULTILINE)
    assert listed == targets


@pytest.mark.parametrize("script", ["tools/setup.sh", "tools/app.sh", ".ci/run"])
def test_scripts_parse_and_can_be_run(script):
    subprocess.run(["sh" if script.endswith(".sh") else "bash", "-n", script], cwd=ROOT, check=True)
    assert (ROOT / script).stat().st_mode & 0o111


def workflows() -> list[Path]:
    return sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))


@pytest.mark.parametrize("path", workflows(), ids=lambda path: path.name)
def test_a_workflow_reads_code_only_and_pins_its_actions(path):
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())
    assert "secrets." not in text
    assert re.findall(r"uses: (?!\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$).*", text, re.MULTILINE) == []


def test_continuous_integration_runs_what_the_makefile_offers():
    assert any("run: .ci/run" in path.read_text() for path in workflows())
    steps = re.findall(r"^make (\S+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert steps == [
        *("lint", "test", "test-deployments", "test-changes", "test-clients", "test-inference"),
        "fuzz",
    ]


def clone(folder: Path, *names: str) -> Path:
    """A folder with some of the project's files, as a new clone has them: without anything installed."""
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
        target.chmod(0o755)
    return folder


def test_without_set_up_the_cdks_app_is_one_line_that_says_so(tmp_path):
    folder = clone(tmp_path / "a folder", "tools/app.sh", "app.py")
    assert json.loads((ROOT / "cdk.json").read_text())["app"] == "sh tools/app.sh"
    done = subprocess.run(["sh", "tools/app.sh"], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "make setup" in done.stderr
    bare = [sys.executable, "-I", "-S", "app.py"]
    done = subprocess.run(bare, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "make setup" in done.stderr


class Machine:
    """A clone with fakes of python, uv, node and npm, which note how they are called."""

    def __init__(self, folder: Path) -> None:
        self.folder = clone(folder / "some folder", "tools/setup.sh", "requirements.txt", "pyproject.toml")
        (self.folder / "package-lock.json").write_text("{}")
        (self.folder / "console" / "src").mkdir(parents=True)
        for file in ("package-lock.json", "build.mjs", "src/main.tsx"):
            (self.folder / "console" / file).write_text("{}")
        self.programs, self.calls = folder / "bin", folder / "calls"
        self.programs.mkdir()
        self.program("node", "echo v24.0.0")
        self.program(
            "npm",
            f'{self.noted("npm")}; mkdir -p node_modules/.bin; printf "#!/bin/sh\\n" >node_modules/.bin/cdk; '
            "chmod +x node_modules/.bin/cdk",
        )
        self.program("python3.13", self._python())

    def noted(self, name: str) -> str:
        return f'echo "{name} $* NODE_ENV=${{NODE_ENV-}} PYTHONPATH=${{PYTHONPATH-}}" >>"{self.calls}"'

    def program(self, name: str, body: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def _python(self) -> str:
        """`-m venv` makes a folder with this very program and uv; without pip where a signal arrives meanwhile."""
        return f"""\
case "$*" in
  --version) echo Python 3.13.0; exit ;;
  "-c "*) exit 0 ;;
esac
{self.noted("python")}
case "$*" in
  "-m venv .venv")
    mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo "command = python -m venv $(pwd -P)/.venv" >.venv/pyvenv.cfg
    if [ -e "{self.calls}.cut" ]; then rm "{self.calls}.cut"; kill -9 $PPID; exit 1; fi
    touch .venv/pip ;;
  "-m pip"*) [ -e .venv/pip ] && printf '#!/bin/sh\\n' >.venv/bin/uv && chmod +x .venv/bin/uv ;;
esac"""

    def set_up(self, *extras: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.programs}:/usr/bin:/bin"
        command = ["sh", "tools/setup.sh", *extras]
        environment = {"PATH": path, **variables}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def called(self) -> str:
        text = self.calls.read_text() if self.calls.exists() else ""
        self.calls.unlink(missing_ok=True)
        return text


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


def test_set_up_that_was_cut_off_is_finished_by_the_next(machine):
    Path(f"{machine.calls}.cut").touch()
    assert machine.set_up().returncode != 0
    assert (machine.folder / ".venv" / "bin" / "python").exists()
    assert not (machine.folder / ".venv" / "pip").exists()
    machine.called()
    done = machine.set_up()
    assert (done.returncode, done.stderr) == (0, "")
    assert "python -m venv" in machine.called()
    assert machine.set_up().returncode == 0
    assert not re.search("venv|pip|npm", machine.called())


def test_set_up_obeys_no_variable_that_changes_what_is_installed(machine):
    done = machine.set_up(NODE_ENV="production", PYTHONPATH="/elsewhere", CDPATH="/tmp", NPM_CONFIG_OMIT="dev")
    assert (done.returncode, done.stderr) == (0, "")
    called = machine.called()
    assert "npm ci --include=dev --include=optional" in called
    assert {line.partition("NODE_ENV=")[2] for line in called.splitlines()} == {" PYTHONPATH="}


def test_a_moved_folder_gets_a_new_virtual_environment(machine):
    assert machine.set_up().returncode == 0
    machine.called()
    machine.folder = machine.folder.rename(machine.folder.with_name("moved"))
    assert machine.set_up().returncode == 0
    assert "python -m venv" in machine.called()


@pytest.mark.parametrize("has_cpu_build", [True, False])
def test_the_model_server_gets_a_torch_for_cpus_where_there_is_one_and_else_says_so(machine, has_cpu_build):
    clone(machine.folder, "requirements/inference.txt")
    assert machine.set_up().returncode == 0
    # `uv venv` makes a Python in which torch can be imported without NVIDIA's libraries, or cannot.
    imports = "exit 0" if has_cpu_build else 'case "$*" in *torch*) exit 1 ;; esac'
    uv = machine.folder / ".venv" / "bin" / "uv"
    target = ".local/inference/bin"
    uv.write_text(
        f"#!/bin/sh\ncase $1 in venv)\nmkdir -p {target}\necho '{imports}' >{target}/python\n"
        f"chmod +x {target}/python ;; esac\n"
    )
    machine.called()
    done = machine.set_up("inference")
    assert (done.returncode, done.stderr) == (0, "")
    installs = [line for line in machine.called().splitlines() if "--python .local/inference" in line]
    assert "--no-deps torch==" in installs[0]
    assert (len(installs) == 1) is has_cpu_build
    assert ("installing NVIDIA's libraries" in done.stdout) is not has_cpu_build
    assert machine.set_up("inference").returncode == 0
    assert not re.search("pip", machine.called())
