"""Alarms, their topic, the dashboard, the saved queries and the budget."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from infrastructure_synthesis import ROOT, Synthesis, Template, resources, the, with_names
from watched_metrics import Watched, problem_of, watched_by_alarms, watched_by_dashboards

ALARM = "AWS::CloudWatch::Alarm"
COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
RUNBOOK = re.compile(r"Runbook: (docs/runbooks/[a-z-]+\.md)$")
SCALING = {"min_capacity": 1, "max_capacity": 4, "target": {"metric": "concurrent_requests", "target": 1}}

Synth = Callable[..., dict[str, Template]]


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    found = (resource["Properties"] for resource in resources(template, ALARM).values())
    return {alarm["AlarmName"]: alarm for alarm in found}


def runbooks(*syntheses: Synthesis) -> set[tuple[str, str]]:
    """Every alarm's name as runbooks write it, with its page. A further variant's alarms bear its name at the end."""
    found = set()
    for synthesis in syntheses:
        for environment, stacks in synthesis.templates.items():
            for template in stacks.values():
                for kind in (ALARM, COMPOSITE):
                    for resource in resources(template, kind).values():
                        alarm = resource["Properties"]
                        name = alarm["AlarmName"].removeprefix(f"sdxl-{environment}").removesuffix("-challenger")
                        match = RUNBOOK.search(alarm["AlarmDescription"])
                        assert match, alarm
                        found.add((f"sdxl-<environment>{name}", match[1]))
    return found


def all_templates(*syntheses: Synthesis) -> list[dict[str, Template]]:
    return [dict(stacks) for synthesis in syntheses for stacks in synthesis.templates.values()]


def test_every_alarm_watches_a_metric_that_somebody_publishes(examples: Synthesis, access: Synthesis) -> None:
    problems, count = [], 0
    for templates in all_templates(examples, access):
        for template in templates.values():
            for watched in watched_by_alarms(template):
                count += 1
                problems.append(problem_of(watched, templates))

    assert [problem for problem in problems if problem] == []
    assert count > 100


def test_every_graph_shows_a_metric_that_somebody_publishes(examples: Synthesis, access: Synthesis) -> None:
    problems, count = [], 0
    for templates in all_templates(examples, access):
        for watched in watched_by_dashboards(templates["Operations"]) if "Operations" in templates else ():
            count += 1
            problems.append(problem_of(watched, templates))

    assert [problem for problem in problems if problem] == []
    assert count > 100


@pytest.mark.parametrize(
    ("watched", "problem"),
    [
        (Watched("a", "AWS/SageMaker", "BacklogWithoutCapacity", ("EndpointName",), "Sum"), "nobody publishes it"),
        (Watched("a", "AWS/SageMaker", "HasBacklogWithoutCapacity", ("EndpointName",), "Sum"), "makes no sense"),
        (
            Watched("a", "AWS/SageMaker", "HasBacklogWithoutCapacity", ("EndpointName", "VariantName"), "Average"),
            "published with the dimensions",
        ),
        (Watched("a", "AWS/SageMaker", "ModelLatency", ("EndpointName",), "p95"), "published with the dimensions"),
        (Watched("a", "AWS/SageMaker", "Invocations", ("EndpointName", "VariantName"), "p95"), "makes no sense"),
        (Watched("a", "SDXL", "Requests", ("result",), "Sum"), "published with the dimensions"),
        (Watched("a", "SDXL/sdxl-dev", "ContainerCrashes", (), "Sum"), "nobody publishes it"),
    ],
)
def test_a_metric_that_nobody_publishes_would_be_found(watched: Watched, problem: str) -> None:
    assert problem in str(problem_of(watched, {}))


def test_every_alarm_says_what_it_means_and_names_a_runbook_that_exists(examples: Synthesis, access: Synthesis) -> None:
    named = set()
    for templates in all_templates(examples, access):
        for template in templates.values():
            for kind in (ALARM, COMPOSITE):
                for resource in resources(template, kind).values():
                    description = resource["Properties"]["AlarmDescription"]
                    match = RUNBOOK.search(description)
                    assert match, description
                    assert len(description) < 1024
                    named.add(match[1])

    assert [page for page in sorted(named) if not (ROOT / page).is_file()] == []


def test_every_runbook_names_exactly_the_alarms_that_name_it(examples: Synthesis, access: Synthesis) -> None:
    by_page: dict[str, set[str]] = {}
    for name, page in runbooks(examples, access):
        by_page.setdefault(page, set()).add(name)

    for path in (ROOT / "docs" / "runbooks").glob("*.md"):
        text = path.read_text()
        line = re.search(r"^\*\*Alarm:\*\* (.*)$", text, re.MULTILINE)
        named = set(re.findall(r"`(sdxl-<environment>[a-z-]*)`", line[1])) if line else set()
        # The budget is no alarm of CloudWatch.
        told = {"sdxl-<environment>"} if path.stem == "cost-spike" else set()
        assert named - told == by_page.get(f"docs/runbooks/{path.name}", set()), path.name


def test_every_runbook_is_in_the_index_under_alarms_or_under_known_failures(
    examples: Synthesis, access: Synthesis
) -> None:
    folder = ROOT / "docs" / "runbooks"
    of_alarms, of_failures = (
        set(re.findall(r"\]\(([a-z-]+\.md)\) \|$", part, re.MULTILINE))
        for part in (folder / "README.md").read_text().split("| known failure")
    )

    assert of_alarms | of_failures == {path.name for path in folder.glob("*.md")} - {"README.md"}
    alarms_pages = {page.rpartition("/")[2] for _, page in runbooks(examples, access)}
    assert of_alarms == alarms_pages | {"cost-spike.md"}
    assert of_failures & alarms_pages == set()


def test_every_action_of_an_alarm_is_the_topic_of_its_environment(examples: Synthesis, access: Synthesis) -> None:
    wakes = 0
    for templates in all_templates(examples, access):
        for template in templates.values():
            topics = [{"Ref": topic} for topic in resources(template, "AWS::SNS::Topic")]
            for kind in (ALARM, COMPOSITE):
                for resource in resources(template, kind).values():
                    alarm = resource["Properties"]
                    if alarm["AlarmName"].endswith("-wake"):
                        # It starts a scaling policy of its own stack, and nothing else.
                        (action,) = alarm["AlarmActions"]
                        assert template["Resources"][action["Ref"]]["Properties"]["PolicyType"] == "StepScaling"
                        assert {"OKActions", "InsufficientDataActions"} & set(alarm) == set()
                        wakes += 1
                        continue
                    for actions in ("AlarmActions", "OKActions", "InsufficientDataActions"):
                        assert alarm.get(actions) in (None, topics), alarm["AlarmName"]
    assert wakes == 2


def alarms_of_rule(template: Template) -> set[str]:
    """Names of the alarms in the composite alarm's rule, which references them: CloudFormation creates them first."""
    parts = with_names(template, the(template, COMPOSITE)["AlarmRule"])["Fn::Join"][1]
    return {name for part in parts for name in re.findall(r"^<ARN of (.+)>$", part)}


def test_what_callers_notice_is_one_alarm_and_the_rest_notify_themselves(synth: Synth) -> None:
    template = synth(scaling=SCALING)["Operations"]

    rule = the(template, COMPOSITE)
    noticed = alarms_of_rule(template)
    silent = {name for name, alarm in alarms(template).items() if "AlarmActions" not in alarm}
    assert noticed == silent
    assert {name.removeprefix("sdxl-test-") for name in noticed} == {
        "api-errors",
        "api-latency",
        "function-errors",
        "model-errors",
        "model-latency",
        "no-healthy-instance",
    }
    assert rule["AlarmActions"] == rule["OKActions"] == [{"Ref": next(iter(resources(template, "AWS::SNS::Topic")))}]


def test_latency_is_compared_in_the_unit_that_each_service_publishes(synth: Synth) -> None:
    found = alarms(synth(operations={"alarms": {"latency_p95_seconds": 12.5}})["Operations"])

    assert found["sdxl-test-api-latency"]["Threshold"] == 12_500
    assert found["sdxl-test-model-latency"]["Threshold"] == 12_500_000


@pytest.mark.parametrize(("timeout", "milliseconds"), [(60, 25_000), (29, 25_000), (20, 16_000), (5, 1_000)])
def test_latency_is_watched_below_what_the_api_waits_for(synth: Synth, timeout: int, milliseconds: int) -> None:
    found = alarms(synth(api={"integration_timeout_seconds": timeout})["Operations"])

    assert found["sdxl-test-api-latency"]["Threshold"] == milliseconds


def test_max_capacity_is_watched_where_there_is_one(synth: Synth) -> None:
    scaled, fixed, detached, held = (
        alarms(synth(**settings)["Operations"])
        for settings in (
            {"scaling": SCALING},
            {},
            {"scaling": {**SCALING, "detached": True}},
            # Always at its max capacity: that is how it should be.
            {"scaling": {**SCALING, "min_capacity": 4}},
        )
    )

    alarm = scaled["sdxl-test-at-max-capacity"]
    assert alarm["Metrics"][0]["Expression"] == "invocations / per_instance"
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (3.9, 15)
    assert "sdxl-test-at-max-capacity" not in fixed | detached | held


def test_gpus_of_an_instance_are_added_up_as_sagemaker_does(synth: Synth) -> None:
    found = alarms(synth(model={"source": "optimized"}, endpoint={"instance_types": ["ml.p4d.24xlarge"]})["Operations"])

    assert found["sdxl-test-gpu-memory"]["Threshold"] == 95 * 8


def test_no_instance_is_told_by_nobody_reporting(dev: dict[str, Template]) -> None:
    alarm = alarms(dev["Operations"])["sdxl-dev-no-healthy-instance"]

    assert (alarm["MetricName"], alarm["Statistic"]) == ("CPUUtilization", "SampleCount")
    assert (alarm["TreatMissingData"], alarm["ComparisonOperator"]) == ("breaching", "LessThanThreshold")


def test_each_variant_is_watched_and_only_the_first_is_noticed(access: Synthesis) -> None:
    template = access.templates["ab"]["Operations"]

    assert {"sdxl-ab-disk", "sdxl-ab-disk-challenger", "sdxl-ab-at-max-capacity-challenger"} <= alarms(template).keys()
    assert not [name for name in alarms_of_rule(template) if "challenger" in name]


def test_bedrock_is_watched_by_its_own_metrics_in_its_own_region(access: Synthesis, synth: Synth) -> None:
    model = {"source": "bedrock", "model_id": "stability.sd3-5-large-v1:0"}
    here = alarms(access.templates["bedrock"]["Operations"])
    elsewhere = alarms(synth(model={**model, "region": "us-west-2"})["Operations"])

    assert here["sdxl-bedrock-model-errors"]["Namespace"] == "AWS/Bedrock"
    # An alarm sees the metrics of its own region only.
    assert {alarm["Namespace"] for alarm in elsewhere.values() if "Namespace" in alarm} == {
        "AWS/ApiGateway",
        "AWS/Lambda",
    }


def test_only_alarms_and_budgets_of_the_account_publish_to_the_topic_and_its_key_lets_them(
    dev: dict[str, Template],
) -> None:
    statements = the(dev["Operations"], "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]

    allowed = [statement for statement in statements if statement["Effect"] == "Allow"]
    publishers = sorted(service for statement in allowed for service in statement["Principal"]["Service"])
    assert all(item["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}} for item in allowed)
    key = the(dev["Storage"], "AWS::KMS::Key")["KeyPolicy"]["Statement"]
    (of_topic,) = [statement for statement in key if statement["Sid"] == "AlarmTopic"]
    assert of_topic["Principal"]["Service"] == publishers == ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]


def test_dashboard_answers_in_order(dev: dict[str, Template]) -> None:
    template = dev["Operations"]
    body = with_names(template, the(template, "AWS::CloudWatch::Dashboard")["DashboardBody"])
    text = "".join(part if isinstance(part, str) else "function" for part in body["Fn::Join"][1])
    widgets = json.loads(text)["widgets"]

    headings = [widget["properties"]["markdown"] for widget in widgets if widget["type"] == "text"]
    assert headings[1:] == ["## Is it up?", "## Is it slow?", "## Why?", "## What does it cost?"]
    assert widgets[2]["type"] == "alarm"
    assert widgets[2]["properties"]["alarms"][0] == "<ARN of sdxl-dev>"
    assert len(widgets[2]["properties"]["alarms"]) == 1 + len(alarms(dev["Operations"]))
    # Nothing stands on anything else.
    places = [(widget["x"], widget["y"]) for widget in widgets]
    assert len(set(places)) == len(places)
    assert all(widget["x"] + widget["width"] <= 24 for widget in widgets)


def test_without_dashboard_or_operations_there_is_none(synth: Synth) -> None:
    assert not resources(synth(operations={"dashboard": False})["Operations"], "AWS::CloudWatch::Dashboard")
    assert "Operations" not in synth(operations=None)


def test_queries_read_fields_that_the_logs_write(access: Synthesis, examples: Synthesis) -> None:
    known = {"level", "message", "error_name", "result", "source", "variant", "size", "steps", "samples", "request_id"}
    known |= {"model_seconds", "seconds_per_image", "cost_usd"}
    stage = the(examples.templates["dev"]["Api"], "AWS::ApiGateway::Stage")
    known |= set(json.loads(stage["AccessLogSetting"]["Format"]))
    words = re.compile(r"(?<![@'\w])[a-z][A-Za-z_]+(?=[ ,\n)]|$)")
    syntax = {"filter", "fields", "stats", "sort", "limit", "by", "as", "and", "or", "desc", "like", "ispresent"}
    made = {"requests", "images", "seconds", "usd"}
    for resource in resources(access.templates["minimal"]["Operations"], "AWS::Logs::QueryDefinition").values():
        query = re.sub(r"/[^/]+/|'[^']*'", "", resource["Properties"]["QueryString"])
        assert set(words.findall(query)) - syntax - made - known == set(), query


def test_budget_tells_the_topic_and_stops_exactly_the_functions_calls_of_models(access: Synthesis) -> None:
    template = access.templates["operations"]["Operations"]

    budget = the(template, "AWS::Budgets::Budget")
    # Another threshold makes another budget, which is created before the old one is deleted.
    assert "BudgetName" not in budget["Budget"]
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": ["user:sdxl:environment$operations"]}
    assert [item["Notification"]["Threshold"] for item in budget["NotificationsWithSubscribers"]] == [80, 110]
    # The topic mails: an address beside it would get everything twice.
    topic = {"Ref": next(iter(resources(template, "AWS::SNS::Topic")))}
    told = [item["Subscribers"] for item in budget["NotificationsWithSubscribers"]]
    assert told == [[{"SubscriptionType": "SNS", "Address": topic}]] * 2
    action = the(template, "AWS::Budgets::BudgetsAction")
    assert (action["ApprovalModel"], action["ActionThreshold"]) == ("AUTOMATIC", {"Type": "PERCENTAGE", "Value": 100})
    policies = {
        resource["Properties"]["Description"]: resource["Properties"]["PolicyDocument"]["Statement"]
        for resource in resources(template, "AWS::IAM::ManagedPolicy").values()
    }
    (stop,) = policies["Put on the image API's role by the budget: no model is called any more"]
    assert (stop["Effect"], stop["Action"]) == (
        "Deny",
        ["bedrock:InvokeModel", "sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointAsync"],
    )
    (attach,) = policies["Lets the budget put its stop policy on the image API's role, and take it off"]
    assert attach["Action"] == ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
    assert "iam:PolicyARN" in attach["Condition"]["ArnEquals"]


def test_slack_gets_the_topic_and_may_only_read(access: Synthesis) -> None:
    template = access.templates["operations"]["Operations"]

    channel = the(template, "AWS::Chatbot::SlackChannelConfiguration")
    assert channel["SnsTopicArns"] == [{"Ref": next(iter(resources(template, "AWS::SNS::Topic")))}]
    (guardrail,) = channel["GuardrailPolicies"]
    assert guardrail["Fn::Join"][1][-1] == ":iam::aws:policy/CloudWatchReadOnlyAccess"
    assert the(template, "AWS::SNS::Topic")["Subscription"] == [{"Protocol": "email", "Endpoint": "oncall@example.com"}]


def test_everything_carries_the_environments_tag(examples: Synthesis) -> None:
    assert examples.templates["prod"]
    manifest = json.loads(next(Path(examples.directory).glob("prod/*/assembly-sdxl-prod/manifest.json")).read_text())[
        "artifacts"
    ]

    stacks = [item["properties"]["tags"] for item in manifest.values() if item["type"] == "aws:cloudformation:stack"]
    assert len(stacks) == 4
    assert all(tags["sdxl:environment"] == "prod" and tags["stage"] == "prod" for tags in stacks)
