"""What would make a deployment fail, seen before it: read-only checks in the environment's account and region."""

from sdxl.preflight.account import READ_ACTIONS, WRITE_ACTIONS, Account, Finding, Status
from sdxl.preflight.runner import preflight

__all__ = ["READ_ACTIONS", "WRITE_ACTIONS", "Account", "Finding", "Status", "preflight"]
