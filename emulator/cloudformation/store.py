"""Every stack of every account and region, and what stacks say to one another through exports."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

from moto.utilities.utils import get_partition

from emulator.cloudformation.errors import ValidationError
from emulator.cloudformation.model import DELETED, Stack, now


class Region:
    """The stacks of one account and region."""

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region, self.partition = account, region, get_partition(region)
        self.lock = threading.RLock()
        """Held while a request decides what to do; not while an operation works on resources."""
        self._stacks: dict[str, Stack] = {}

    def new_stack(self, name: str, status: str) -> Stack:
        """Enter a new, empty stack."""
        stack_id = f"{self.arn_prefix}:stack/{name}/{uuid.uuid4()}"
        stack = Stack(stack_id, name, self.account, self.region, self.partition, status, now())
        self._stacks[stack_id] = stack
        return stack

    def find(self, name_or_id: str) -> Stack | None:
        """A stack by its id, deleted or not, or by its name where it is not deleted."""
        if name_or_id in self._stacks:
            return self._stacks[name_or_id]
        named = (stack for stack in self._stacks.values() if stack.name == name_or_id and stack.status != DELETED)
        return next(named, None)

    def get(self, name_or_id: str) -> Stack:
        """Like `find`, but raises the error that AWS answers with where the stack does not exist."""
        stack = self.find(name_or_id)
        if stack is None:
            message = f"Stack with id {name_or_id} does not exist"
            raise ValidationError(message)
        return stack

    def forget(self, stack: Stack) -> None:
        """Drop a stack that never got beyond its first change set."""
        self._stacks.pop(stack.id, None)

    def stacks(self) -> Iterator[Stack]:
        """All stacks, also deleted ones, newest first."""
        return iter(reversed(list(self._stacks.values())))

    def live_stacks(self) -> Iterator[Stack]:
        """All stacks that are not deleted."""
        return (stack for stack in self.stacks() if stack.status != DELETED)

    def exported(self, name: str) -> str:
        """The value of an export; raises ValidationError where no stack exports the name."""
        for stack in self.live_stacks():
            if name in stack.exports:
                return stack.exports[name]
        message = f"No export named {name} found."
        raise ValidationError(message)

    def importers(self, export_name: str) -> list[str]:
        """The names of the stacks that import an export."""
        return sorted(stack.name for stack in self.live_stacks() if export_name in stack.imported)

    @property
    def arn_prefix(self) -> str:
        """The start of every CloudFormation ARN here."""
        return f"arn:{self.partition}:cloudformation:{self.region}:{self.account}"


class Store:
    """All accounts and regions."""

    def __init__(self) -> None:
        self._regions: dict[tuple[str, str], Region] = {}
        self._lock = threading.Lock()

    def region(self, account: str, region: str) -> Region:
        """The stacks of an account and region, empty at first use."""
        with self._lock:
            return self._regions.setdefault((account, region), Region(account, region))
