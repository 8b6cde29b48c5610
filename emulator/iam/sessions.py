"""The sessions of execution roles that functions run under: who an access key is, and what its role holds now."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from moto.iam.exceptions import NotFoundException
from moto.iam.models import ManagedPolicy, Role, iam_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition

from emulator.iam.evaluation import Caller, NamedPolicy, trusts
from emulator.iam.patterns import PolicyError

SERVICE = "lambda.amazonaws.com"
CANNOT_BE_ASSUMED = "The role defined for the function cannot be assumed by Lambda."
_SESSION_SECONDS = 12 * 60 * 60


class RoleError(Exception):
    """A function's role does not exist, or does not let Lambda assume it."""


@dataclass(frozen=True)
class FunctionSession:
    """A session of a function's execution role, named after the function, as Lambda names it."""

    account: str
    region: str
    role_arn: str
    function_arn: str
    access_key_id: str
    secret_access_key: str
    session_token: str
    in_vpc: bool = False

    @classmethod
    def without_key(cls, role_arn: str, function_arn: str) -> FunctionSession:
        """A session for what Lambda does with the role before any code of the function runs."""
        parts = function_arn.split(":")[:7]
        return cls(parts[4], parts[3], role_arn, ":".join(parts), "", "", "")

    @property
    def partition(self) -> str:
        """The partition of its region."""
        return str(get_partition(self.region))

    @property
    def arn(self) -> str:
        """Who calls, as messages and policies have it."""
        role_name = self.role_arn.rpartition("/")[2]
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{role_name}/{self.name}"

    @property
    def name(self) -> str:
        """The session's name."""
        return self.function_arn.split(":")[6]

    def role(self) -> Role | None:
        """The role as it is at present, None where it is gone."""
        return find_role(self.role_arn)


class Sessions:
    """Every session that was opened, by access key. Kept after its worker: a presigned address outlives it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: dict[str, FunctionSession] = {}

    def open(self, *, role_arn: str, function_arn: str, in_vpc: bool) -> FunctionSession:
        """Assume a function's role as Lambda does; raises RoleError."""
        check_trust(role_arn)
        _, _, _, region, account, _, name = function_arn.split(":")[:7]
        assumed = sts_backends[account][get_partition(region)].assume_role(
            region_name=region,
            role_session_name=name,
            role_arn=role_arn,
            policy=None,
            duration=_SESSION_SECONDS,
            external_id=None,
        )
        session = FunctionSession(
            account=account,
            region=region,
            role_arn=role_arn,
            function_arn=":".join(function_arn.split(":")[:7]),
            access_key_id=assumed.access_key_id,
            secret_access_key=assumed.secret_access_key,
            session_token=assumed.session_token,
            in_vpc=in_vpc,
        )
        with self._lock:
            self._by_key[session.access_key_id] = session
        return session

    def find(self, access_key_id: str) -> FunctionSession | None:
        """The session that an access key belongs to, None for every other key."""
        return self._by_key.get(access_key_id)


SESSIONS = Sessions()


def find_role(role_arn: str) -> Role | None:
    """A role of moto's IAM."""
    try:
        return iam_backends[role_arn.split(":")[4]][role_arn.split(":")[1]].get_role_by_arn(role_arn)
    except NotFoundException:
        return None


def check_trust(role_arn: str) -> None:
    """Raise RoleError unless the role exists and lets Lambda assume it."""
    role = find_role(role_arn)
    try:
        trusted = role is not None and trusts(role.assume_role_policy_document, SERVICE)
    except PolicyError as exc:
        raise RoleError(f"{CANNOT_BE_ASSUMED} Trust policy of {role_arn}: {exc}") from exc
    if not trusted:
        raise RoleError(CANNOT_BE_ASSUMED)


def caller_of(session: FunctionSession, role: Role) -> Caller:
    """The session with the policies that its role holds at present; raises PolicyError."""
    return Caller(
        account=session.account,
        role_arn=session.role_arn,
        session_arn=session.arn,
        policies=tuple(identity_policies(role)),
        boundary=_boundary(role),
    )


def identity_policies(role: Role) -> list[NamedPolicy]:
    """A role's inline and attached policies."""
    inline = [NamedPolicy(f"inline policy {name}", document) for name, document in list(role.policies.items())]
    return [*inline, *(_managed(policy) for policy in list(role.managed_policies.values()))]


def _managed(policy: ManagedPolicy) -> NamedPolicy:
    return NamedPolicy(policy.arn, next(version.document for version in policy.versions if version.is_default))


def _boundary(role: Role) -> NamedPolicy | None:
    arn = role.permissions_boundary_arn
    if not arn:
        return None
    policy = iam_backends[role.account_id][role.partition].managed_policies.get(arn)
    if policy is None:
        raise PolicyError(f"the permissions boundary {arn} of role {role.name} does not exist")
    return _managed(policy)
