"""`styles.yaml`: what is handed to the function, and that each mistake is named with its line and its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_api.settings import load_settings
from image_api.styles import BUILT_IN_STYLES

from stacks.environment import EnvironmentFileError
from stacks.environment.styles import MAX_JSON_BYTES, load_styles

HOUSE = "styles:\n  house:\n    description: Our own\n    prompt: in the house style\n"


def write(directory: Path, text: str) -> Path:
    path = directory / "styles.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def function_variables(styles: str) -> dict[str, str]:
    return {
        "SDXL_ENVIRONMENT": "dev",
        "SDXL_MODEL_SOURCE": "open",
        "SDXL_ENDPOINT_NAME": "sdxl-dev",
        "SDXL_IMAGES_BUCKET": "images",
        "SDXL_IMAGE_LINK_TTL_SECONDS": "3600",
        "SDXL_TIMEOUT_SECONDS": "29",
        "SDXL_STYLES": styles,
    }


def test_styles_reach_the_function_beside_the_built_in_ones(tmp_path: Path) -> None:
    styles = load_styles(write(tmp_path, f"{HOUSE}  sketch:\n    description: Lines\n    prompt: pencil sketch\n"))

    read = load_settings(function_variables(styles.function_variable())).styles

    assert tuple(style.name for style in read) == styles.names == ("house", "sketch")
    assert not {style.name for style in BUILT_IN_STYLES} & set(styles.names)


def test_every_setting_of_a_style_reaches_the_function(tmp_path: Path) -> None:
    text = HOUSE + "    negative: Ünruhe\n    parameters: {cfg_scale: 6, steps: 40, sampler: K_EULER}\n"

    (style,) = load_settings(function_variables(load_styles(write(tmp_path, text)).function_variable())).styles

    assert (style.name, style.description, style.prompt, style.negative) == (
        "house",
        "Our own",
        "in the house style",
        "Ünruhe",
    )
    assert (style.parameters.cfg_scale, style.parameters.steps, style.parameters.sampler) == (6.0, 40, "K_EULER")


def test_no_styles_are_no_variable(tmp_path: Path) -> None:
    styles = load_styles(write(tmp_path, "styles: {}\n"))

    assert styles.names == ()
    assert styles.function_variable() == ""
    assert load_settings(function_variables("")).styles == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("the file is empty", "styles: {}")),
        ("a: [", ("not valid YAML",)),
        ("styles: [1]\n", ("styles: received [1]", "a mapping")),
        ("{}\n", ("styles: missing",)),
        (HOUSE + "colour: red\n", (":5: colour: unknown setting, received", "allowed: styles")),
        (HOUSE.replace("house:", "House Style:"), ("styles.House Style", "small letters, digits and hyphens")),
        (HOUSE.replace("house:", "anime:"), (":2: styles.anime", "every deployment has", "choose another name")),
        (HOUSE.replace("prompt", "promt"), ("styles.house.promt", "styles.house.prompt: missing", "allowed: descr")),
        (HOUSE.replace("in the house style", "7"), (":4: styles.house.prompt: received 7", "quotes")),
        (HOUSE.replace("in the house style", '" "'), ("styles.house.prompt", "not blank")),
        (HOUSE.replace("in the house style", "x" * 501), ("1 to 500 characters", "shorten")),
        (HOUSE.replace("Our own", '"two\\nlines"'), ("styles.house.description", "one line")),
        (HOUSE + "    parameters: {steps: 9}\n", ("parameters.steps: received 9", "10 to 150")),
        (HOUSE + "    parameters: {steps: 20.5}\n", ("parameters.steps", "a whole number")),
        (HOUSE + '    parameters: {cfg_scale: "7"}\n', ("parameters.cfg_scale", "without quotes")),
        (HOUSE + "    parameters: {cfg_scale: 36}\n", ("parameters.cfg_scale: received 36", "0 to 35")),
        (HOUSE + "    parameters: {sampler: K_BEST}\n", ("'K_BEST'", "K_DPMPP_2M")),
        (HOUSE + "    parameters: {seed: 1}\n", ("parameters.seed", "allowed: cfg_scale, steps, sampler")),
        (HOUSE + "  house: {}\n", ("stands a second time",)),
    ],
)
def test_mistake_is_named_with_its_remedy(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        load_styles(write(tmp_path, text))

    for word in words:
        assert word in str(caught.value)
    assert "to do:" in str(caught.value)
    assert str(tmp_path / "styles.yaml") in str(caught.value)


def test_missing_file_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFileError, match="there is no such file"):
        load_styles(tmp_path / "styles.yaml")


def test_more_than_the_function_can_be_given_is_refused(tmp_path: Path) -> None:
    many = "".join(f"  style-{n}: {{description: d, prompt: {'x' * 400}}}\n" for n in range(9))

    with pytest.raises(EnvironmentFileError) as caught:
        load_styles(write(tmp_path, f"styles:\n{many}"))

    assert "9 styles take" in str(caught.value)
    assert f"{MAX_JSON_BYTES} bytes" in str(caught.value)
    assert "style-0" in str(caught.value)
