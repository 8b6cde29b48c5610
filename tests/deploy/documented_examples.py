"""The examples of a page in `docs/`, in their order, as programs that can be run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
# What each language of a block is run with. Other blocks (console) are for people to read.
_RUN_WITH = {
    "sh": ["sh", "-eu", "-c"],
    "python": [sys.executable, "-W", "error", "-c"],
    "js": ["node", "--input-type=module", "--eval"],
}
_TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Example:
    """One block of a page."""

    language: str
    code: str
    line: int

    @property
    def name(self) -> str:
        """The language and the line, which no other example has."""
        return f"{self.language}-line-{self.line}"

    def run(self, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run it in a folder, with these variables and those of the process."""
        return subprocess.run(
            [*_RUN_WITH[self.language], self.code],
            cwd=folder,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )


def examples(page: Path) -> Iterator[Example]:
    """The page's examples that can be run."""
    text = page.read_text()
    for block in _BLOCK.finditer(text):
        if block["language"] in _RUN_WITH:
            yield Example(block["language"], block["code"], text.count("\n", 0, block.start()) + 1)
