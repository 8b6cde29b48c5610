"""A deployed image API, and the file that names the one on this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sdxl.errors import NotDeployedError
from sdxl.project import LOCAL

DEPLOYMENT_FILE = LOCAL / "deployment.json"


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
        raise NotDeployedError(f"{path} cannot be read ({exc!r}). `make up` writes it anew.") from exc
