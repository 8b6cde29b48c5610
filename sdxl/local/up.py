"""`up` and `down`: from nothing to an image out of the API on this machine, and back."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import boto3
from boto3.session import Session
from botocore.exceptions import ClientError

from sdxl.client import Client
from sdxl.console import Progress, say
from sdxl.deployment.aws import find_aws_deployment
from sdxl.deployment.cdk import Show, check_cli, check_node
from sdxl.deployment.record import DEPLOYMENT_FILE, TARGET_FILE, Deployment, LocalTarget, read_local_target
from sdxl.errors import SdxlError
from sdxl.local import cdk, emulator, stand_ins
from sdxl.project import LOCAL, write_json
from stacks.bootstrap import read_bootstrap
from stacks.environment import Environment
from tools.build_layer import layer_archive, signing_layer_archive

FIRST_PROMPT = "a lighthouse on a cliff at dawn, watercolor"
FIRST_IMAGE = Path("out/first-image.png")


def up(environment: Environment) -> tuple[Deployment, Path]:
    """Start what is not running, deploy what is not deployed, and return the deployment with a first image from it."""
    with _alone():
        check_node()
        check_cli()
        check_layer()
        check_takes_keys(environment)
        stand_ins.check_can_be_rehearsed(environment)
        running = _emulator(environment)
        try:
            return _deploy(running, environment)
        except (KeyboardInterrupt, SdxlError):
            say(
                f"Not finished. The emulator still runs (process {running.pid}) with what was deployed so far: "
                "`make up` goes on from here, `make down` stops it."
            )
            raise


def down() -> bool:
    """Stop the emulator, and with it everything deployed to it. Returns whether anything ran. Safe to repeat."""
    with _alone():
        stopped = emulator.stop(say)
        DEPLOYMENT_FILE.unlink(missing_ok=True)
        TARGET_FILE.unlink(missing_ok=True)
        return stopped


def check_layer() -> None:
    """Refuse to go on without the functions' layer."""
    if not (layer_archive().is_file() and signing_layer_archive().is_file()):
        raise SdxlError("The functions' Lambda layers are not built for the current requirements. Run `make layer`.")


def check_takes_keys(environment: Environment) -> None:
    """Refuse an environment whose API this command could not call once it is deployed."""
    mode = environment.api.auth.mode
    if mode != "api_key":
        raise SdxlError(
            f"Environment {environment.name!r} has api.auth.mode {mode}; what runs on this machine is called with an "
            "API key. Leave api.auth out of a copy of the file, and start that."
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Let one `up` or `down` run at a time. The lock goes with the process, however it ends."""
    LOCAL.mkdir(parents=True, exist_ok=True)
    with (LOCAL / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise SdxlError("Another `sdxl local up` or `down` is running in this folder. Wait for it to end.") from exc
        yield


def _emulator(environment: Environment) -> emulator.Emulator:
    port = emulator.wanted_port()
    state = emulator.read_state()
    if state is not None and emulator.answers(state):
        if not state.gateway_url.endswith(f":{port}"):
            raise SdxlError(
                f"The emulator runs at {state.gateway_url}, not on port {port}. Run `make down` first, or set "
                f"{emulator.PORT_VARIABLE}={state.gateway_url.rsplit(':', 1)[-1]}."
            )
        _check_same_target(environment, state)
        say(f"✓ Emulator runs already (process {state.pid})")
        return state
    if state is not None and emulator.is_emulator(state.pid):
        raise SdxlError(f"The emulator (process {state.pid}) runs but does not answer. `make down` stops it.")
    emulator.check_ports(port)
    DEPLOYMENT_FILE.unlink(missing_ok=True)
    with _step("Starting the emulator", "Emulator started"):
        started = emulator.start(port, environment.account)
    write_json(TARGET_FILE, asdict(_target(environment)))
    return started


def _target(environment: Environment) -> LocalTarget:
    return LocalTarget(environment=environment.name, account=environment.account, region=environment.region)


def _check_same_target(environment: Environment, running: emulator.Emulator) -> None:
    """Refuse another environment, and the same one in another account or region: it would be a second API."""
    before, now = read_local_target(TARGET_FILE), _target(environment)
    if before is None or before == now:
        return
    if before.environment != now.environment:
        raise SdxlError(
            f"Environment {before.environment!r} runs on this machine, and {running.gateway_url} can serve one only. "
            f"Run `make down` before {now.environment!r} is started."
        )
    raise SdxlError(
        f"Environment {now.environment!r} runs on this machine for {before.place()}, and its file now says "
        f"{now.place()}. Run `make down`, then `make up`: it starts anew for the file's account and region."
    )


def _deploy(running: emulator.Emulator, environment: Environment) -> tuple[Deployment, Path]:
    variables = cdk.cli_environment(running, environment)
    session = _session(variables)
    if not _is_bootstrapped(session):
        with _step("Bootstrapping the account for the CDK", "Account bootstrapped"):
            cdk.bootstrap(environment, variables)
    for note in stand_ins.make(environment, session):
        say(note)
    with _step(f"Deploying sdxl-{environment.name}", f"sdxl-{environment.name} deployed") as show:
        cdk.deploy(environment, variables, show)
    deployed = find_aws_deployment(environment, session)
    deployment = replace(deployed, kind="local", api_url=running.gateway_url)
    with (
        _step("Generating a first image", "First image generated"),
        Client(deployment.api_url, deployment.api_key) as client,
    ):
        client.text_to_image(FIRST_PROMPT, seed=1).images[0].save(FIRST_IMAGE, overwrite=True)
    # Written last: scripts that wait for this file find an API that works.
    write_json(DEPLOYMENT_FILE, deployment.to_json())
    return deployment, FIRST_IMAGE


def _session(variables: Mapping[str, str]) -> Session:
    """Return a boto3 session on the emulator. Its clients read the address from this process's environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update({name: value for name, value in variables.items() if name.startswith("AWS_")})
    return boto3.Session()


def _is_bootstrapped(session: Session) -> bool:
    try:
        stack = session.client("cloudformation").describe_stacks(StackName=read_bootstrap().stack_name)["Stacks"][0]
    except ClientError:
        return False
    return str(stack["StackStatus"]) in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


@contextmanager
def _step(doing: str, done: str) -> Iterator[Show]:
    """Show a step while it runs, what it reports, and how long it took."""
    started = time.monotonic()
    with Progress(doing) as progress:
        yield progress.show
    say(f"✓ {done} ({time.monotonic() - started:.1f} s)")
