"""Wrong environment files, each with what its message must say: value received, what is allowed, what to do."""

from pathlib import Path

import pytest

from stacks.environment import EnvironmentFileError, load_environment

pytestmark = pytest.mark.disable_socket

ACCOUNT = 'account: "111122223333"\n'
BASE = f"{ACCOUNT}region: us-east-1\nmodel: {{source: open}}\n"
OPTIMIZED = f"{ACCOUNT}region: us-east-1\nmodel: {{source: optimized}}\n"
SCALING = f"{BASE}scaling:\n  max_capacity: 4\n  target: {{metric: concurrent_requests, target: 1}}\n"
SCHEDULE = f"{SCALING}  schedules:\n"
ARN = "arn:aws:sagemaker:us-east-1:865070037744:model-package/sdxl"

# name: (content, fragments that the message must have)
WRONG = {
    # The file itself
    "empty": ("", ["the file is empty", "account:"]),
    "only a comment": ("# nothing yet\n", ["the file is empty"]),
    "a list": ("- account\n", ["the file holds a list", "a mapping of settings"]),
    "a single value": ("hello\n", ["the file holds a single value"]),
    "not YAML": ("account: [1,\nregion: x\n", ["wrong.yaml:", "not valid YAML", "correct that line"]),
    "tab indentation": (f"{BASE}api:\n\tquota: null\n", ["wrong.yaml:5:", "not valid YAML", "indent with spaces"]),
    "two documents": (f"{BASE}---\n{BASE}", ["not valid YAML", "expected a single document"]),
    "control character": ("account: \x00\n", ["not valid YAML", "remove the character"]),
    "nested too deeply": (f"{BASE}tags: {'[' * 20000}\n", ["nested too deeply"]),
    "a key twice": (
        f"{BASE}region: eu-west-1\n",
        ["wrong.yaml:4: region: stands a second time", "line 2", "remove one"],
    ),
    "an alias": (
        f"{BASE}tags: &t {{a: b}}\ndescription: *t\n",
        ["wrong.yaml:5: description", "anchors and aliases", "write the value out"],
    ),
    "an alias of itself": (f"{BASE}tags: &t {{a: *t}}\n", ["tags.a", "anchors and aliases"]),
    "a tag of YAML's own": (f"{BASE}description: !!binary aGk=\n", ["!!binary", "is not supported", "remove the tag"]),
    "a tag that runs code": (
        f"{BASE}description: !!python/object/apply:os.getcwd []\n",
        ["python/object/apply:os.getcwd", "is not supported"],
    ),
    "a key that is a list": (f"{BASE}tags: {{[a]: b}}\n", ["wrong.yaml:4: tags: a key must be text"]),
    "a merge key": (f"{BASE}api: {{<<: {{}}}}\n", ["api.<<: unknown setting"]),
    # Account, region, description, tags
    "account without quotes": (
        BASE.replace('"', ""),
        ["wrong.yaml:1: account: received 111122223333 without quotes", 'write account: "111122223333"'],
    ),
    "account that YAML reads as octal": (
        BASE.replace('"111122223333"', "011122223333"),
        ["received 011122223333 without quotes", 'write account: "011122223333"'],
    ),
    "account with a leading zero and an 8": (
        BASE.replace('"111122223333"', "012345678901"),
        ["received 012345678901 without quotes", 'write account: "012345678901"'],
    ),
    "account of 11 digits": (
        BASE.replace("111122223333", "11112222333"),
        ['account: received "11112222333"', "12 digits in quotes"],
    ),
    "no account": (BASE.replace(ACCOUNT, ""), ["account: missing", "12 digits in quotes", "add account: ..."]),
    "account without a value": (BASE.replace(ACCOUNT, "account:\n"), ["account: received nothing", "give it a value"]),
    "no region": (BASE.replace("region: us-east-1\n", ""), ["region: missing", "such as us-east-1"]),
    "region without a code": (
        BASE.replace("us-east-1", "Frankfurt"),
        ["region: received Frankfurt", "a region's code"],
    ),
    "region with a typing error": (
        BASE.replace("us-east-1", "us-eest-1"),
        ["'us-eest-1'", "did you mean us-", "us-east-1?"],
    ),
    "region without the optimized variant": (
        OPTIMIZED.replace("us-east-1", "eu-north-1"),
        ["wrong.yaml:2: region: 'eu-north-1' does not have the model source 'optimized'", "eu-west-1", "source: open"],
    ),
    "region without the open variant": (
        BASE.replace("us-east-1", "cn-north-1"),
        [
            "'cn-north-1' does not have the model source 'open'",
            "ap-northeast-1",
            "the partition aws-cn has none of them: name a model package of the region",
        ],
    ),
    "description that is a number": (f"{BASE}description: 7\n", ["description: received 7", 'write it in quotes: "7"']),
    "description that is a boolean": (f"{BASE}description: true\n", ["received true", 'write it in quotes: "true"']),
    "tag that is a number": (f"{BASE}tags:\n  team: 42\n", ["wrong.yaml:5: tags.team: received 42", 'quotes: "42"']),
    "tag with AWS's prefix": (f"{BASE}tags: {{'AWS:x': a}}\n", ["'AWS:x'", "prefix aws:", "choose another key"]),
    "tag with a long value": (f"{BASE}tags: {{a: {'b' * 257}}}\n", ["has 257 characters", "0 to 256 characters"]),
    "tag with a long key": (f"{BASE}tags: {{{'k' * 129}: b}}\n", ["has 129 characters", "1 to 128 characters"]),
    "tag with forbidden characters": (f"{BASE}tags: {{a: 'b;c'}}\n", ["'b;c'", "letters, digits, spaces"]),
    "50 tags": (
        f"{BASE}tags:\n{''.join(f'  t{n}: v{chr(10)}' for n in range(50))}",
        ["50 tags", "up to 49 tags", "remove 1"],
    ),
    "the toolkit's own tag": (
        f"{BASE}tags: {{'sdxl:environment': prod}}\n",
        ["tags.sdxl:environment: the key 'sdxl:environment' is set by the toolkit", "another key"],
    ),
    "a budget of which nobody is notified": (
        f"{BASE}operations: {{budget: {{monthly_usd: 100}}}}\n",
        ["operations.budget: nobody would be notified", "operations.emails or operations.slack"],
    ),
    "an address without a domain": (
        f"{BASE}operations: {{emails: [oncall]}}\n",
        ["operations.emails[0]: received oncall", "an email address"],
    ),
    "an address twice": (
        f"{BASE}operations: {{emails: [a@example.com, a@example.com]}}\n",
        ["operations.emails[1]: 'a@example.com' stands twice"],
    ),
    "a Slack channel by its name": (
        f"{BASE}operations: {{slack: {{workspace_id: T0, channel_id: '#alarms'}}}}\n",
        ["operations.slack.channel_id", '"#alarms"', "the id of a Slack channel: letters and digits, not its name"],
    ),
    "a GPU in use by more than all of it": (
        f"{BASE}operations: {{alarms: {{gpu_memory_percent: 101}}}}\n",
        ["operations.alarms.gpu_memory_percent: received 101", "a whole number from 1 to 100"],
    ),
    "an alarm of latency that no answer reaches": (
        f"{BASE}operations: {{alarms: {{latency_p95_seconds: 29}}}}\n",
        ["operations.alarms.latency_p95_seconds: 29 is not below api.integration_timeout_seconds, 29", "less than 29"],
    ),
    "a budget that stops before it warns": (
        f"{BASE}operations: {{emails: [a@example.com], budget: {{monthly_usd: 1, action: {{at_percent: 79}}}}}}\n",
        ["operations.budget.action.at_percent: 79 is below actual_percent, 80", "actual_percent (80) to 1000"],
    ),
    "a budget's action that nobody knows": (
        f"{BASE}operations: {{emails: [a@example.com], budget: {{monthly_usd: 1, action: {{approval: yes}}}}}}\n",
        ["operations.budget.action.approval", "automatic, manual"],
    ),
    "unknown setting": (f"{BASE}regoin: x\n", ["wrong.yaml:4: regoin: unknown setting", "did you mean region?"]),
    "the name": (
        f"{BASE}name: dev\n",
        ["name: unknown setting", "remove it: the environment's name is the file's name"],
    ),
    # Model
    "no model": (
        BASE.split("model", maxsplit=1)[0],
        ["model: missing", "source: bedrock or open or optimized", "add model: ..."],
    ),
    "model without a source": (BASE.replace("{source: open}", "{}"), ["model.source: missing", "add source: ..."]),
    "model that is text": (BASE.replace("{source: open}", "open"), ["model: received open", "a mapping with source"]),
    "unknown model source": (
        BASE.replace("source: open", "source: azure"),
        ["wrong.yaml:3: model.source: received azure", "allowed: optimized, open, bedrock", "use one of these"],
    ),
    "misspelled model source": (
        BASE.replace("source: open", "source: optimised"),
        ["model.source: received optimised", "did you mean optimized?"],
    ),
    "model package of the open variant": (
        BASE.replace("source: open", f'source: open, model_package_arn: "{ARN}"'),
        ["model.model_package_arn: unknown setting", "allowed: source"],
    ),
    "model package that is not one": (
        OPTIMIZED.replace("optimized", "optimized, model_package_arn: sdxl"),
        ["model.model_package_arn: received sdxl", "arn:<partition>:sagemaker:<region>:<account>:model-package/<name>"],
    ),
    "model package of another region": (
        OPTIMIZED.replace("optimized", f'optimized, model_package_arn: "{ARN.replace("us-east-1", "us-west-2")}"'),
        ["of the region us-west-2, the environment of us-east-1", "leave the setting out"],
    ),
    "model package of another partition": (
        OPTIMIZED.replace("optimized", f'optimized, model_package_arn: "{ARN.replace("arn:aws", "arn:aws-cn")}"'),
        ["of the partition aws-cn, the environment of aws"],
    ),
    # Endpoint
    "instance type of the other source": (
        f"{BASE}endpoint:\n  instance_types: [ml.g5.4xlarge, ml.g5.2xlarge]\n",
        [
            "wrong.yaml:5: endpoint.instance_types[1]: 'ml.g5.2xlarge' cannot serve the model source 'open'",
            "ml.g5.4xlarge, ml.g5.8xlarge, ml.g5.16xlarge",
            "leave the setting out for ml.g5.4xlarge",
        ],
    ),
    "instance type with a typing error": (
        f"{BASE}endpoint: {{instance_types: [ml.g5.4xlrage]}}\n",
        ["'ml.g5.4xlrage' is not an instance type of the catalog", "did you mean ml.g5.4xlarge?"],
    ),
    "instance type twice": (
        f"{BASE}endpoint: {{instance_types: [ml.g5.4xlarge, ml.g5.4xlarge]}}\n",
        ["endpoint.instance_types[1]: 'ml.g5.4xlarge' stands twice", "each entry once", "remove one"],
    ),
    "no instance type in the list": (
        f"{BASE}endpoint: {{instance_types: []}}\n",
        ["endpoint.instance_types: received []", "a list of 1 to 5 entries"],
    ),
    "instance type that is no list": (
        f"{BASE}endpoint: {{instance_types: ml.g5.4xlarge}}\n",
        ["endpoint.instance_types: received ml.g5.4xlarge", "write a list"],
    ),
    "zero instances": (
        f"{BASE}endpoint: {{instance_count: 0}}\n",
        ["endpoint.instance_count: 0: a real-time endpoint cannot scale to zero instances", "1 to 100", "asynchronous"],
    ),
    "instances as text": (f'{BASE}endpoint: {{instance_count: "2"}}\n', ['received "2"', "number without quotes"]),
    "instances as a boolean": (f"{BASE}endpoint: {{instance_count: true}}\n", ["received true", "a whole number"]),
    "instances as a fraction": (f"{BASE}endpoint: {{instance_count: 1.0}}\n", ["received 1.0", "a whole number"]),
    "octal number": (
        f"{BASE}endpoint: {{health_check_timeout_seconds: 0600}}\n",
        ["received 0600", "a whole number from 60 to 3600"],
    ),
    "time instead of seconds": (
        f"{BASE}endpoint: {{health_check_timeout_seconds: 10:00}}\n",
        ["received 10:00", "a whole number from 60 to 3600"],
    ),
    "negative weight": (f"{BASE}endpoint: {{variant_weight: -1}}\n", ["received -1", "a number from 0"]),
    "weight that is infinite": (f"{BASE}endpoint: {{variant_weight: 1e999}}\n", ["received 1e999", "a number from 0"]),
    "weight that is not a number": (
        f"{BASE}endpoint: {{variant_weight: .nan}}\n",
        ["received .nan", "a number from 0"],
    ),
    "number of a thousand digits": (
        f"{BASE}endpoint: {{variant_weight: {'9' * 5000}}}\n",
        ["received 9999", "a number"],
    ),
    "key for encryption": (f"{BASE}endpoint: {{kms_key_arn: x}}\n", ["kms_key_arn: unknown setting", "local NVMe"]),
    "setting in the wrong section": (
        f"{BASE}max_capacity: 3\n",
        ["max_capacity: unknown setting", "indented under the right section"],
    ),
    # Scaling
    "scaling without a target": (f"{BASE}scaling: {{max_capacity: 2}}\n", ["scaling.target: missing", "metric"]),
    "scaling to zero": (
        f"{SCALING}  min_capacity: 0\n",
        ["scaling.min_capacity: 0: a real-time endpoint cannot scale to zero", "use 1, and a schedule"],
    ),
    "minimum above maximum": (
        f"{SCALING}  min_capacity: 5\n",
        ["scaling.min_capacity: 5 is above max_capacity, 4", "1 to max_capacity (4)", "lower min_capacity"],
    ),
    "count outside of scaling": (
        f"{SCALING}endpoint: {{instance_count: 9}}\n",
        ["endpoint.instance_count: 9 is outside of what scaling allows", "1 to 4", "leave it out"],
    ),
    "metric of asynchronous inference": (
        SCALING.replace("concurrent_requests", "backlog_per_instance"),
        ["scaling.target.metric: received backlog_per_instance", "invocations_per_instance, concurrent_requests"],
    ),
    "target of zero": (SCALING.replace("target: 1", "target: 0"), ["scaling.target.target: received 0", "above 0"]),
    "cooldown above an hour": (f"{SCALING}  scale_in_cooldown_seconds: 3601\n", ["received 3601", "from 0 to 3600"]),
    "schedule that changes nothing": (
        f"{SCHEDULE}    - {{name: night, schedule: rate(1 day)}}\n",
        ["scaling.schedules[0]: the schedule 'night' changes nothing", "min_capacity, max_capacity or both"],
    ),
    "schedule names twice": (
        f"{SCHEDULE}" + "    - {name: night, schedule: rate(1 day), max_capacity: 1}\n" * 2,
        ["wrong.yaml:9: scaling.schedules[1].name: 'night' stands twice", "rename one"],
    ),
    "schedule with minimum above maximum": (
        f"{SCHEDULE}    - {{name: n, schedule: rate(1 day), min_capacity: 3, max_capacity: 2}}\n",
        ["scaling.schedules[0].min_capacity: 3 is above max_capacity, 2"],
    ),
    "schedule with only a minimum, above scaling's maximum": (
        f"{SCHEDULE}    - {{name: n, schedule: rate(1 day), min_capacity: 5}}\n",
        ["schedules[0].min_capacity: 5 contradicts scaling.max_capacity", "at most scaling.max_capacity (4)"],
    ),
    "schedule with only a maximum, below scaling's minimum": (
        f"{SCHEDULE}    - {{name: n, schedule: rate(1 day), max_capacity: 1}}\n".replace(
            "max_capacity: 4", "max_capacity: 4\n  min_capacity: 2"
        ),
        ["schedules[0].max_capacity: 1 contradicts scaling.min_capacity", "at least scaling.min_capacity (2)"],
    ),
    "schedule down to zero": (
        f"{SCHEDULE}    - {{name: n, schedule: rate(1 day), min_capacity: 0}}\n",
        ["schedules[0].min_capacity: 0: a real-time endpoint cannot scale to zero"],
    ),
    "schedule in crontab's own form": (
        f"{SCHEDULE}    - {{name: n, schedule: 0 20 * * *, max_capacity: 1}}\n",
        ["'0 20 * * *' is not a schedule expression", "cron(minutes hours"],
    ),
    "unknown time zone": (
        f"{SCHEDULE}    - {{name: n, schedule: rate(1 day), max_capacity: 1, timezone: Europe/Berln}}\n",
        ["timezone: 'Europe/Berln' is not a time zone", "did you mean Europe/Berlin"],
    ),
    # API and storage
    "timeout above SageMaker's": (
        f"{BASE}api: {{integration_timeout_seconds: 61}}\n",
        ["api.integration_timeout_seconds: received 61", "a whole number from 5 to 60"],
    ),
    "throttle of zero": (
        f"{BASE}api: {{throttle: {{burst: 0}}}}\n",
        ["api.throttle.burst: received 0", "from 1 to 5000"],
    ),
    "empty section": (f"{BASE}api:\n  throttle:\n", ["wrong.yaml:5: api.throttle: received nothing", "or remove it"]),
    "quota by the hour": (f"{BASE}api: {{quota: {{period: hour}}}}\n", ["received hour", "day, week, month"]),
    "origin with a path": (
        f"{BASE}api: {{cors: {{allow_origins: ['https://a.example/']}}}}\n",
        ["api.cors.allow_origins[0]: 'https://a.example/' is not an origin", "no slash at its end"],
    ),
    "origin without a scheme": (
        f"{BASE}api: {{cors: {{allow_origins: [a.example]}}}}\n",
        ["'a.example' is not an origin", "scheme://host[:port]", "https://images.example.com"],
    ),
    "origin with its default port": (
        f"{BASE}api: {{cors: {{allow_origins: ['https://a.example:443']}}}}\n",
        ["browsers leave the default port out", "remove :443"],
    ),
    "origin with an impossible port": (
        f"{BASE}api: {{cors: {{allow_origins: ['https://a.example:70000']}}}}\n",
        ["port above 65535"],
    ),
    "any origin with another": (
        f"{BASE}api: {{cors: {{allow_origins: ['*', 'https://a.example']}}}}\n",
        ['"*" is listed with other origins', 'remove "*", or everything else'],
    ),
    "origin twice": (
        f"{BASE}api: {{cors: {{allow_origins: ['https://a.example', 'https://a.example']}}}}\n",
        ["allow_origins[1]: 'https://a.example' stands twice"],
    ),
    "log retention that CloudWatch lacks": (
        f"{BASE}storage: {{log_retention_days: 31}}\n",
        ["storage.log_retention_days: received 31", "1, 3, 5, 7, 14, 30"],
    ),
    "log retention as a boolean": (f"{BASE}storage: {{log_retention_days: true}}\n", ["received true", "1, 3, 5"]),
}


@pytest.mark.parametrize(("content", "fragments"), WRONG.values(), ids=WRONG.keys())
def test_wrong_file_is_refused_with_what_to_do(content: str, fragments: list[str], tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(EnvironmentFileError) as caught:
        load_environment(path)

    message = str(caught.value)
    assert message.startswith(str(path))
    for fragment in fragments:
        assert fragment in message, message
    assert all(problem.allowed or problem.remedy for problem in caught.value.problems), message


def test_wrong_files_are_many() -> None:
    assert len(WRONG) >= 25


def test_all_errors_of_a_file_are_reported_at_once_in_its_order(tmp_path: Path) -> None:
    # Given errors of every kind: quotes, contradictions between sections, bounds, an unknown setting, a key twice
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "account: 111122223333\n"
        "region: eu-north-1\n"
        "model: {source: optimized}\n"
        "endpoint: {instance_types: [ml.g5.4xlarge]}\n"
        "storage: {image_expiration_days: 0}\n"
        "storage: {}\n"
        "scalling: {}\n"
    )

    with pytest.raises(EnvironmentFileError) as caught:
        load_environment(path)

    assert [(problem.line, problem.field) for problem in caught.value.problems] == [
        (1, "account"),
        (2, "region"),
        (4, "endpoint.instance_types[0]"),
        (5, "storage.image_expiration_days"),
        (6, "storage"),
        (7, "scalling"),
    ]


def test_long_values_are_cut_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(f"{BASE}surprise: {'x' * 10_000}\n")

    with pytest.raises(EnvironmentFileError) as caught:
        load_environment(path)

    assert len(str(caught.value)) < 1_000


def test_wrong_encoding_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_bytes(BASE.encode() + "description: Grün\n".encode("latin-1"))

    with pytest.raises(EnvironmentFileError, match=r"wrong\.yaml:4: byte 0xfc is not UTF-8"):
        load_environment(path)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFileError, match="there is no such file"):
        load_environment(tmp_path / "dev.yaml")


def test_directory_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").mkdir()

    with pytest.raises(EnvironmentFileError, match="cannot be read"):
        load_environment(tmp_path / "dev.yaml")


@pytest.mark.parametrize("name", ["Dev", "1st", "dev-", "dev_1", "a" * 21, "dev.old", "dév"])
def test_file_name_that_is_no_environment_name_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(BASE)

    with pytest.raises(EnvironmentFileError) as caught:
        load_environment(path)

    assert "is taken from the file's name" in str(caught.value)
    assert "1 to 20 lower-case letters" in str(caught.value)
    assert "rename the file" in str(caught.value)
