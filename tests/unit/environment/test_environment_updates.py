"""Updates, variants and the shadow of an endpoint: what can be set, and what cannot work and why."""

from pathlib import Path

import pytest

from stacks.environment import CanaryUpdate, Environment, EnvironmentFileError, load_environment

pytestmark = pytest.mark.disable_socket

BASE = 'account: "111122223333"\nregion: us-east-1\nmodel: {source: open}\n'
OPTIMIZED = BASE.replace("open", "optimized")
TWO = "endpoint:\n  instance_count: 2\n"
VARIANT = "  variants:\n    - {name: challenger, model: {source: optimized}, weight: 0.2"
OTHER = "    - {name: other, model: {source: open}, weight: 1}\n"
TARGET = "target: {metric: concurrent_requests, target: 1}"
SCALED = f"scaling:\n  min_capacity: 2\n  max_capacity: 4\n  {TARGET}\n"
NIGHT = "schedules: [{name: night, schedule: rate(1 day), min_capacity: 1}]"
BEDROCK = BASE.replace("us-east-1", "us-west-2").replace("open", "bedrock, model_id: stability.stable-image-core-v1:1")

# name: (content, fragments that the message must have)
WRONG = {
    "an update of a Marketplace package": (
        f"{OPTIMIZED}endpoint: {{update: {{traffic: all_at_once}}}}\n",
        [
            "endpoint.update: has no effect: the model is a Marketplace model package",
            "replaces all at once",
            "to do:   remove the setting",
        ],
    ),
    "an update with a variant of the Marketplace": (
        f"{BASE}endpoint:\n  update: {{traffic: all_at_once}}\n{VARIANT}}}\n",
        ["endpoint.update: has no effect: the variant 'challenger' is a Marketplace model package"],
    ),
    "a canary of one instance": (
        f"{BASE}endpoint: {{update: {{traffic: canary}}}}\n",
        ["endpoint.update.traffic: 'canary' moves at most half", "there may be 1 only", "use all_at_once"],
    ),
    "a linear update of what scales down to one": (
        f"{BASE}endpoint: {{update: {{traffic: linear}}}}\n{SCALED}  {NIGHT}\n",
        ["endpoint.update.traffic: 'linear'", "there may be 1 only", "scaling.min_capacity"],
    ),
    "an unknown way of moving traffic": (
        f"{TWO.join([BASE, ''])}  update: {{traffic: cannary}}\n",
        ["endpoint.update.traffic: received cannary", "all_at_once, canary, linear, unguarded", "did you mean canary?"],
    ),
    "a canary of more than half": (
        f"{BASE}{TWO}  update: {{traffic: canary, canary_percent: 51}}\n",
        ["endpoint.update.canary_percent: received 51", "a whole number from 1 to 50"],
    ),
    "an update shorter than its waits": (
        f"{BASE}{TWO}  update: {{traffic: linear, step_percent: 10, bake_seconds: 600}}\n",
        ["endpoint.update.max_duration_seconds: 3600 is not longer than all waits together, 6000", "6001 to 28800"],
    ),
    "a variant with the name of the first": (
        f"{BASE}endpoint:\n{VARIANT.replace('challenger', 'primary')}}}\n",
        ["endpoint.variants[0].name: 'primary' is taken", "a name other than primary, shadow"],
    ),
    "two variants of one name": (
        f"{BASE}endpoint:\n{VARIANT}}}\n    - {{name: challenger, model: {{source: open}}, weight: 1}}\n",
        ["wrong.yaml:7: endpoint.variants[1].name: 'challenger' is taken", "primary, shadow, challenger"],
    ),
    "two variants whose names differ by a hyphen before a digit": (
        f"{BASE}endpoint:\n{VARIANT.replace('challenger', 'v-2')}}}\n{OTHER.replace('other', 'v2')}",
        ["endpoint.variants[1].name: 'v2' and 'v-2' are one name without hyphens", "rename"],
    ),
    "a variant without traffic": (
        f"{BASE}endpoint:\n{VARIANT.replace('0.2', '0')}}}\n",
        ["endpoint.variants[0].weight: received 0", "a number above 0"],
    ),
    "a variant on instances that its model does not run on": (
        f"{BASE}endpoint:\n{VARIANT}, instance_types: [ml.g5.4xlarge]}}\n",
        [
            "endpoint.variants[0].instance_types[0]: 'ml.g5.4xlarge' cannot serve the model source 'optimized'",
            "ml.g5.2xlarge",
        ],
    ),
    "a variant whose source the region lacks": (
        f"{BASE.replace('us-east-1', 'eu-south-1')}endpoint:\n{VARIANT}}}\n",
        ["endpoint.variants[0].model.source: 'eu-south-1' does not have the model source 'optimized'"],
    ),
    "a variant on Bedrock": (
        f"{BASE}endpoint:\n{VARIANT.replace('optimized', 'bedrock')}}}\n",
        ["endpoint.variants[0].model.source: received bedrock", "optimized, open"],
    ),
    "a variant that starts outside of its scaling": (
        f"{BASE}endpoint:\n{VARIANT}, instance_count: 5, scaling: {{max_capacity: 2, {TARGET}}}}}\n{SCALED}",
        ["endpoint.variants[0].instance_count: 5 is outside of what scaling allows", "1 to 2"],
    ),
    "a variant that is not scaled next to one that is": (
        f"{BASE}endpoint:\n{VARIANT}}}\nscaling: {{max_capacity: 2, {TARGET}}}\n",
        [
            "endpoint.variants[0].scaling: the first variant is scaled and this one is not",
            "scaling for every variant, or for none",
        ],
    ),
    "a shadow with a variant": (
        f"{BASE}endpoint:\n  shadow: {{}}\n{VARIANT}}}\n",
        ["endpoint.shadow: is set together with 1 further production variant(s)", "one production variant only"],
    ),
    "a shadow of another source": (
        f"{BASE}endpoint: {{shadow: {{model: {{source: optimized}}}}}}\n",
        [
            "endpoint.shadow.model.source: 'optimized' does not read the requests of the first variant, 'open'",
            "compare model sources with endpoint.variants",
        ],
    ),
    "a shadow of no requests": (
        f"{BASE}endpoint: {{shadow: {{sampling_percent: 0}}}}\n",
        ["endpoint.shadow.sampling_percent: received 0", "a whole number from 1 to 100"],
    ),
    "variants on Bedrock": (
        f"{BEDROCK}endpoint:\n{VARIANT}}}\n",
        ["endpoint.variants: has no effect with model.source bedrock"],
    ),
    "scaling detached by a word": (
        f"{BASE}scaling: {{max_capacity: 2, detached: 'yes', {TARGET}}}\n",
        ['scaling.detached: received "yes"', "true or false"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_file_is_explained(name: str, tmp_path: Path) -> None:
    content, fragments = WRONG[name]
    path = tmp_path / "wrong.yaml"
    path.write_text(content)

    with pytest.raises(EnvironmentFileError) as error:
        load_environment(path)

    assert [fragment for fragment in fragments if fragment not in str(error.value)] == [], str(error.value)
    assert len(error.value.problems) == 1, str(error.value)


def load(tmp_path: Path, content: str) -> Environment:
    path = tmp_path / "right.yaml"
    path.write_text(content)
    return load_environment(path)


def test_an_update_is_watched_for_five_minutes_unless_said_otherwise(tmp_path: Path) -> None:
    update = load(tmp_path, BASE).endpoint.update

    assert (update.traffic, update.bake_seconds, update.rollback.server_errors) == ("all_at_once", 300, 1)


def test_a_canary_of_two_instances_is_allowed(tmp_path: Path) -> None:
    update = load(tmp_path, f"{BASE}{TWO}  update: {{traffic: canary, canary_percent: 50}}\n").endpoint.update

    assert isinstance(update, CanaryUpdate)
    assert update.canary_percent == 50


def test_an_unguarded_update_waits_for_nothing_and_needs_one_instance(tmp_path: Path) -> None:
    update = load(tmp_path, f"{BASE}endpoint: {{update: {{traffic: unguarded}}}}\n").endpoint.update

    assert update.model_dump() == {"traffic": "unguarded"}


def test_a_scaled_variant_starts_with_the_instances_that_it_keeps(tmp_path: Path) -> None:
    scaling = f"scaling: {{min_capacity: 2, max_capacity: 3, {TARGET}}}"

    _, variant = load(
        tmp_path, f"{BASE}endpoint:\n{VARIANT}, {scaling}}}\nscaling: {{max_capacity: 2, {TARGET}}}\n"
    ).all_variants

    assert variant.instance_count == 2
    assert variant.instance_types == ("ml.g5.2xlarge",)


def test_variants_share_the_requests_by_weight(tmp_path: Path) -> None:
    content = f"{BASE}endpoint:\n  variant_weight: 0.6\n  instance_types: [ml.g5.8xlarge]\n{VARIANT}}}\n"

    first, further = load(tmp_path, content).all_variants

    assert (first.name, first.model.source, first.instance_types) == ("primary", "open", ("ml.g5.8xlarge",))
    assert (further.name, further.model.source, further.instance_types) == (
        "challenger",
        "optimized",
        ("ml.g5.2xlarge",),
    )
    assert (first.weight, further.weight) == (0.6, 0.2)
    assert first.share == pytest.approx(0.75)
    assert further.share == pytest.approx(0.25)


def test_a_shadow_is_what_the_first_variant_is_and_gets_copies_of_a_share(tmp_path: Path) -> None:
    environment = load(tmp_path, f"{BASE}endpoint: {{variant_weight: 2, shadow: {{sampling_percent: 10}}}}\n")

    first, shadow = environment.all_variants

    assert environment.production_variants == (first,)
    assert (shadow.name, shadow.is_shadow, shadow.scaling) == ("shadow", True, None)
    assert (shadow.model, shadow.instance_types) == (first.model, first.instance_types)
    assert (shadow.share, shadow.weight, first.share) == (0.1, 0.2, 1.0)


def test_bedrock_has_no_variants(tmp_path: Path) -> None:
    environment = load(tmp_path, BEDROCK)

    assert (environment.all_variants, environment.production_variants, environment.instance_types) == ((), (), ())
