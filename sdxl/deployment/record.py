"""A deployed image API, and the file that names the one on this machine."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sdxl.client import ENGINE_ID
from sdxl.errors import NotDeployedError
from sdxl.project import LOCAL

DEPLOYMENT_FILE = LOCAL / "deployment.json"
# Written before the first deployment to an emulator, because a deployment that was cut off has no DEPLOYMENT_FILE.
TARGET_FILE = LOCAL / "up.json"


@dataclass(frozen=True, kw_only=True)
class LocalTarget:
    """What the emulator on this machine is for: one environment, with the account and region that its file had then."""

    environment: str
    account: str
    region: str

    def place(self) -> str:
        """Return the account and region as a phrase."""
        return f"account {self.account}, {self.region}"


def read_local_target(path: Path = TARGET_FILE) -> LocalTarget | None:
    """Return what the emulator was started for, or None where nothing says so."""
    try:
        content = json.loads(path.read_text())
        return LocalTarget(**{name: str(content[name]) for name in ("environment", "account", "region")})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployed image API and the key to it."""

    kind: Literal["local", "aws", "address"]
    api_url: str
    api_key: str
    environment: str | None = None
    account: str | None = None
    region: str | None = None

    def describe(self) -> str:
        """Return one phrase that no other deployment has."""
        if self.kind == "local":
            return f"{self.environment} on this machine, {self.api_url}"
        if self.kind == "aws":
            return f"{self.environment} in AWS account {self.account}, {self.region}, {self.api_url}"
        return self.api_url

    def to_json(self) -> dict[str, Any]:
        """Return what the local deployment file holds."""
        return {"api_url": self.api_url, "api_key": self.api_key, "environment": self.environment}

    def curl_line(self) -> str:
        """Return a line for a shell that generates an image through this API. It has the API key in it."""
        url = f"{self.api_url}/v1/generation/{ENGINE_ID}/text-to-image"
        words = ["curl", "-sS", "--fail-with-body", "-L", url, "-H", f"x-api-key: {self.api_key}"]
        words += ["-H", "content-type: application/json", "-H", "accept: image/png"]
        words += ["-d", '{"text_prompts": [{"text": "a red fox in snow"}]}', "-o", "fox.png"]
        return shlex.join(words)


def page_link(deployment: Deployment) -> str:
    """Return the link to the creators' page with the key in its fragment, which no server and no log receives."""
    return f"{deployment.api_url}/#key={deployment.api_key}"


def read_local_deployment(path: Path = DEPLOYMENT_FILE) -> Deployment | None:
    """Return the deployment on this machine, or None without one. It may not answer."""
    try:
        content = json.loads(path.read_text())
        return Deployment(
            kind="local",
            api_url=str(content["api_url"]),
            api_key=str(content["api_key"]),
            environment=str(content["environment"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as exc:
        raise NotDeployedError(f"{path} cannot be read ({exc!r}). `make up` writes it again.") from exc
