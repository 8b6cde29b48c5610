"""The checks of `sdxl verify`: one for each point of docs/not-run-on-aws.md that a command can settle."""

from __future__ import annotations

import contextlib
import json
import struct
import textwrap
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sdxl.client import GenerationRequest, TextPrompt
from sdxl.errors import SdxlError
from sdxl.preflight import Account, preflight
from sdxl.verify.deployed import Check, Deployed, Observation

PROMPT = "a lighthouse on a cliff at dawn, watercolor"
SEED = 1_000_003
SIDE = 1024
_SHOWN = 160
_TRACES = timedelta(minutes=30)
_NO_KEYS = Observation(
    outcome="not here", saw="the API takes no API keys, and this command sends nothing else: no image is requested"
)


def run(deployed: Deployed) -> Iterator[tuple[Check, Observation]]:
    """Look at every point, and yield what was seen. A call that is refused is an observation too."""
    for check in CHECKS:
        try:
            yield check, check.look(deployed)
        except (ClientError, BotoCoreError, SdxlError) as exc:
            yield check, Observation(outcome="unknown", saw=f"{type(exc).__name__}: {exc}")


def _start_up(deployed: Deployed) -> Observation:
    endpoint = deployed.endpoint
    if endpoint is None:
        return _no_endpoint()
    seconds = (endpoint["LastModifiedTime"] - endpoint["CreationTime"]).total_seconds()
    status = endpoint["EndpointStatus"]
    saw = f"{endpoint['EndpointName']} is {status}; {seconds:.0f} s from its creation to its last change of status"
    return Observation(outcome="seen" if status == "InService" else "failed", saw=saw)


def _latency(deployed: Deployed) -> Observation:
    if not deployed.deployment.api_key:
        return _NO_KEYS
    seconds = []
    for seed in (SEED, SEED + 1):
        result, took = deployed.generate("latency", _request(seed=seed))
        if not result.images:
            return Observation(outcome="failed", saw="an answer without an image")
        seconds.append(f"{took:.1f} s")
    width, height = result.images[0].size
    return Observation(outcome="seen", saw=f"{width}x{height}: first {seconds[0]}, second {seconds[1]}")


def _payload(deployed: Deployed) -> Observation:
    if not deployed.deployment.api_key:
        return _NO_KEYS
    request = _request(
        text_prompts=(TextPrompt(PROMPT), TextPrompt("blurry", -1.0)),
        steps=20,
        cfg_scale=9.0,
        style_preset="photographic",
    )
    drawn, _ = deployed.generate("payload", request)
    saw = (
        f"negative prompt, steps, cfg_scale and style: {drawn.images[0].finish_reason}; warnings: {len(drawn.warnings)}"
    )
    changed, _ = deployed.generate("image", _request(init_image=_grey_png(), image_strength=0.4))
    return Observation(outcome="seen", saw=f"{saw}; init image: {changed.images[0].finish_reason}")


def _marketplace_role(deployed: Deployed) -> Observation:
    if deployed.environment.model.source != "optimized":
        return Observation(outcome="not here", saw=f"the model source is {deployed.environment.model.source}")
    roles = deployed.resources("Inference", "AWS::IAM::Role")
    if not deployed.has_made_an_image:
        return Observation(outcome="unknown", saw=f"no image was made under {', '.join(roles)}")
    return Observation(outcome="seen", saw=f"the package started and made images under {', '.join(roles)}")


def _bedrock_filter(deployed: Deployed) -> Observation:
    if deployed.environment.model.source != "bedrock":
        return Observation(outcome="not here", saw=f"the model source is {deployed.environment.model.source}")
    try:
        result, _ = deployed.generate("filter", _request(text_prompts=(TextPrompt("a bloody corpse, gore, nudity"),)))
    except SdxlError as exc:
        return Observation(outcome="seen", saw=_short(str(exc)))
    return Observation(outcome="seen", saw=f"finishReason {', '.join(image.finish_reason for image in result.images)}")


def _mask(deployed: Deployed) -> Observation:
    """The left half of the mask is white: which half of the grey init image has other bytes afterwards?"""
    if not deployed.deployment.api_key:
        return _NO_KEYS
    request = _request(init_image=_grey_png(), mask=_half_white_png(), mask_source="MASK_IMAGE_WHITE")
    try:
        result, _ = deployed.generate("mask", request)
    except SdxlError as exc:
        if deployed.environment.model.source == "open":
            return Observation(outcome="not here", saw=_short(str(exc)))
        raise
    path = result.images[0].save("out/verify-mask.png", overwrite=True)
    return Observation(outcome="seen", saw=f"{path}: the mask's left half was white, and must be the half that is new")


def _preflight(deployed: Deployed) -> Observation:
    findings = [*preflight(Account(deployed.environment, deployed.session))]
    unknown = [f"{item.name}: {_short(item.found)}" for item in findings if item.status in ("unknown", "failed")]
    return Observation(outcome="seen", saw="; ".join(unknown) or f"all of {len(findings)} could be looked at")


def _snapstart(deployed: Deployed) -> Observation:
    states = {one["FunctionName"]: one.get("SnapStart", {}) for one in deployed.functions()}
    on = {name: state for name, state in states.items() if state.get("ApplyOn") == "PublishedVersions"}
    if not on:
        return Observation(outcome="not here", saw="no function has SnapStart")
    saw = "; ".join(f"{name}: {state.get('OptimizationStatus', 'no status')}" for name, state in on.items())
    return Observation(
        outcome="seen" if all(s.get("OptimizationStatus") == "On" for s in on.values()) else "failed", saw=saw
    )


def _layer(deployed: Deployed) -> Observation:
    answer = deployed.get("/health", key=False)
    runtimes = {
        f"{one['Runtime']} on {', '.join(one.get('Architectures', ['x86_64']))}" for one in deployed.functions()
    }
    # Only the function itself answers with JSON that has a status.
    answers = answer.headers.get("content-type", "").startswith("application/json") and "status" in answer.text
    return Observation(
        outcome="seen" if answers else "failed",
        saw=f"{'; '.join(sorted(runtimes))}; /health: {answer.status_code} {_short(answer.text)}",
    )


def _gateway_paths(deployed: Deployed) -> Observation:
    seen = []
    for path in ("/v1/a%2Fb", "/v1/caf%C3%A9", "/v1/a%20b", "/v1/a//b"):
        answer = deployed.get(path)
        seen.append(f"{path}: {answer.status_code} {_short(answer.text)}")
    return Observation(outcome="seen", saw="; ".join(seen))


def _gateway_errors(deployed: Deployed) -> Observation:
    seen = []
    for path in ("/v1/presets", "/nowhere"):
        answer = deployed.get(path, key=False)
        kind = answer.headers.get("x-amzn-errortype", "no x-amzn-errortype")
        seen.append(f"{path} without a key: {answer.status_code}, {kind}, {_short(answer.text)}")
        if answer.is_success:
            return Observation(outcome="failed", saw="; ".join(seen))
    return Observation(outcome="seen", saw="; ".join(seen))


def _scaling(deployed: Deployed) -> Observation:
    if deployed.endpoint is None:
        return _no_endpoint()
    scaling = deployed.aws("application-autoscaling")
    name = deployed.endpoint["EndpointName"]
    targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    # The component of an endpoint has its name.
    component = f"inference-component/{name}"
    ours = [one for one in targets if f"endpoint/{name}/" in one["ResourceId"] or one["ResourceId"] == component]
    if not ours:
        return Observation(outcome="not here", saw=f"{name} is not scaled")
    resource = ours[0]["ResourceId"]
    activities = scaling.describe_scaling_activities(ServiceNamespace="sagemaker", ResourceId=resource)
    scheduled = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker", ResourceId=resource)[
        "ScheduledActions"
    ]
    done = [f"{one['StatusCode']}: {_short(one['Description'])}" for one in activities["ScalingActivities"][:3]]
    saw = f"{resource}: {ours[0]['MinCapacity']} to {ours[0]['MaxCapacity']}, {len(scheduled)} scheduled actions; "
    return Observation(outcome="seen" if done else "unknown", saw=saw + ("; ".join(done) or "nothing was scaled yet"))


def _instance_pools(deployed: Deployed) -> Observation:
    if deployed.endpoint is None:
        return _no_endpoint()
    types = deployed.environment.instance_types
    if len(types) == 1:
        return Observation(outcome="not here", saw=f"one instance type, {types[0]}")
    variants = deployed.endpoint.get("ProductionVariants", ())
    return Observation(outcome="seen", saw="; ".join(_short(_plain(variant)) for variant in variants))


def _guarded_update(deployed: Deployed) -> Observation:
    if deployed.endpoint is None:
        return _no_endpoint()
    last = deployed.endpoint.get("LastDeploymentConfig")
    if not last:
        return Observation(outcome="unknown", saw="SageMaker names no deployment configuration: update the model once")
    names = [one["AlarmName"] for one in last.get("AutoRollbackConfiguration", {}).get("Alarms", ())]
    states = _alarm_states(deployed, names) if names else {}
    return Observation(outcome="seen", saw=f"{_short(_plain(last))}; rollback alarms: {states or 'none'}")


def _shadow(deployed: Deployed) -> Observation:
    shadows = (deployed.endpoint or {}).get("ShadowProductionVariants", ())
    if not shadows:
        return Observation(outcome="not here", saw="no shadow variant")
    saw = "; ".join(f"{one['VariantName']}: weight {one.get('CurrentWeight')}" for one in shadows)
    return Observation(outcome="seen", saw=saw)


def _alarms(deployed: Deployed) -> Observation:
    answer = deployed.aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"sdxl-{deployed.environment.name}-")
    alarms = answer.get("MetricAlarms", [])
    if not alarms:
        return Observation(outcome="not here", saw="the environment has no alarms")
    computed = [one for one in alarms if one.get("Metrics")]
    states = [f"{one['AlarmName']}: {one['StateValue']}, {_short(one.get('StateReason', ''))}" for one in computed]
    return Observation(outcome="seen", saw=f"{len(alarms)} alarms; computed ones: {'; '.join(states) or 'none'}")


def _budget(deployed: Deployed) -> Observation:
    operations = deployed.environment.operations
    if operations is None or operations.budget is None:
        return Observation(outcome="not here", saw="the environment has no budget")
    answer = deployed.aws("budgets").describe_budgets(AccountId=deployed.environment.account)
    ours = [one for one in answer.get("Budgets", ()) if deployed.environment.name in one["BudgetName"]]
    saw = "; ".join(f"{one['BudgetName']}: {_plain(one.get('CalculatedSpend', {}))}" for one in ours)
    return Observation(outcome="seen" if ours else "failed", saw=saw or "no budget of this environment")


def _traces(deployed: Deployed) -> Observation:
    now = datetime.now(UTC)
    answer = deployed.aws("xray").get_trace_summaries(StartTime=now - _TRACES, EndTime=now)
    found = answer.get("TraceSummaries", [])
    ids = [one["Id"] for one in found[:1]]
    if not ids:
        return Observation(outcome="unknown", saw="no traces of the last half hour: they arrive some seconds late")
    segments = deployed.aws("xray").batch_get_traces(TraceIds=ids)["Traces"][0]["Segments"]
    return Observation(outcome="seen", saw=f"{len(found)} traces; the first has {len(segments)} segments")


def _execution_policy(deployed: Deployed) -> Observation:
    account, region = deployed.environment.account, deployed.environment.region
    stack = deployed.aws("cloudformation").describe_stacks(StackName=f"sdxl-{deployed.environment.name}-Api")["Stacks"][
        0
    ]
    role = str(stack.get("RoleARN", "")).rpartition("/")[2] or f"cdk-hnb659fds-cfn-exec-role-{account}-{region}"
    policies = deployed.aws("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    names = ", ".join(one["PolicyName"] for one in policies) or "no policy"
    return Observation(outcome="seen", saw=f"{stack['StackStatus']} was reached with {role}, which has {names}")


def _vpc(deployed: Deployed) -> Observation:
    if deployed.environment.network is None:
        return Observation(outcome="not here", saw="the environment is in no VPC")
    functions = [f"{one['FunctionName']}: {one.get('State', 'no state')}" for one in deployed.functions()]
    made = "an image was made" if deployed.has_made_an_image else "no image was made"
    endpoint = (deployed.endpoint or {}).get("EndpointStatus", "no endpoint")
    return Observation(
        outcome="seen" if deployed.has_made_an_image or not deployed.deployment.api_key else "failed",
        saw=f"{deployed.environment.network.vpc_id}: {'; '.join(functions)}; endpoint: {endpoint}; {made}",
    )


CHECKS = (
    Check(name="start-up", question="How long does the endpoint need to start?", look=_start_up),
    Check(name="latency", question="How long does an image take?", look=_latency),
    Check(name="payload", question="Does the model take what the published examples do not show?", look=_payload),
    Check(
        name="marketplace-role", question="Is the package's role enough with logs and metrics?", look=_marketplace_role
    ),
    Check(name="bedrock-filter", question="How does Bedrock word a filtered prompt?", look=_bedrock_filter),
    Check(name="mask", question="Is white the half that is repainted?", look=_mask),
    Check(name="preflight", question="What can the preflight not look at, and in which words?", look=_preflight),
    Check(name="snapstart", question="Is SnapStart on?", look=_snapstart),
    Check(name="layer", question="Does the arm64 layer load on Python 3.13?", look=_layer),
    Check(name="gateway-paths", question="What becomes of encoded characters below /v1/?", look=_gateway_paths),
    Check(name="gateway-errors", question="How does API Gateway word its own errors?", look=_gateway_errors),
    Check(name="scaling", question="Was anything scaled, and why?", look=_scaling),
    Check(name="instance-pools", question="Which of several instance types runs?", look=_instance_pools),
    Check(name="guarded-update", question="How was the last update guarded?", look=_guarded_update),
    Check(name="shadow", question="Which weight has the shadow variant?", look=_shadow),
    Check(name="alarms", question="In which state are the alarms that compute instances?", look=_alarms),
    Check(name="budget", question="Does the budget count?", look=_budget),
    Check(name="traces", question="Do traces have subsegments?", look=_traces),
    Check(name="execution-policy", question="With which policies was it deployed?", look=_execution_policy),
    Check(name="vpc", question="Do functions and model work in the VPC?", look=_vpc),
)


def _request(**fields: Any) -> GenerationRequest:
    return GenerationRequest(**{"text_prompts": (TextPrompt(PROMPT),), "seed": SEED, **fields})


def _no_endpoint() -> Observation:
    return Observation(outcome="not here", saw="a model of Bedrock: there is no endpoint")


def _alarm_states(deployed: Deployed, names: list[str]) -> dict[str, str]:
    answer = deployed.aws("cloudwatch").describe_alarms(AlarmNames=names)
    return {
        one["AlarmName"]: one["StateValue"]
        for one in (*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ()))
    }


def _plain(value: object) -> str:
    return str(value).replace("'", "")


def _short(text: str) -> str:
    """Return the beginning of an answer. JSON gets spaces, so that a terminal wraps it between words."""
    with contextlib.suppress(ValueError):
        text = json.dumps(json.loads(text), ensure_ascii=False)
    return textwrap.shorten(text, _SHOWN, placeholder=" ...")


def _grey_png() -> bytes:
    return _png(b"\0" + b"\x80\x80\x80" * SIDE)


def _half_white_png() -> bytes:
    return _png(b"\0" + b"\xff\xff\xff" * (SIDE // 2) + b"\0\0\0" * (SIDE // 2))


def _png(row: bytes) -> bytes:
    """Return a square RGB image of `SIDE` pixels, every row of which is `row`, its filter byte included."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * SIDE)) + chunk(b"IEND", b"")
    )
