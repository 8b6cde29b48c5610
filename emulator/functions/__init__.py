"""Lambda: runs the deployed code of moto's functions through Lambda's own runtime client, without containers."""

from emulator.functions.operation import install, invoke_function, stop_all

__all__ = ["install", "invoke_function", "stop_all"]
