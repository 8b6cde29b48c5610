"""The access settings of an environment file: what they default to, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from stacks.environment import ApiKeyAuth, EnvironmentFileError, load_environment, load_environments

pytestmark = pytest.mark.disable_socket

BASE = 'account: "111122223333"\nregion: us-east-1\nmodel: {source: open}\n'
CERTIFICATE = "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"
PRIVATE = "private: {vpc_endpoint_ids: [vpce-01234567]}"
COGNITO = "auth: {mode: cognito, callback_urls: ['https://a.example/x']}"

# name: (the section `api`, fragments that the message must have)
WRONG = {
    "unknown mode": ("auth: {mode: oauth}", ["wrong.yaml:4", "api.auth.mode", "api_key, iam, cognito"]),
    "no mode": ("auth: {}", ["api.auth.mode: missing"]),
    "a misspelt mode": ("auth: {mode: api-key}", ["did you mean api_key?"]),
    "settings of another mode": (
        "auth: {mode: iam, callback_urls: ['https://a.example/x']}",
        ["api.auth.callback_urls: unknown setting"],
    ),
    "sign-in without a way back": (
        "auth: {mode: cognito}}\nconsole: {enabled: false",
        ["api.auth.callback_urls", "nowhere to sign in from", "remove console.enabled"],
    ),
    "page with AWS identities": (
        "auth: {mode: iam}}\nconsole: {enabled: true",
        ["console.enabled", "a page cannot sign requests", "api_key or cognito"],
    ),
    "way back without TLS": (
        "auth: {mode: cognito, callback_urls: ['http://a.example/x']}",
        ["callback_urls[0]", "'http://a.example/x' is not an address", "https://"],
    ),
    "way back with a fragment": (
        "auth: {mode: cognito, callback_urls: ['https://a.example/#x']}",
        ["callback_urls[0]", "without #"],
    ),
    "way back twice": (
        "auth: {mode: cognito, callback_urls: ['https://a.example/x', 'https://a.example/x']}",
        ["callback_urls[1]", "stands twice"],
    ),
    "prefix with a reserved word": (
        "auth: {mode: cognito, callback_urls: ['https://a.example/x'], domain_prefix: my-aws-images}",
        ["api.auth.domain_prefix", "'my-aws-images' holds 'aws'"],
    ),
    "prefix in capitals": (
        "auth: {mode: cognito, callback_urls: ['https://a.example/x'], domain_prefix: Images}",
        ["api.auth.domain_prefix", "lower-case"],
    ),
    "keys with a user pool": (
        f"{COGNITO}, keys: [{{name: web}}]",
        ["api.keys", "keys are given, and api.auth.mode is 'cognito'", "set api.auth.mode to api_key"],
    ),
    "keys with AWS identities": ("auth: {mode: iam}, keys: [{name: web}]", ["api.keys", "'iam'"]),
    "quota with AWS identities": (
        "auth: {mode: iam}, quota: {requests: 5}",
        ["api.quota", "only API keys are counted", "api.throttle"],
    ),
    "a key twice": ("keys: [{name: web}, {name: web}]", ["api.keys[1].name", "'web' stands twice"]),
    "a key in capitals": ("keys: [{name: Web}]", ["api.keys[0].name", "a letter first"]),
    "a key without a name": ("keys: [{quota: null}]", ["api.keys[0].name: missing"]),
    "a key with its value": ("keys: [{name: web, value: abc}]", ["api.keys[0].value: unknown setting"]),
    "firewall that blocks everyone": ("waf: {requests_per_5_minutes: 1}", ["a whole number from 10 to 2000000000"]),
    "private without VPC endpoints": ("private: {}", ["api.private.vpc_endpoint_ids: missing"]),
    "private with none": ("private: {vpc_endpoint_ids: []}", ["api.private.vpc_endpoint_ids", "1 to 50 entries"]),
    "private with a VPC": ("private: {vpc_endpoint_ids: [vpc-01234567]}", ["vpc_endpoint_ids[0]", "vpce-"]),
    "an endpoint twice": (
        "private: {vpc_endpoint_ids: [vpce-01234567, vpce-01234567]}",
        ["vpc_endpoint_ids[1]", "stands twice"],
    ),
    "private with a domain": (
        f"{PRIVATE}, domain: {{name: a.example, certificate_arn: '{CERTIFICATE}'}}",
        ["api.domain", "for a private API", "api.domain or api.private, not both"],
    ),
    "domain without a certificate": ("domain: {name: images.example.com}", ["api.domain.certificate_arn: missing"]),
    "certificate of another region": (
        f"domain: {{name: a.example, certificate_arn: '{CERTIFICATE.replace('us-east-1', 'eu-west-1')}'}}",
        ["api.domain.certificate_arn", "is of the region eu-west-1, the environment of us-east-1", "request a"],
    ),
    "certificate of another account": (
        f"domain: {{name: a.example, certificate_arn: '{CERTIFICATE.replace('111122223333', '444455556666')}'}}",
        ["api.domain.certificate_arn", "is of the account 444455556666"],
    ),
    "domain with a scheme": (
        f"domain: {{name: 'https://a.example', certificate_arn: '{CERTIFICATE}'}}",
        ["api.domain.name", "a domain name in lower case, such as images.example.com"],
    ),
    "blank term": ("moderation: {refused_terms: [' ']}", ["refused_terms[0]", "is not a word or phrase"]),
    "term of signs": ("moderation: {refused_terms: ['!?']}", ["refused_terms[0]", "with a letter or digit"]),
    "term twice in another case": (
        "moderation: {refused_terms: [Secret, sECRET]}",
        ["refused_terms[1]", "is the same as 'Secret'"],
    ),
    "terms that are too many": (
        f"moderation: {{refused_terms: [{', '.join(f'term-number-{index}' for index in range(99))}]}}",
        ["api.moderation.refused_terms", "bytes as JSON", "768 bytes"],
    ),
}


def load(tmp_path: Path, api: str, *, name: str = "wrong") -> object:
    file = tmp_path / f"{name}.yaml"
    file.write_text(f"{BASE}api: {{{api}}}\n")
    return load_environment(file)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_setting_is_named_with_what_is_allowed(tmp_path: Path, name: str) -> None:
    api, fragments = WRONG[name]

    with pytest.raises(EnvironmentFileError) as raised:
        load(tmp_path, api)

    message = str(raised.value)
    assert [fragment for fragment in fragments if fragment not in message] == [], message


def test_sign_in_page_cannot_be_named_after_an_environment_with_a_reserved_word(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFileError, match="domain_prefix: missing, and the environment's name 'aws-test'"):
        load(tmp_path, COGNITO, name="aws-test")


def test_checks_hold_for_every_model_source(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    wrong = f"domain: {{name: a.example, certificate_arn: '{CERTIFICATE.replace('us-east-1', 'eu-west-1')}'}}"
    model = "{source: bedrock, model_id: 'stability.sd3-5-large-v1:0'}"
    file.write_text(f'account: "111122223333"\nregion: us-west-2\nmodel: {model}\napi: {{{wrong}}}\n')

    with pytest.raises(EnvironmentFileError, match="is of the region eu-west-1, the environment of us-west-2"):
        load_environment(file)


def test_one_key_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text(BASE)

    dev = load_environment(tmp_path / "dev.yaml")

    assert dev.api.auth == ApiKeyAuth(mode="api_key")
    assert dev.api.keys == ()
    assert dev.api.waf is dev.api.private is dev.api.domain is None
    assert dev.api.moderation.refused_terms == ()


def test_examples_of_every_kind_of_access_load() -> None:
    found = load_environments(Path(__file__).resolve().parents[2] / "environments")

    assert {environment.name for environment in found} >= {"cognito", "domain", "iam", "private", "waf"}


@pytest.mark.parametrize(
    ("settings", "has_console"),
    [
        ("", True),
        ("api: {auth: {mode: cognito}}\n", True),
        ("api: {auth: {mode: iam}}\n", False),
        ("console: {enabled: false}\n", False),
        ("console: {enabled: true}\n", True),
    ],
)
def test_page_is_there_unless_it_is_turned_off_or_nobody_could_use_it(
    tmp_path: Path, settings: str, has_console: bool
) -> None:
    path = tmp_path / "dev.yaml"
    path.write_text(BASE + settings)

    assert load_environment(path).has_console is has_console
