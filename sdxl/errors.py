"""What `sdxl` ends with: its exit codes, and the errors that carry them.

SdxlError                 1  something on this machine failed
├── UsageError            2  wrong arguments, or a wrong environment file
├── RequestRefusedError   3  the API answered that the request itself is wrong, or that the key is
├── UnavailableError      4  the API could not be reached, is busy, or failed
└── NotDeployedError      5  there is no deployment to call, or it cannot be looked up
"""

from __future__ import annotations

EXIT_CODES_HELP = (
    "Exit codes: 0 done · 1 failed on this machine · 2 wrong arguments or environment file · 3 refused by the API "
    "(4xx) · 4 API unreachable, busy or failing (429, 5xx) · 5 nothing deployed to call · 130 interrupted"
)

EXIT_INTERRUPTED = 130


class SdxlError(Exception):
    """Something on this machine failed. The message is one paragraph: what was wrong, and what to do."""

    exit_code = 1


class UsageError(SdxlError):
    """The command was given something that it cannot take."""

    exit_code = 2


class RequestRefusedError(SdxlError):
    """The API refused the request: sending it again changes nothing."""

    exit_code = 3


class UnavailableError(SdxlError):
    """The API did not answer, was busy for longer than we wait, or failed."""

    exit_code = 4


class NotDeployedError(SdxlError):
    """There is no deployment to call, or looking for it failed."""

    exit_code = 5
