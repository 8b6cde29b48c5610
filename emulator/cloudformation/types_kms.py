"""AWS::KMS: keys and aliases."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

import json
from typing import ClassVar

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import boolean, call, removed_keys, tag_list, unless

DEFAULT_WINDOW_DAYS = 30


class Key(ResourceType):
    """A key. Deleting one schedules its deletion, as KMS does."""

    name = "AWS::KMS::Key"
    carried = words(
        "Description EnableKeyRotation Enabled KeyPolicy KeySpec KeyUsage MultiRegion Origin PendingWindowInDays "
        "RotationPeriodInDays Tags"
    )
    # AWS CloudFormation User Guide, AWS::KMS::Key: "If you change the value [...], the update request fails".
    fixed: ClassVar[dict[str, str]] = {
        name: f"{name} of an existing KMS key cannot be changed"
        for name in ("KeySpec", "KeyUsage", "MultiRegion", "Origin")
    }

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the key, then set its rotation and state."""
        kms = context.client("kms")
        fields = {key: properties[key] for key in ("Description", *self.fixed) if key in properties}
        if "KeyPolicy" in properties:
            fields["Policy"] = json.dumps(properties["KeyPolicy"])
        fields["Tags"] = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tag_list(properties)]
        metadata = call(kms, "CreateKey", fields, of=self.name)["KeyMetadata"]
        made = Made(metadata["KeyId"], {"Arn": metadata["Arn"], "KeyId": metadata["KeyId"]})
        context.initiated(made)
        self._set_rotation_and_state(context, made, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change description, policy, rotation, state and tags."""
        kms, key_id = context.client("kms"), made.physical_id
        kms.update_key_description(KeyId=key_id, Description=after.get("Description", ""))
        if "KeyPolicy" in before and "KeyPolicy" not in after:
            raise ResourceError(f"{self.name}.KeyPolicy: going back to the default policy is not emulated")
        if "KeyPolicy" in after and before.get("KeyPolicy") != after["KeyPolicy"]:
            kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=json.dumps(after["KeyPolicy"]))
        self._set_rotation_and_state(context, made, after)
        if removed_keys(before, after):
            kms.untag_resource(KeyId=key_id, TagKeys=removed_keys(before, after))
        tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tag_list(after)]
        kms.tag_resource(KeyId=key_id, Tags=tags)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Schedule the key's deletion."""
        days = int(properties.get("PendingWindowInDays", DEFAULT_WINDOW_DAYS))
        context.client("kms").schedule_key_deletion(KeyId=made.physical_id, PendingWindowInDays=days)

    def adopt(self, context: Context, physical_id: str, properties: Properties) -> Made:
        """An existing key, as it is."""
        metadata = context.client("kms").describe_key(KeyId=physical_id)["KeyMetadata"]
        return Made(metadata["KeyId"], {"Arn": metadata["Arn"], "KeyId": metadata["KeyId"]})

    def _set_rotation_and_state(self, context: Context, made: Made, properties: Properties) -> None:
        kms, key_id = context.client("kms"), made.physical_id
        if boolean(properties.get("EnableKeyRotation", False)):
            period = (
                {"RotationPeriodInDays": properties["RotationPeriodInDays"]}
                if "RotationPeriodInDays" in properties
                else {}
            )
            call(kms, "EnableKeyRotation", {"KeyId": key_id, **period}, of=self.name)
        else:
            kms.disable_key_rotation(KeyId=key_id)
        set_state = kms.enable_key if boolean(properties.get("Enabled", True)) else kms.disable_key
        set_state(KeyId=key_id)


class Alias(ResourceType):
    """Another name of a key."""

    name = "AWS::KMS::Alias"
    carried = words("AliasName TargetKeyId")
    name_property = "AliasName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the alias."""
        call(context.client("kms"), "CreateAlias", properties, of=self.name)
        return Made(properties["AliasName"])

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Point the alias at another key."""
        context.client("kms").update_alias(AliasName=made.physical_id, TargetKeyId=after["TargetKeyId"])
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Take the alias away."""
        unless("NotFoundException", context.client("kms").delete_alias, AliasName=made.physical_id)
