"""IAM as moto has it, but for the names of service-linked roles."""

from __future__ import annotations

from typing import Any

from moto.iam.models import IAMBackend

# moto makes the name out of the service's; Application Auto Scaling User Guide, "Service-linked roles", has this one.
_NAMES = {
    "AWSServiceRoleForApplicationAutoScaling_Sagemaker": "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
}


def install() -> None:
    """Give service-linked roles the names that AWS gives them."""
    create_role = IAMBackend.create_role

    def named(self: IAMBackend, role_name: str, *arguments: Any, **named_arguments: Any) -> Any:
        return create_role(self, _NAMES.get(role_name, role_name), *arguments, **named_arguments)

    IAMBackend.create_role = named
