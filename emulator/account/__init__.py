"""What an account is beside what was made in it: its quotas, subscriptions, access to models, and what is denied."""

from emulator.account.services import AccountServices
from emulator.account.settings import create_account_app

__all__ = ["AccountServices", "create_account_app"]
