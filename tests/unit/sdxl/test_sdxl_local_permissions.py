"""`sdxl local permissions`: what the emulator saw, as lines, as JSON and as an exit code."""

import json

import httpx2
import pytest
from typer.testing import CliRunner

from sdxl.cli import app
from sdxl.errors import SdxlError
from sdxl.local import emulator, permissions

RUNNING = emulator.Emulator(
    pid=4242, gateway_url="http://127.0.0.1:4580", aws_endpoint_url="http://127.0.0.1:4581", account="111111111111"
)
BY_IMAGES = {
    "policy": "arn:policy",
    "statement": "Images",
    "action": "s3:PutObject",
    "resource": "arn:aws:s3:::images/*",
}
ROLE = {
    "role": "arn:aws:iam::111111111111:role/image-api",
    "functions": ["arn:aws:lambda:us-east-1:111111111111:function:image-api"],
    "exists": True,
    "boundary": None,
    "used": [
        {
            "action": "s3:PutObject",
            "resource": "arn:aws:s3:::images/1",
            "via": None,
            "count": 2,
            "allowed_by": BY_IMAGES,
        },
        {
            "action": "s3:PutObject",
            "resource": "arn:aws:s3:::images/2",
            "via": None,
            "count": 1,
            "allowed_by": BY_IMAGES,
        },
    ],
    "denied": [
        {"action": "kms:Decrypt", "resource": "arn:key", "via": "s3", "because": "because no policy", "count": 4}
    ],
    "unused": [{"policy": "arn:policy", "statement": "#2", "action": "s3:GetObject", "resources": ["arn:a", "arn:b"]}],
    "unused_resources": [{"policy": "arn:policy", "statement": "#2", "resource": "arn:b"}],
    "unreadable": [{"policy": "inline policy x", "because": "the policy is not JSON"}],
}
NOTHING_DENIED = {**ROLE, "denied": []}


def run(monkeypatch, roles, *options):
    monkeypatch.setattr(emulator, "find_running", lambda: RUNNING)
    monkeypatch.setattr(permissions, "read", lambda _: roles)
    return CliRunner().invoke(app, ["local", "permissions", *options])


def test_refused_first_then_unused_then_used_by_the_resource_that_the_policy_names(monkeypatch):
    done = run(monkeypatch, [ROLE])

    assert [line.split("\t") for line in done.stdout.splitlines()] == [
        ["role", "what", "action", "resource", "times", "statement, or why"],
        ["image-api", "refused", "kms:Decrypt", "arn:key", "4", "because no policy"],
        ["image-api", "unused", "s3:GetObject", "arn:a, arn:b", "0", "#2"],
        ["image-api", "unused", "(every action)", "arn:b", "0", "#2"],
        ["image-api", "unreadable", "inline policy x", "", "0", "the policy is not JSON"],
        ["image-api", "used", "s3:PutObject", "arn:aws:s3:::images/*", "3", "Images"],
    ]


def test_the_exit_code_says_whether_anything_was_refused(monkeypatch):
    assert run(monkeypatch, [ROLE]).exit_code == 1
    assert run(monkeypatch, [NOTHING_DENIED]).exit_code == 0
    monkeypatch.setattr(emulator, "find_running", lambda: None)
    assert CliRunner().invoke(app, ["local", "permissions"]).exit_code == 5


def test_json_has_it_all(monkeypatch):
    done = run(monkeypatch, [NOTHING_DENIED], "--json")

    assert json.loads(done.stdout) == {"roles": [NOTHING_DENIED]}


def test_an_emulator_that_does_not_tell_is_an_error(monkeypatch):
    def refuse(url, **_):
        return httpx2.Response(404, request=httpx2.Request("GET", url))

    monkeypatch.setattr(httpx2, "get", refuse)
    with pytest.raises(SdxlError, match=r"4581 does not report permissions: Client error '404"):
        permissions.read(RUNNING)
