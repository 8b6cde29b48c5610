"""`sdxl signing`: what the key of content credentials needs: a certificate, or for tests one of nobody's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from boto3.session import Session

from sdxl.commands import completion, options
from sdxl.console import print_result, say
from sdxl.deployment.aws import load_named_environment, make_session
from sdxl.deployment.record import read_local_target
from sdxl.errors import NotDeployedError, UsageError
from sdxl.local import cdk, emulator
from sdxl.project import ENVIRONMENTS
from sdxl.signing import TEST_DAYS, SigningKey, certificate_request, find_signing_key, test_chain
from stacks.environment import Environment

app = typer.Typer(help="Content credentials: requests a certificate for the key that signs.", no_args_is_help=True)

EnvironmentName = Annotated[
    str, typer.Option("--env", help="Environment, a file in environments/.", autocompletion=completion.environments)
]
Directory = Annotated[Path, typer.Option("--dir", help="Where the files are.", show_default="environments/")]
CommonName = Annotated[str | None, typer.Option(help="Name in the certificate. Default: the environment's.")]
Organization = Annotated[str, typer.Option(help="Organization in the certificate, as readers of an image see it.")]
Write = Annotated[bool, typer.Option("--write", help="Write the files beside the environment's.")]


@app.command()
def request(
    *,
    env: EnvironmentName,
    organization: Organization,
    common_name: CommonName = None,
    directory: Directory = ENVIRONMENTS,
    local: options.Local = None,
    write: Write = False,
) -> None:
    """Print a request for a certificate (PKCS #10), which an authority issues it for. The key in KMS signs it.

    With --write also ENV-request.pem and ENV-key.pem, the key's public half.

      sdxl signing request --env prod --organization "Example Studio" --write
    """
    environment, key = _key_of(env, directory, local)
    text = certificate_request(key, common_name=common_name or _name(environment), organization=organization)
    print_result(text.rstrip("\n"))
    if write:
        _write(directory / f"{env}-request.pem", text)
        _write(directory / f"{env}-key.pem", key.public_pem)
        say(
            f"Have it issued for e-mail protection, document signing or C2PA claims, and save the certificates as "
            f"{env}-chain.pem. {_to_add(env)}"
        )


@app.command("test-chain")
def issue_test_chain(
    *,
    env: EnvironmentName,
    organization: Organization = "Tests",
    common_name: CommonName = None,
    directory: Directory = ENVIRONMENTS,
    local: options.Local = None,
    write: Write = False,
) -> None:
    """Print certificates for the key that nobody trusts: to try signing before there are real ones.

    With --write also ENV-chain.pem and ENV-key.pem. They are valid for 90 days.

      sdxl signing test-chain --env dev --write
    """
    environment, key = _key_of(env, directory, local)
    text = test_chain(key, common_name=common_name or _name(environment), organization=organization)
    print_result(text.rstrip("\n"))
    if write:
        _write(directory / f"{env}-chain.pem", text)
        _write(directory / f"{env}-key.pem", key.public_pem)
        say(f"Nobody trusts these certificates, and they expire in {TEST_DAYS} days. {_to_add(env)}", style="yellow")


def _key_of(env: str, directory: Path, local: bool | None) -> tuple[Environment, SigningKey]:
    environment = load_named_environment(env, directory)
    return environment, find_signing_key(environment, _session(environment, local))


def _session(environment: Environment, local: bool | None) -> Session:
    """A session on the environment's account, or on the emulator where the environment runs on this machine."""
    running, target = emulator.find_running(), read_local_target()
    is_here = running is not None and target is not None and target.environment == environment.name
    if local and not is_here:
        raise NotDeployedError(
            f"Environment {environment.name!r} does not run on this machine. `sdxl local up --env {environment.name}` "
            "starts it."
        )
    if local is not False and is_here and running is not None and target is not None:
        cdk.point_this_process_at(running, target)
    return make_session(environment)


def _name(environment: Environment) -> str:
    return f"SDXL {environment.name}"


def _to_add(env: str) -> str:
    return (
        f"Then add to api.content_credentials of {env}.yaml: certificate_chain: {env}-chain.pem, and public_key: "
        f"{env}-key.pem; and deploy again."
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror}. Choose another --dir.") from exc
    say(f"{path}: written")
