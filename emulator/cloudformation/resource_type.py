"""What a resource type of CloudFormation is to the emulator.

A type names every property that it carries into moto, and those that it accepts without effect, each with the reason.
Any other property is refused before anything is made. Which properties are required, which replace the resource and
which attributes it has, the CloudFormation registry says (`registry`); where the emulator does otherwise, the type
gives the reason.
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
from emulator.cloudformation.registry import Schema, schema_of

Properties = dict[str, Any]
DOCUMENTED = 'the CloudFormation User Guide lists it under "Return values", and cfn-lint knows it'
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
    carried: ClassVar[frozenset[str]] = frozenset()
    """Properties that reach the service."""
    without_effect: ClassVar[Mapping[str, str]] = {}
    """Properties that are accepted and ignored: name to reason."""
    name_property: ClassVar[str | None] = None
    """The property that gives the resource a name of the template's choice, which a replacement cannot share."""
    also_replacing: ClassVar[Mapping[str, str]] = {}
    """Properties whose change replaces the resource although the registry does not say so: name to reason."""
    fixed: ClassVar[Mapping[str, str]] = {}
    """Properties that the registry lets change and the service does not: name to the error of the update."""
    missing_attributes: ClassVar[Mapping[str, str]] = {}
    """Attributes of the registry that the emulator cannot give: name to reason."""
    more_attributes: ClassVar[Mapping[str, str]] = {}
    """Attributes that Fn::GetAtt gives although the registry does not list them: name to reason."""

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

    @property
    def importable(self) -> bool:
        """Whether an existing resource can be taken into a stack."""
        return type(self).adopt is not ResourceType.adopt

    def schema(self, region: str) -> Schema:
        """What the registry says of the type.

        Raises:
            ResourceError: the region does not have the type.
        """
        schema = schema_of(self.name, region)
        if schema is None:
            message = f"{self.name} is not in {region}, says the CloudFormation registry"
            raise ResourceError(message)
        return schema

    def attributes(self, region: str) -> frozenset[str]:
        """What Fn::GetAtt can ask for."""
        return self.schema(region).attributes - self.missing_attributes.keys() | self.more_attributes.keys()

    def replaced_by(self, before: Properties, after: Properties, region: str) -> frozenset[str]:
        """The changed properties that make this change a replacement."""
        also = frozenset(name for name in self.also_replacing if before.get(name) != after.get(name))
        return self.schema(region).replaced_by(before, after) | also

    def refuse_fixed(self, before: Properties, after: Properties) -> None:
        """Raise ResourceError where a property changes that the service does not let change."""
        for name, message in self.fixed.items():
            if before.get(name) != after.get(name):
                raise ResourceError(message)

    def problems(self, properties: Mapping[str, Any], region: str) -> list[str]:
        """What is wrong with a template's properties: each unknown, not emulated and missing one, in words."""
        schema = self.schema(region)
        unknown = sorted(set(properties) - schema.properties)
        refused = sorted(set(properties) - set(unknown) - self.carried - set(self.without_effect))
        missing = sorted(schema.required - set(properties))
        return [
            *(f"{self.name} has no property {name} in {region}" for name in unknown),
            *(f"{self.name}.{name} is not emulated" for name in refused),
            *(f"{self.name}.{name} is required" for name in missing),
        ]


def words(text: str) -> frozenset[str]:
    """A set of names from one string, for the tables of properties."""
    return frozenset(text.split())
