"""The errors that API Gateway itself answers with: their response types, statuses and default messages."""

from __future__ import annotations


class GatewayError(Exception):
    """A request that the gateway answers without, or in spite of, its integration.

    No gateway response words it where it is not `is_customizable`.
    """

    def __init__(
        self, response_type: str, status: int, error_type: str, message: str, *, is_customizable: bool = True
    ) -> None:
        super().__init__(message)
        self.response_type = response_type
        self.status = status
        self.error_type = error_type
        self.message = message
        self.is_customizable = is_customizable

    @property
    def default_type(self) -> str:
        """The response type that words this error where its own is not defined."""
        return "DEFAULT_4XX" if self.status < 500 else "DEFAULT_5XX"


def missing_authentication_token() -> GatewayError:
    """The route does not exist; API Gateway takes the request for one that lacks a signature."""
    message = "Missing Authentication Token"
    return GatewayError("MISSING_AUTHENTICATION_TOKEN", 403, "MissingAuthenticationTokenException", message)


def invalid_api_key() -> GatewayError:
    """The method needs a key of a usage plan of this stage."""
    return GatewayError("INVALID_API_KEY", 403, "ForbiddenException", "Forbidden")


def unauthorized(message: str = "Unauthorized") -> GatewayError:
    """The caller's token is missing or not accepted."""
    return GatewayError("UNAUTHORIZED", 401, "UnauthorizedException", message)


def access_denied(*, explicitly: bool) -> GatewayError:
    """The authorizer's policy does not allow the method."""
    message = "User is not authorized to access this resource"
    return access_denied_to(f"{message} with an explicit deny" if explicitly else message)


def access_denied_to(message: str) -> GatewayError:
    """The caller is known, and not allowed to invoke the method."""
    return GatewayError("ACCESS_DENIED", 403, "AccessDeniedException", message)


def filtered() -> GatewayError:
    """The stage's web ACL blocks the request."""
    return GatewayError("WAF_FILTERED", 403, "ForbiddenException", "Forbidden")


def authorizer_failure() -> GatewayError:
    """The authorizer's function failed."""
    return GatewayError("AUTHORIZER_FAILURE", 500, "AuthorizerFailureException", "Internal server error")


def authorizer_configuration_error() -> GatewayError:
    """The authorizer or its function does not exist, or its answer is not one."""
    message = "Internal server error"
    return GatewayError("AUTHORIZER_CONFIGURATION_ERROR", 500, "AuthorizerConfigurationException", message)


def invalid_signature(message: str) -> GatewayError:
    """The request's signature is not what its key would have made of it."""
    return GatewayError("INVALID_SIGNATURE", 403, "InvalidSignatureException", message)


def incomplete_signature(message: str) -> GatewayError:
    """The Authorization header is no signature."""
    return GatewayError("INVALID_SIGNATURE", 403, "IncompleteSignatureException", message)


def unrecognized_client() -> GatewayError:
    """Nobody has this access key."""
    message = "The security token included in the request is invalid."
    return GatewayError("INVALID_SIGNATURE", 403, "UnrecognizedClientException", message)


def throttled() -> GatewayError:
    """More requests than the usage plan or the stage allows."""
    return GatewayError("THROTTLED", 429, "TooManyRequestsException", "Too Many Requests")


def quota_exceeded() -> GatewayError:
    """The usage plan's quota for the period is used up."""
    return GatewayError("QUOTA_EXCEEDED", 429, "LimitExceededException", "Limit Exceeded")


def request_too_large() -> GatewayError:
    """The body is larger than the function accepts."""
    return GatewayError("REQUEST_TOO_LARGE", 413, "RequestTooLargeException", "Request Too Long")


def body_too_long(most_bytes: int) -> GatewayError:
    """The body is larger than API Gateway reads: it answers so before it knows the API."""
    message = f"HTTP content length exceeded {most_bytes} bytes."
    return GatewayError("REQUEST_TOO_LARGE", 413, "RequestTooLargeException", message, is_customizable=False)


def integration_timeout() -> GatewayError:
    """The integration did not answer in time."""
    return GatewayError("INTEGRATION_TIMEOUT", 504, "InternalServerErrorException", "Endpoint request timed out")


def internal_error(status: int = 502) -> GatewayError:
    """The integration failed or answered something that is no answer."""
    return GatewayError("DEFAULT_5XX", status, "InternalServerErrorException", "Internal server error")


def not_emulated(what: str) -> GatewayError:
    """Something deployed that this gateway cannot do. It says so, where AWS would do it."""
    return GatewayError("API_CONFIGURATION_ERROR", 500, "InternalServerErrorException", f"not emulated: {what}")
