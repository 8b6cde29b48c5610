"""Which account a request acts in: the project's dummy keys carry theirs, assumed roles have their role's."""

from __future__ import annotations

import re

from moto.core.responses import BaseResponse
from moto.iam import models as iam_models

from emulator.client import account_of

# moto reads keys of exactly 20 characters; the project's have 21.
ACCESS_KEY = re.compile(r"AWS.*?Credential=(?P<access_key>[A-Z0-9]{16,128})/|AWS (?P<v2_access_key>[A-Z0-9]{16,128}):")


def install(default_account: str) -> None:
    """Map access keys to accounts; keys that nobody knows act in the default account."""

    def get_account_id_from(access_key: str) -> str:
        account = account_of(access_key)
        if account:
            return account
        return _account_with(access_key) or default_account

    iam_models.get_account_id_from = get_account_id_from
    BaseResponse.get_access_key = _get_access_key


def _account_with(access_key: str) -> str | None:
    """The account whose IAM has a key.

    moto's own lookup makes the IAM of every partition for every account on its way, with all of AWS's managed policies.
    """
    for account, partitions in list(iam_models.iam_backends.items()):
        if any(access_key in backend.access_keys for backend in list(partitions.values())):
            return str(account)
    return None


def account_of_key(access_key: str) -> str:
    """The account that an access key acts in."""
    return str(iam_models.get_account_id_from(access_key))


def _get_access_key(self: BaseResponse) -> str:
    match = ACCESS_KEY.search(self.headers.get("Authorization", ""))
    if match:
        return str(match["access_key"] or match["v2_access_key"])
    # A presigned address carries its key in the query; moto reads only that of signature version 2.
    credential = self.querystring.get("X-Amz-Credential") or self.querystring.get("AWSAccessKeyId") or ["AKIAUNKNOWN"]
    return str(credential[0]).split("/")[0]
