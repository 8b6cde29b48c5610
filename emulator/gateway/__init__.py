"""API Gateway's data plane: serves the deployed REST APIs over HTTP."""

from emulator.gateway.app import create_gateway_app, is_api_host

__all__ = ["create_gateway_app", "is_api_host"]
