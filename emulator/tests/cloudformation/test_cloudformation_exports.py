"""Values that stacks hand to one another."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from cloudformation_support import Stacks, named_parameter, parameter

EXPORT = {"Out": {"Value": {"Ref": "A"}, "Export": {"Name": "shared"}}}
IMPORT = {"B": parameter({"Fn::ImportValue": "shared"})}


def test_an_export_reaches_the_stack_that_imports_it(stacks: Stacks, client: object) -> None:
    stacks.deploy({"A": named_parameter("/a")}, name="producer", Outputs=EXPORT)
    stacks.deploy(IMPORT, name="consumer", Outputs={"Got": {"Value": {"Fn::ImportValue": "shared"}}})

    assert stacks.outputs("consumer") == {"Got": "/a"}
    assert stacks.api.list_exports()["Exports"][0]["Name"] == "shared"
    assert stacks.api.list_imports(ExportName="shared")["Imports"] == ["consumer"]


def test_an_import_of_nothing_is_refused(stacks: Stacks) -> None:
    with pytest.raises(ClientError, match=r"No export named shared found\."):
        stacks.change_set(IMPORT)


def test_a_stack_whose_export_is_in_use_is_not_deleted(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter()}, name="producer", Outputs=EXPORT)
    stacks.deploy(IMPORT, name="consumer")

    stacks.api.delete_stack(StackName="producer")

    assert stacks.status("producer") == "DELETE_FAILED"
    assert "Cannot delete export shared as it is in use by consumer." in stacks.reasons("producer")
    stacks.api.delete_stack(StackName="consumer")
    stacks.api.delete_stack(StackName="producer")
    assert stacks.api.describe_stacks()["Stacks"] == []


def test_an_export_in_use_is_not_taken_away(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter()}, name="producer", Outputs=EXPORT)
    stacks.deploy(IMPORT, name="consumer")

    assert stacks.deploy({"A": parameter("other")}, name="producer") == "UPDATE_ROLLBACK_COMPLETE"
    assert "Cannot delete export shared as it is in use by consumer." in stacks.reasons("producer")
    assert stacks.api.list_exports()["Exports"]


def test_an_export_in_use_does_not_change_its_value(stacks: Stacks) -> None:
    stacks.deploy({"A": named_parameter("/one")}, name="producer", Outputs=EXPORT)
    stacks.deploy(IMPORT, name="consumer")

    assert stacks.deploy({"A": named_parameter("/two")}, name="producer", Outputs=EXPORT) == "UPDATE_ROLLBACK_COMPLETE"

    assert "Cannot update export shared as it is in use by consumer." in stacks.reasons("producer")
    assert stacks.api.list_exports()["Exports"][0]["Value"] == "/one"


def test_two_stacks_cannot_export_one_name(stacks: Stacks) -> None:
    stacks.deploy({"A": parameter()}, name="first", Outputs=EXPORT)

    assert stacks.deploy({"A": parameter()}, name="second", Outputs=EXPORT) == "ROLLBACK_COMPLETE"
    assert "Export with name shared is already exported by stack first." in stacks.reasons("second")
