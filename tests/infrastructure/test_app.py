"""The app as the CDK CLI starts it: which environments, and what a person reads when it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from infrastructure_synthesis import ROOT, cdk_context, make_layer


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


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ({"environment": "production"}, ["there is no environment 'production'", "dev, prod, staging"]),
        ({"environment": "dev", "layer_archive": "nowhere.zip"}, ["nowhere.zip does not exist", "make layer"]),
    ],
)
def test_app_that_cannot_says_why_without_a_traceback(tmp_path: Path, context: dict[str, str], told: list[str]) -> None:
    done = run_app(tmp_path, environments_dir=str(ROOT / "tests" / "three_accounts"), **context)

    assert done.returncode == 1
    assert all(text in done.stderr for text in told)
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "cdk.out").glob("assembly-*/*.template.json"))


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ({"access": "nowhere"}, ["nowhere"]),
        ({"access": "environments", "pipeline": "environments"}, ["-c access or -c pipeline, not both"]),
    ],
)
def test_access_stacks_that_cannot_be_made_say_why(tmp_path: Path, context: dict[str, str], told: list[str]) -> None:
    done = run_app(tmp_path, layer_archive=str(make_layer(tmp_path)), **context)

    assert done.returncode == 1
    assert all(text in done.stderr for text in told)
    assert "Traceback" not in done.stderr


def test_feature_flags_are_the_recommended_ones_of_the_pinned_cli() -> None:
    recommended = json.loads(
        (ROOT / "node_modules/aws-cdk/lib/init-templates/.recommended-feature-flags.json").read_text()
    )
    # Strong references: a stack that others still use must not be deleted from under them.
    ours = {
        **recommended,
        "@aws-cdk/core:defaultCrossStackReferences": "strong",
        # The catalog has regions of GovCloud.
        "@aws-cdk/core:target-partitions": ["aws", "aws-cn", "aws-us-gov"],
    }

    assert cdk_context() == ours


def test_every_wrong_file_is_named_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "environments"
    directory.mkdir()
    for name, region in (("blue", "nowhere"), ("green", "us-east-1"), ("red", "elsewhere")):
        (directory / f"{name}.yaml").write_text(f'account: "111122223333"\nregion: {region}\nmodel: {{source: open}}\n')

    done = run_app(tmp_path, environments_dir=str(directory), layer_archive=str(make_layer(tmp_path)))

    assert done.returncode == 1
    assert "blue.yaml:2: region: received nowhere" in done.stderr
    assert "red.yaml:2: region: received elsewhere" in done.stderr
    assert "Traceback" not in done.stderr
