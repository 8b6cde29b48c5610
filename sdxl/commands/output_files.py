"""Where generated images are saved: names made from the prompt and seed, and no file ever lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdxl.client import Image
from sdxl.errors import SdxlError, UsageError

DEFAULT_FOLDER = Path("out")
LONGEST_SLUG = 40
PLACEHOLDERS = ("{seed}", "{index}")


def slug(prompt: str) -> str:
    """Return the prompt as part of a file name: its letters and digits, in any script, joined by dashes."""
    words = re.sub(r"[\W_]+", "-", prompt.lower()).strip("-")
    return words[:LONGEST_SLUG].rstrip("-") or "image"


@dataclass(frozen=True, kw_only=True)
class OutputPattern:
    """What `-o` asks for: a file, a folder/, or a name with {seed} or {index} in it. None: `out/<prompt>-<seed>.png`.

    `seed` is the one asked for, or None where the API draws it and the names are known only afterwards.
    """

    output: str | None
    prompt: str
    seed: int | None = None
    overwrite: bool = False

    def check(self, samples: int) -> None:
        """Refuse, before anything is generated, a name that is taken or a folder that cannot be written to."""
        template = self._template(samples)
        names = [template.replace("{index}", str(number)) for number in range(1, samples + 1)]
        if self.seed and samples == 1:
            names = [name.replace("{seed}", str(self.seed)) for name in names]
        for path in map(Path, names):
            if self.output is not None and path.exists() and not self.overwrite:
                raise UsageError(f"{path} exists already. Give another name with -o, or --force to overwrite it.")
        folder = Path(template).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise UsageError(f"Images cannot be saved in {folder}: {exc.strerror}. Choose another with -o.") from exc

    def save(self, images: Sequence[Image]) -> list[Path]:
        """Save each image and return the paths. A name taken meanwhile gets a number: a paid image is never lost."""
        template = self._template(len(images))
        paths: list[Path] = []
        for number, image in enumerate(images, start=1):
            path = Path(template.replace("{index}", str(number)).replace("{seed}", str(image.seed)))
            if not self.overwrite or path in paths:
                path = _free(path)
            try:
                paths.append(image.save(path, overwrite=self.overwrite))
            except OSError as exc:
                raise SdxlError(f"{path} cannot be written: {exc.strerror}. {len(paths)} images were saved.") from exc
        return paths

    def _template(self, count: int) -> str:
        """Return the name with placeholders, so that several images have several names."""
        by_prompt = f"{slug(self.prompt)}-{{seed}}.png"
        if self.output is None:
            return str(DEFAULT_FOLDER / by_prompt)
        if self.output.endswith("/") or Path(self.output).is_dir():
            return str(Path(self.output) / by_prompt)
        if count > 1 and not any(placeholder in self.output for placeholder in PLACEHOLDERS):
            output = Path(self.output)
            return str(output.with_name(f"{output.stem}-{{index}}{output.suffix}"))
        return self.output


def _free(path: Path) -> Path:
    """Return the path, or the first numbered one like it that is free."""
    candidate, number = path, 2
    while candidate.exists():
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return candidate
