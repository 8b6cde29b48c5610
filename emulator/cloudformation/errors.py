"""The errors that CloudFormation's API answers with, and those that a resource type raises.

CloudFormationError            answered to the caller as CloudFormation's own error
├── ValidationError            the request or the template is wrong
├── ChangeSetNotFoundError
├── InsufficientCapabilitiesError
├── InvalidChangeSetStatusError
└── AlreadyExistsError
ResourceError                  a resource could not be made, changed or deleted: fails the stack operation
"""

from moto.core.exceptions import ServiceException


class CloudFormationError(ServiceException):  # type: ignore[misc]
    """An error of the CloudFormation API, with its AWS error code."""

    code = "ValidationError"


class ValidationError(CloudFormationError):
    """The request or the template is wrong."""

    code = "ValidationError"


class ChangeSetNotFoundError(CloudFormationError):
    """No change set of that name or ARN."""

    code = "ChangeSetNotFoundException"


class InsufficientCapabilitiesError(CloudFormationError):
    """The template makes IAM resources and the caller did not acknowledge it."""

    code = "InsufficientCapabilitiesException"


class InvalidChangeSetStatusError(CloudFormationError):
    """The change set cannot be executed or deleted in its present status."""

    code = "InvalidChangeSetStatus"


class AlreadyExistsError(CloudFormationError):
    """A stack or change set of that name is there already."""

    code = "AlreadyExistsException"


class ResourceError(Exception):
    """A resource could not be made, changed or deleted; the message becomes the resource's status reason."""
