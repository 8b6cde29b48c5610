"""What every test runs with: the pinned Node.js, on which the CDK's engine and CLI run."""

import os
from pathlib import Path

_PROGRAMS = Path(__file__).resolve().parents[1] / "node_modules" / ".bin"

os.environ["PATH"] = f"{_PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
