"""Right environment files: defaults, the examples, whole directories."""

from pathlib import Path

import pytest

from stacks.environment import (
    Endpoint,
    Environment,
    EnvironmentFileError,
    OpenModel,
    Scaling,
    find_environment,
    load_environment,
    load_environments,
)

pytestmark = pytest.mark.disable_socket

ROOT = Path(__file__).parents[3]
EXAMPLES = Path(__file__).parents[2] / "environments"
THREE_ACCOUNTS = Path(__file__).parents[2] / "three_accounts"
BASE = 'account: "111122223333"\nregion: us-east-1\nmodel: {source: open}\n'


def _load(tmp_path: Path, content: str) -> Environment:
    path = tmp_path / "dev.yaml"
    path.write_text(content, encoding="utf-8")
    return load_environment(path)


@pytest.mark.parametrize(
    "path", sorted((*EXAMPLES.glob("*.yaml"), *THREE_ACCOUNTS.glob("*.yaml"))), ids=lambda path: path.stem
)
def test_example_loads_and_points_editors_to_the_schema(path: Path) -> None:
    environment = load_environment(path)

    assert environment.name == path.stem
    first = path.read_text().splitlines()[0]
    schema = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert schema.resolve() == ROOT / "environments" / "schema.json"


def test_a_directory_holds_three_accounts_in_two_regions() -> None:
    environments = load_environments(THREE_ACCOUNTS)

    assert [environment.name for environment in environments] == ["dev", "prod", "staging"]
    assert len({environment.account for environment in environments}) == 3
    assert len({environment.region for environment in environments}) == 2


def test_an_environment_of_ten_lines_needs_no_subscription() -> None:
    assert len((THREE_ACCOUNTS / "dev.yaml").read_text().splitlines()) <= 10
    assert load_environment(THREE_ACCOUNTS / "dev.yaml").model.source == "open"


def test_smallest_file_has_documented_defaults(tmp_path: Path) -> None:
    environment = _load(tmp_path, BASE)

    assert environment.instance_types == ("ml.g5.4xlarge",)
    assert environment.endpoint.instance_count == 1
    assert environment.scaling is None
    assert environment.api.integration_timeout_seconds == 29
    assert environment.api.quota is not None
    assert environment.api.cors.allow_origins == ()
    assert environment.storage.log_retention_days == 90


def test_optimized_defaults_to_the_listing_s_instance_type(tmp_path: Path) -> None:
    assert _load(tmp_path, BASE.replace("open", "optimized")).instance_types == ("ml.g5.2xlarge",)


def test_zero_values_are_kept(tmp_path: Path) -> None:
    environment = _load(
        tmp_path,
        BASE + "endpoint: {variant_weight: 0}\n"
        "scaling: {max_capacity: 2, scale_in_cooldown_seconds: 0, scale_out_cooldown_seconds: 0,"
        " target: {metric: invocations_per_instance, target: 0.5}}\n",
    )

    assert environment.scaling is not None
    assert environment.endpoint.variant_weight == 0
    assert environment.scaling.scale_in_cooldown_seconds == 0
    assert environment.scaling.scale_out_cooldown_seconds == 0
    assert environment.scaling.target.target == 0.5


def test_instance_count_left_out_is_the_min_capacity(tmp_path: Path) -> None:
    scaling = "scaling: {min_capacity: 3, max_capacity: 5, target: {metric: concurrent_requests, target: 1}}\n"

    assert _load(tmp_path, BASE + scaling).endpoint.instance_count == 3
    assert _load(tmp_path, BASE + scaling + "endpoint: {variant_weight: 2}\n").endpoint.instance_count == 3
    assert _load(tmp_path, BASE + scaling + "endpoint: {instance_count: 4}\n").endpoint.instance_count == 4


def test_instance_count_left_out_is_the_min_capacity_of_objects_too() -> None:
    scaling = Scaling.model_validate(
        {"min_capacity": 2, "max_capacity": 5, "target": {"metric": "concurrent_requests", "target": 1}}
    )
    environment = Environment(
        name="dev",
        account="111122223333",
        region="us-east-1",
        model=OpenModel(source="open"),
        endpoint=Endpoint(variant_weight=0),
        scaling=scaling,
    )

    assert environment.endpoint == Endpoint(variant_weight=0, instance_count=2)


def test_quota_and_scaling_can_be_turned_off(tmp_path: Path) -> None:
    environment = _load(tmp_path, BASE + "scaling: null\napi: {quota: null}\n")

    assert environment.scaling is None
    assert environment.api.quota is None


def test_words_and_dates_are_text(tmp_path: Path) -> None:
    environment = _load(tmp_path, BASE + "description: on\ntags: {since: 2024-01-31, on: yes, code: 010}\n")

    assert environment.description == "on"
    assert environment.tags == {"since": "2024-01-31", "on": "yes", "code": "010"}


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "dev.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.encode())

    assert load_environment(path).region == "us-east-1"


def test_own_model_package_opens_regions_that_the_catalog_lacks(tmp_path: Path) -> None:
    arn = "arn:aws:sagemaker:eu-north-1:111122223333:model-package/sdxl/1"
    model = f'{{source: optimized, model_package_arn: "{arn}"}}'

    environment = _load(tmp_path, BASE.replace("{source: open}", model).replace("us-east-1", "eu-north-1"))

    assert environment.model.source == "optimized"
    assert environment.model.model_package_arn == arn


@pytest.mark.parametrize(
    "origin", ["*", "https://a.example", "http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:3000"]
)
def test_origin_that_a_browser_sends_is_taken(origin: str, tmp_path: Path) -> None:
    environment = _load(tmp_path, BASE + f'api: {{cors: {{allow_origins: ["{origin}"]}}}}\n')

    assert environment.api.cors.allow_origins == (origin,)


def test_schedule_may_leave_the_bounds_of_scaling(tmp_path: Path) -> None:
    # Given a night below and a peak above the usual bounds
    environment = _load(
        tmp_path,
        BASE + "scaling:\n  min_capacity: 2\n  max_capacity: 4\n"
        "  target: {metric: concurrent_requests, target: 1}\n  schedules:\n"
        "    - {name: night, schedule: 'cron(0 20 * * ? *)', min_capacity: 1, max_capacity: 1}\n"
        "    - {name: peak, schedule: 'cron(0 8 * * ? *)', min_capacity: 6, max_capacity: 8}\n",
    )

    assert environment.scaling is not None
    assert [schedule.max_capacity for schedule in environment.scaling.schedules] == [1, 8]


def test_errors_of_all_files_of_a_directory_are_reported(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text(BASE)
    (tmp_path / "one.yaml").write_text(BASE.replace("open", "closed"))
    (tmp_path / "two.yaml").write_text("")

    with pytest.raises(EnvironmentFileError) as caught:
        load_environments(tmp_path)

    assert [problem.file.name for problem in caught.value.problems] == ["one.yaml", "two.yaml"]


def test_same_environment_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text(BASE)
    (tmp_path / "dev.yml").write_text(BASE)

    with pytest.raises(EnvironmentFileError, match=r"the environment 'dev' a second time: there is dev\.yaml too"):
        load_environments(tmp_path)


@pytest.mark.parametrize("name", ["dev.yml", "dev.YAML"])
def test_file_with_another_ending_is_refused_not_skipped(name: str, tmp_path: Path) -> None:
    (tmp_path / "prod.yaml").write_text(BASE)
    (tmp_path / name).write_text(BASE)

    with pytest.raises(EnvironmentFileError, match=r"rename it to dev\.yaml"):
        load_environments(tmp_path)


def test_other_files_of_the_directory_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text(BASE)
    (tmp_path / "schema.json").write_text("{}")

    assert [environment.name for environment in load_environments(tmp_path)] == ["dev"]


def test_directory_without_environments_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFileError, match="there is no environment file in it"):
        load_environments(tmp_path)
    with pytest.raises(EnvironmentFileError, match="there is no such directory"):
        load_environments(tmp_path / "nowhere")


def test_unknown_environment_is_an_error_that_lists_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text(BASE)
    (tmp_path / "prod.yaml").write_text(BASE)

    with pytest.raises(EnvironmentFileError) as caught:
        find_environment(tmp_path, "prd")

    assert "there is no environment 'prd'" in str(caught.value)
    assert "allowed: dev, prod" in str(caught.value)
    assert "did you mean prod?" in str(caught.value)


def test_one_environment_is_found_next_to_a_broken_one(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text(BASE)
    (tmp_path / "prod.yaml").write_text("broken")

    assert find_environment(tmp_path, "dev").name == "dev"
