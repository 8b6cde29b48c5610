"""The command people run, and the client behind it."""

__version__ = "0.1.0"
