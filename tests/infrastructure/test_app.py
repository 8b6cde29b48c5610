"""The app as the CDK CLI starts it: which environments, and what a person reads when it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from infrastructure_synthesis import ROOT, cdk_context, contents, make_layer


def run_app(tmp_path: Path, **context: str) -> subprocess.CompletedProcess[str]:
    variables = {
        **os.environ,
        "CDK_CONTEXT_JSON": json.dumps({**cdk_context(), **context}),
        "CDK_OUTDIR": str(tmp_path / "cdk.out"),
        "CDK_VALIDATION": "false",
    }
    return subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )


def test_app_makes_one_stage_for_each_environment_file(tmp_path: Path) -> None:
    directory = tmp_path / "environments"
    directory.mkdir()
    for name in ("blue", "green"):
        (directory / f"{name}.yaml").write_text('account: "111122223333"\nregion: us-east-1\nmodel: {source: open}\n')

    done = run_app(tmp_path, environments_dir=str(directory), layer_archive=str(make_layer(tmp_path)))

    assert done.returncode == 0, done.stderr
    stages = sorted(path.name for path in (tmp_path / "cdk.out").glob("assembly-*"))
    assert stages == ["assembly-sdxl-blue", "assembly-sdxl-green"]


@pytest.mark.parametrize(("given", "frames"), [({}, 1), ({"NODE_OPTIONS": "--stack-trace-limit=7"}, 7)])
def test_app_takes_down_no_call_stacks_unless_the_caller_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], frames: int
) -> None:
    for name in ("CDK_DEBUG", "NODE_OPTIONS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    done = run_app(tmp_path, environment="dev", layer_archive=str(make_layer(tmp_path)))

    assert done.returncode == 0, done.stderr
    found = [path.read_text() for path in (tmp_path / "cdk.out").glob("assembly-*/*.metadata.json")]
    assert found
    assert all(f"no user code in {frames} frames" in text for text in found)


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ({"environment": "production"}, ["there is no environment 'production'", "dev, prod, staging"]),
        ({"environment": "dev", "layer_archive": "nowhere.zip"}, ["nowhere.zip does not exist", "make layer"]),
    ],
)
def test_app_that_cannot_says_why_without_a_traceback(tmp_path: Path, context: dict[str, str], told: list[str]) -> None:
    done = run_app(tmp_path, **context)

    assert done.returncode == 1
    assert all(text in done.stderr for text in told)
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "cdk.out").glob("assembly-*/*.template.json"))


def test_feature_flags_are_the_recommended_ones_of_the_pinned_cli() -> None:
    recommended = json.loads(
        (ROOT / "node_modules/aws-cdk/lib/init-templates/.recommended-feature-flags.json").read_text()
    )
    # Strong references: a stack that others still use must not be deleted from under them.
    ours = {**recommended, "@aws-cdk/core:defaultCrossStackReferences": "strong"}

    assert cdk_context() == ours


def many_environments(tmp_path: Path, *, wrong: tuple[int, ...] = ()) -> Path:
    """Ten of them, so that each of two processes has as many as make it worth starting."""
    directory = tmp_path / "environments"
    directory.mkdir()
    for number in range(10):
        region = "nowhere" if number in wrong else "us-east-1"
        text = f'account: "111122223333"\nregion: {region}\nmodel: {{source: open}}\n'
        (directory / f"blue-{number}.yaml").write_text(text)
    return directory


def test_many_environments_side_by_side_give_the_bytes_that_one_process_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = {
        "environments_dir": str(many_environments(tmp_path)),
        "layer_archive": str(make_layer(tmp_path)),
    }
    outputs = []
    for part in (None, "1/1"):
        output = tmp_path / f"out-{len(outputs)}"
        if part is not None:
            monkeypatch.setenv("SDXL_SYNTHESIS_PART", part)
        done = run_app(output, **context)
        assert done.returncode == 0, done.stderr
        outputs.append(contents(output / "cdk.out"))
        # A second time into the same folder, as the CLI does with cdk.out.
        assert run_app(output, **context).returncode == 0
        assert contents(output / "cdk.out") == outputs[-1]

    assert len([name for name in outputs[0] if name.endswith(".template.json")]) >= 30
    assert outputs[0] == outputs[1]


def test_errors_of_every_part_are_said_and_nothing_is_left_behind(tmp_path: Path) -> None:
    context = {
        "environments_dir": str(many_environments(tmp_path, wrong=(1, 8))),
        "layer_archive": str(make_layer(tmp_path)),
    }
    done = run_app(tmp_path, **context)

    assert done.returncode == 1
    assert all(f"blue-{number}.yaml:2: region: received nowhere" in done.stderr for number in (1, 8))
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "cdk.out").glob(".part-*")) == []


def test_a_process_that_ends_well_without_its_part_fails_the_whole(tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from stacks import parallel_synthesis\n"
        "parallel_synthesis._processors = lambda: 2\n"
        f"synthesis = parallel_synthesis.start(Path({str(many_environments(tmp_path))!r}))\n"
        "sys.exit(0 if synthesis.part.number else synthesis.finish(0))\n"
    )
    variables = {
        **os.environ,
        "CDK_CONTEXT_JSON": "{}",
        "CDK_OUTDIR": str(tmp_path / "cdk.out"),
        "PYTHONPATH": str(ROOT),
    }

    done = subprocess.run([sys.executable, str(script)], env=variables, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "a process of the synthesis ended well, and without its part: run the command again\n"
    assert list((tmp_path / "cdk.out").glob(".part-*")) == []
