"""Content credentials: the key signs, the certificates fit it, and they do not expire soon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from sdxl.preflight.account import Account, AwsError, Finding
from stacks.environment.warnings import CERTIFICATE_WARNING_DAYS

SIGNING = "content credentials"


def check_signing(account: Account, today: date | None = None) -> Iterator[Finding]:
    """The key and the certificates of `api.content_credentials`. `today` is by default the day in UTC."""
    credentials = account.environment.api.content_credentials
    if credentials is None:
        return
    name = account.environment.name
    try:
        arn = credentials.key_arn or _made_key(account)
        key = None if arn is None else account.call("kms:GetPublicKey", KeyId=arn)
    except AwsError as exc:
        if exc.code not in ("NotFoundException", "DisabledException", "KMSInvalidStateException"):
            yield exc.unknown(SIGNING)
            return
        remedy = "Enable it or cancel its deletion; or correct `api.content_credentials.key_arn`."
        yield Finding(name=SIGNING, status="failed", found=f"the key cannot be used: {exc.message}", remedy=remedy)
        return
    if credentials.chain_file is None:
        yield Finding(
            name=SIGNING,
            status="warning",
            found="the key is there, and nothing is signed: there is no certificate_chain"
            if key
            else "the first deployment makes the key; nothing is signed before there is a certificate for it",
            remedy=f"Deploy, then `sdxl signing request --env {name} --organization ... --write` (docs/marks.md).",
        )
        return
    if key is None:
        yield Finding(
            name=SIGNING,
            status="failed",
            found="there are certificates, and the key that they are for is made by the first deployment only",
            remedy="Remove certificate_chain and public_key, deploy, and request certificates for the key.",
        )
        return
    yield _certificates(credentials.chain_file, key, name, datetime.now(UTC).date() if today is None else today)


def _certificates(chain_file: Path, key: dict[str, object], name: str, today: date) -> Finding:
    # As in the environment's own check: only environments that sign load it.
    from stacks.environment.certificates import certified_key_bytes, valid_until  # noqa: PLC0415

    last = valid_until(chain_file)
    details = {"key_spec": key.get("KeySpec"), "valid_until": str(last), "certificate_chain": chain_file.name}
    if key.get("KeySpec") != "ECC_NIST_P256" or key.get("KeyUsage") != "SIGN_VERIFY":
        found = f"the key is of the key spec {key.get('KeySpec')} for {key.get('KeyUsage')}"
        remedy = "Name a key of the key spec ECC_NIST_P256 for SIGN_VERIFY, or none."
        return Finding(name=SIGNING, status="failed", found=found, remedy=remedy, details=details)
    if certified_key_bytes(chain_file) != key["PublicKey"]:
        return Finding(
            name=SIGNING,
            status="failed",
            found=f"{chain_file.name} is for another key than the one in KMS: every signature would be invalid",
            remedy=f"Request certificates for it: `sdxl signing request --env {name} --organization ... --write`.",
            details=details,
        )
    left = (last - today).days
    if left < CERTIFICATE_WARNING_DAYS:
        found = f"the certificates expire on {last}, in {left} days: then no image can be signed"
        remedy = "Renew them (docs/marks.md)."
        return Finding(name=SIGNING, status="warning", found=found, remedy=remedy, details=details)
    return Finding(name=SIGNING, status="ok", found=f"{chain_file.name} fits the key until {last}", details=details)


def _made_key(account: Account) -> str | None:
    """The key that the environment's deployment made; None before there is one."""
    stack = f"sdxl-{account.environment.name}-Storage"
    if account.stack_status(stack) is None:
        return None
    stacks = account.call("cloudformation:DescribeStacks", StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: str(output["OutputValue"]) for output in stacks[0].get("Outputs", [])}
    return outputs.get("SigningKeyArn")
