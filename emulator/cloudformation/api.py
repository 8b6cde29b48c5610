"""CloudFormation's API: one method per action, over the engine. Anything else is answered as not emulated."""

from __future__ import annotations

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.core.utils import camelcase_to_underscores, method_names_from_class

from emulator.cloudformation import descriptions
from emulator.cloudformation.clients import Clients
from emulator.cloudformation.engine import Engine
from emulator.cloudformation.errors import ValidationError
from emulator.cloudformation.evaluation import StackValues
from emulator.cloudformation.model import Stack, Target
from emulator.cloudformation.parameters import refuse_settings, submitted_target, template_body
from emulator.cloudformation.store import Region, Store
from emulator.cloudformation.template import Template


class CloudFormationApi(BaseResponse):  # type: ignore[misc]
    """One request. `store` and `clients` are the application's, set by a subclass."""

    store: Store
    clients: Clients

    def __init__(self) -> None:
        super().__init__(service_name="cloudformation")
        self.automated_parameter_parsing = True

    def call_action(self) -> TYPE_RESPONSE:
        """Carry out the request; an action that is not emulated is a clear error rather than a missing page."""
        if camelcase_to_underscores(self._get_action()) not in method_names_from_class(type(self)):
            error = ValidationError(f"CloudFormation action {self._get_action()} is not emulated")
            return self.serialized(ActionResult(error))
        try:
            refuse_settings(self._get_action(), self._get_param)
        except ValidationError as exc:
            return self.serialized(ActionResult(exc))
        return super().call_action()

    @property
    def _region(self) -> Region:
        return self.store.region(self.current_account, self.region)

    @property
    def _engine(self) -> Engine:
        return Engine(self._region, self.clients)

    @property
    def _stack_values(self) -> StackValues:
        return StackValues(self._region, self.clients, {})

    def create_change_set(self) -> ActionResult:
        """Plan a change."""
        stack, change_set = self._engine.create_change_set(
            stack_name=self._get_param("StackName"),
            change_set_name=self._get_param("ChangeSetName"),
            change_set_type=self._get_param("ChangeSetType", "UPDATE"),
            make_target=self._target,
            description=self._get_param("Description"),
            deployment_config=self._get_param("DeploymentConfig"),
        )
        return ActionResult({"Id": change_set.id, "StackId": stack.id})

    def describe_change_set(self) -> ActionResult:
        """What a change set would do."""
        stack, change_set = self._engine.change_set(self._get_param("ChangeSetName"), self._get_param("StackName"))
        return ActionResult(
            descriptions.change_set_description(
                stack,
                change_set,
                self._stack_values,
                property_values=bool(self._get_param("IncludePropertyValues", if_none=False)),
            )
        )

    def list_change_sets(self) -> ActionResult:
        """The change sets of a stack."""
        stack = self._region.get(self._get_param("StackName"))
        summaries = [descriptions.change_set_summary(stack, item) for item in stack.change_sets.values()]
        return ActionResult({"Summaries": summaries})

    def execute_change_set(self) -> ActionResult:
        """Carry a change set out."""
        self._engine.execute_change_set(
            self._get_param("ChangeSetName"),
            self._get_param("StackName"),
            disable_rollback=bool(self._get_param("DisableRollback", if_none=False)),
            token=self._get_param("ClientRequestToken"),
        )
        return EmptyResult()

    def delete_change_set(self) -> ActionResult:
        """Drop a change set."""
        self._engine.delete_change_set(self._get_param("ChangeSetName"), self._get_param("StackName"))
        return EmptyResult()

    def create_stack(self) -> ActionResult:
        """Create a stack directly."""
        stack = self._engine.create_stack(
            self._get_param("StackName"),
            self._target(None),
            disable_rollback=bool(self._get_param("DisableRollback", if_none=False)),
            token=self._get_param("ClientRequestToken"),
        )
        stack.termination_protection = bool(self._get_param("EnableTerminationProtection", if_none=False))
        return ActionResult({"StackId": stack.id})

    def update_stack(self) -> ActionResult:
        """Update a stack directly."""
        stack = self._engine.update_stack(
            self._get_param("StackName"),
            self._target,
            disable_rollback=bool(self._get_param("DisableRollback", if_none=False)),
            token=self._get_param("ClientRequestToken"),
        )
        return ActionResult({"StackId": stack.id})

    def delete_stack(self) -> ActionResult:
        """Delete a stack."""
        self._engine.delete_stack(
            self._get_param("StackName"),
            retain=self._get_param("RetainResources", []),
            token=self._get_param("ClientRequestToken"),
        )
        return EmptyResult()

    def rollback_stack(self) -> ActionResult:
        """Roll back an operation that failed with rollback disabled."""
        stack = self._engine.roll_back_stack(self._get_param("StackName"), token=self._get_param("ClientRequestToken"))
        return ActionResult({"StackId": stack.id})

    def continue_update_rollback(self) -> ActionResult:
        """Go on with a rollback that failed, without the resources that are to be skipped."""
        self._engine.roll_back_stack(
            self._get_param("StackName"),
            token=self._get_param("ClientRequestToken"),
            skip=self._get_param("ResourcesToSkip") or (),
        )
        return EmptyResult()

    def describe_stacks(self) -> ActionResult:
        """One stack, also a deleted one by its id, or all that are not deleted."""
        name = self._get_param("StackName")
        stacks = [self._region.get(name)] if name else list(self._region.live_stacks())
        stack_values = self._stack_values
        return ActionResult({"Stacks": [descriptions.stack_description(stack, stack_values) for stack in stacks]})

    def list_stacks(self) -> ActionResult:
        """All stacks, deleted ones included, in the requested statuses."""
        statuses = self._get_param("StackStatusFilter") or []
        stacks = [stack for stack in self._region.stacks() if not statuses or stack.status in statuses]
        return ActionResult({"StackSummaries": [descriptions.stack_summary(stack) for stack in stacks]})

    def describe_stack_events(self) -> ActionResult:
        """A stack's history, newest first."""
        stack = self._region.get(self._get_param("StackName"))
        events = [descriptions.event_description(stack, event) for event in reversed(stack.events)]
        return ActionResult({"StackEvents": events})

    def describe_events(self) -> ActionResult:
        """The same history in the newer form; a change set has none, since it is planned before it is answered."""
        if self._get_param("ChangeSetName"):
            return ActionResult({"OperationEvents": []})
        stack = self._region.get(self._get_param("StackName"))
        operation = self._get_param("OperationId")
        failed_only = bool((self._get_param("Filters") or {}).get("FailedEvents"))
        return ActionResult(
            {
                "OperationEvents": [
                    {**descriptions.event_description(stack, event), "EventType": "STACK_EVENT"}
                    for event in reversed(stack.events)
                    if operation in {None, event.operation_id} and (not failed_only or event.status.endswith("FAILED"))
                ]
            }
        )

    def update_termination_protection(self) -> ActionResult:
        """Allow or forbid that a stack is deleted."""
        stack = self._region.get(self._get_param("StackName"))
        stack.termination_protection = bool(self._get_param("EnableTerminationProtection"))
        return ActionResult({"StackId": stack.id})

    def describe_stack_resources(self) -> ActionResult:
        """The resources of a stack, or the stack that holds a physical resource."""
        name, physical_id = self._get_param("StackName"), self._get_param("PhysicalResourceId")
        stack = self._region.get(name) if name else self._holder(physical_id)
        described = descriptions.resource_descriptions(stack, self._get_param("LogicalResourceId"))
        return ActionResult(
            {"StackResources": [item for item in described if physical_id in {None, item.get("PhysicalResourceId")}]}
        )

    def list_stack_resources(self) -> ActionResult:
        """The resources of a stack."""
        stack = self._region.get(self._get_param("StackName"))
        return ActionResult({"StackResourceSummaries": descriptions.resource_descriptions(stack)})

    def describe_stack_resource(self) -> ActionResult:
        """One resource of a stack."""
        stack, logical_id = self._region.get(self._get_param("StackName")), self._get_param("LogicalResourceId")
        described = descriptions.resource_descriptions(stack, logical_id)
        if not described:
            message = f"Resource {logical_id} does not exist for stack {stack.name}"
            raise ValidationError(message)
        return ActionResult({"StackResourceDetail": described[0]})

    def list_exports(self) -> ActionResult:
        """What all stacks export."""
        exports = [
            {"ExportingStackId": stack.id, "Name": name, "Value": value}
            for stack in self._region.live_stacks()
            for name, value in stack.exports.items()
        ]
        return ActionResult({"Exports": exports})

    def list_imports(self) -> ActionResult:
        """The stacks that import an export."""
        name = self._get_param("ExportName")
        importers = self._region.importers(name)
        if not importers:
            message = f"Export '{name}' is not imported by any stack."
            raise ValidationError(message)
        return ActionResult({"Imports": importers})

    def get_template(self) -> ActionResult:
        """The template of a stack or change set, as it was submitted."""
        name = self._get_param("ChangeSetName")
        if name:
            _, change_set = self._engine.change_set(name, self._get_param("StackName"))
            template = change_set.target.template
        else:
            stack = self._region.get(self._get_param("StackName"))
            if stack.target is None:
                # A stack that is still in review has, on AWS too, an empty template.
                return ActionResult({"TemplateBody": "{}", "StagesAvailable": ["Original", "Processed"]})
            template = stack.target.template
        return ActionResult({"TemplateBody": template.body, "StagesAvailable": ["Original", "Processed"]})

    def get_template_summary(self) -> ActionResult:
        """What a template holds."""
        name = self._get_param("StackName")
        stack = self._region.get(name) if name else None
        template = stack.target.template if stack and stack.target else Template(self._template_body())
        return ActionResult(descriptions.template_summary(template, self.region))

    def _target(self, stack: Stack | None) -> Target:
        return submitted_target(self._get_param, stack, self._template_body)

    def _template_body(self) -> str:
        s3 = self.clients.client("s3", self.current_account, self.region)
        return template_body(self._get_param, s3)

    def _holder(self, physical_id: str) -> Stack:
        for stack in self._region.live_stacks():
            if any(resource.physical_id == physical_id for resource in stack.resources.values()):
                return stack
        message = f"Stack for {physical_id} does not exist"
        raise ValidationError(message)
