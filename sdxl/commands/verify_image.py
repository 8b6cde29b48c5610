"""`sdxl verify-image`: what image files say of themselves, and whether it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from image_api.images import UnknownFormatError
from image_api.marks.credentials import anchors_of
from image_api.marks.files import DamagedFileError
from image_api.marks.inspection import FileMarks, read_marks

from sdxl.console import print_result, print_table, say
from sdxl.errors import UsageError
from sdxl.project import ENVIRONMENTS
from stacks.environment import EnvironmentFileError, environment_paths, load_environment

_STYLES = {"valid": "green", "changed": "red", "invalid": "red", "damaged": "red", "none": "", "not trusted": "yellow"}


def verify_image(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="PNG, JPEG or WebP.", show_default=False)],
    *,
    trust: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Certificates in PEM of authorities to trust, beside those of the environments in environments/; may "
            "be repeated.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Say of image files who signed them and whether that is trusted, what they declare, and their settings.

    Works on this machine alone: nothing is sent, and nothing is fetched.
    Exit code 1 when a file is damaged, was changed since it was signed, or has an invalid signature.

      sdxl verify-image out/a-red-fox-42.png

      sdxl verify-image images/*.jpg --json

      sdxl verify-image photo.jpg --trust authorities.pem
    """
    anchors = "".join((*_own_anchors(), *_given_anchors(trust or [])))
    found = [(path, _marks(path, anchors)) for path in files]
    if as_json:
        print_result(json.dumps({"files": [_content(path, marks) for path, marks in found]}, indent=2))
    else:
        rows = [_row(path, marks) for path, marks in found]
        styles = [_STYLES.get(row[0], "") for row in rows]
        print_table(("signature", "file", "signed by", "declared", "settings"), rows, styles=styles)
    bad = [
        path for path, marks in found if isinstance(marks, str) or marks.credentials.status in ("changed", "invalid")
    ]
    if bad:
        say(f"{len(bad)} of {len(found)} not as signed, or damaged: {', '.join(map(str, bad))}", style="red")
        raise typer.Exit(1)


def _marks(path: Path, anchors: str) -> FileMarks | str:
    """The marks of a file, or why it has none that can be read."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}. Name image files.") from exc
    try:
        return read_marks(content, trust_anchors=anchors)
    except UnknownFormatError:
        return "it is no PNG, JPEG or WebP"
    except DamagedFileError as exc:
        return str(exc)


def _own_anchors() -> Iterator[str]:
    """What the certificates of this clone's environments end in."""
    try:
        paths = environment_paths(ENVIRONMENTS)
    except EnvironmentFileError:
        return
    for path in paths:
        try:
            credentials = load_environment(path).api.content_credentials
        except EnvironmentFileError as exc:
            say(f"The certificates of {path.stem} are not trusted: {exc.problems[0]}", style="yellow")
            continue
        if credentials is not None and credentials.chain_file is not None:
            yield anchors_of(credentials.chain_file.read_text())


def _given_anchors(files: list[Path]) -> Iterator[str]:
    for file in files:
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(f"--trust {file} cannot be read: {exc}. Name a file of certificates in PEM.") from exc
        if "-----BEGIN CERTIFICATE-----" not in text:
            raise UsageError(f"--trust {file} holds no certificate in PEM.")
        yield f"{text.strip()}\n"


def _content(path: Path, marks: FileMarks | str) -> dict[str, Any]:
    if isinstance(marks, str):
        return {"file": str(path), "error": marks}
    return {"file": str(path), "error": None, **msgspec.to_builtins(marks)}


def _row(path: Path, marks: FileMarks | str) -> tuple[str, str, str, str, str]:
    if isinstance(marks, str):
        return ("damaged", str(path), "-", "-", marks)
    seen = marks.credentials
    status = "not trusted" if seen.status == "valid" and not seen.trusted else seen.status
    signer = " of ".join(part for part in (seen.signer, seen.issuer) if part) or "-"
    return (status, str(path), signer, marks.declared or "-", " / ".join((marks.parameters or "-").split("\n")))
