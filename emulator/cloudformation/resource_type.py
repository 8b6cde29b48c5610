"""What a resource type of CloudFormation is to the emulator, and the strict check of what a template asks of it.

A type names every property that it carries into moto, those of them whose change replaces the resource, and those
that it accepts without effect, each with the reason. Any other property is refused before anything is made.
"""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from emulator.cloudformation.clients import Clients
from emulator.cloudformation.errors import ResourceError

Properties = dict[str, Any]
_NAME_ALPHABET = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class Context:
    """Where and for which logical resource a type acts."""

    account: str
    region: str
    partition: str
    stack_name: str
    stack_id: str
    logical_id: str
    clients: Clients
    initiated: Callable[[Made], None] = lambda _: None
    """To be called as soon as a resource exists whose creation takes more steps: should one of them fail, the
    rollback deletes what is there."""

    def client(self, service: str) -> Any:
        """A boto3 client of the stack's account and region."""
        return self.clients.client(service, self.account, self.region)

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """An ARN of the stack's account; `region` is the stack's unless given ("" for global services)."""
        return f"arn:{self.partition}:{service}:{self.region if region is None else region}:{self.account}:{resource}"

    def physical_name(self, max_length: int, *, lower_case: bool = False) -> str:
        """A new name as CloudFormation makes them: stack, logical id and twelve random characters."""
        suffix = "".join(secrets.choice(_NAME_ALPHABET) for _ in range(12))
        stem = f"{self.stack_name}-{self.logical_id}"[: max_length - 13].rstrip("-")
        name = f"{stem}-{suffix}"
        return name.lower() if lower_case else name


@dataclass(frozen=True)
class Made:
    """A resource that exists: its physical id, which Ref gives, and what Fn::GetAtt gives."""

    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


class ResourceType(ABC):
    """One resource type. Subclasses register themselves under `name`."""

    registry: ClassVar[dict[str, ResourceType]] = {}

    name: ClassVar[str]
    """The type's name, as templates write it."""
    mutable: ClassVar[frozenset[str]] = frozenset()
    """Properties that are carried, and changed in place."""
    replacing: ClassVar[frozenset[str]] = frozenset()
    """Properties that are carried, and whose change replaces the resource."""
    attributes: ClassVar[frozenset[str]] = frozenset()
    """What Fn::GetAtt can ask for."""
    without_effect: ClassVar[Mapping[str, str]] = {}
    """Properties that are accepted and ignored: name to reason."""
    name_property: ClassVar[str | None] = None
    """The property that gives the resource a name of the template's choice, which a replacement cannot share."""
    import_identifier: ClassVar[str | None] = None
    """The property that identifies an existing resource for an import, where the type can be imported."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            ResourceType.registry[cls.name] = cls()

    @abstractmethod
    def create(self, context: Context, properties: Properties) -> Made:
        """Make the resource."""

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the resource in place; called only where no replacing property differs."""
        message = f"{self.name} cannot be changed in place: {sorted(set(before) | set(after))}"
        raise ResourceError(message)

    @abstractmethod
    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Remove the resource; one that is gone already is no error."""

    def adopt(self, context: Context, physical_id: str, properties: Properties) -> Made:
        """Take an existing resource into a stack."""
        message = f"{self.name} cannot be imported"
        raise ResourceError(message)

    def replaced_by(self, before: Properties, after: Properties) -> frozenset[str]:
        """The changed properties that make this change a replacement."""
        return frozenset(name for name in self.replacing if before.get(name) != after.get(name))

    def refused_properties(self, properties: Mapping[str, Any]) -> list[str]:
        """The properties that the emulator neither carries nor knowingly ignores."""
        return sorted(set(properties) - self.mutable - self.replacing - set(self.without_effect))


def words(text: str) -> frozenset[str]:
    """A set of names from one string, for the tables of properties."""
    return frozenset(text.split())
