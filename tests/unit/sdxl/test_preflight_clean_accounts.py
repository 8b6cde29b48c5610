"""`sdxl preflight` of a clean account: no finding, nothing written, and no call that its page does not list."""

import re
from pathlib import Path

import pytest
from preflight_fakes import ACCOUNT, KEY, NETWORK, SCALING, bad, bedrock, check, environment, optimized, running

from sdxl.preflight import READ_ACTIONS, WRITE_ACTIONS
from sdxl.preflight.deployed import STACK_PARTS

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "preflight.md"
CLEAN = [
    environment(),
    environment(scaling=SCALING),
    optimized(scaling=SCALING),
    bedrock(),
    environment(api={"keys": [{"name": "one"}, {"name": "two"}]}),
    environment(network=NETWORK, storage={"key_arn": KEY}, organization={"permissions_boundary": "boundary"}),
]


@pytest.mark.parametrize("described", CLEAN)
def test_a_clean_account_gives_no_finding(aws, described):
    findings = check(aws, described)
    assert bad(findings) == []
    assert len(findings) >= 6
    assert not any(finding.remedy for finding in findings)


@pytest.mark.parametrize("described", CLEAN)
def test_an_account_in_which_it_is_deployed_already_gives_no_finding(aws, described):
    aws.stacks |= {f"sdxl-dev-{part}": "UPDATE_COMPLETE" for part in STACK_PARTS}
    aws.log_groups = ["/aws/sagemaker/Endpoints/sdxl-dev", "/aws/lambda/sdxl-dev-image-api"]
    aws.resources["sdxl-dev-Api"] = aws.log_groups
    if described.model.source != "bedrock":
        aws.resources["sdxl-dev-Inference"] = [f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/sdxl-dev"]
        aws.endpoints["sdxl-dev"] = running(10, instance_type="ml.g5.4xlarge", name="primary")
    assert bad(check(aws, described)) == []


@pytest.mark.parametrize("described", CLEAN)
def test_nothing_is_written_and_nothing_undocumented_is_called(aws, described):
    check(aws, described)
    allowed = {method.replace("_", "") for _, method, _ in READ_ACTIONS.values()}
    assert {name.lower() for name, _ in aws.calls} <= allowed


def test_the_page_lists_every_action():
    page = DOCS.read_text()
    section = page[page.index("## Permissions") :]
    rows = dict(re.findall(r"^\| `([\w-]+:\w+)` \| (.*) \|$", section, flags=re.MULTILINE))
    assert rows == {name: what for name, (_, _, what) in (*READ_ACTIONS.items(), *WRITE_ACTIONS.items())}


def test_the_actions_that_only_read_only_read():
    assert {re.split(r"(?<=[a-z])(?=[A-Z])", name.split(":")[1])[0] for name in READ_ACTIONS} <= {
        "Get",
        "List",
        "Describe",
        "Search",
        "Batch",
        # API Gateway names its actions after HTTP methods.
        "GET",
    }
