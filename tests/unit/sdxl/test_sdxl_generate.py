"""`sdxl generate` as a person or a script sees it: arguments, output, files and exit codes."""

import base64
import io
import json
from functools import partial
from pathlib import Path

import httpx2
import pytest
from image_api.marks.files import write_png_base64
from PIL import Image
from typer.testing import CliRunner

from sdxl.cli import app
from sdxl.client import Client
from sdxl.commands import generate
from sdxl.deployment.record import Deployment

LOCAL = Deployment(kind="local", api_url="http://127.0.0.1:4580", api_key="secret-key", environment="dev")


@pytest.fixture
def run(api, monkeypatch):
    monkeypatch.setattr(generate, "choose_deployment", lambda target, note: LOCAL)
    monkeypatch.setattr(
        generate, "Client", partial(Client, transport=api.transport, sleep=lambda _: None, draw=lambda: 0.0)
    )
    return partial(CliRunner().invoke, app)


def test_an_image_is_saved_and_described(run):
    done = run(["generate", "A red fox", "--seed", "42"])
    assert done.exit_code == 0
    assert done.stdout.startswith("out/a-red-fox-42.png  seed 42  64x64  ")
    assert "Using dev on this machine, http://127.0.0.1:4580" in done.stderr
    assert Path("out/a-red-fox-42.png").is_file()


def test_every_option_reaches_the_api(run, api):
    options = (
        "--size widescreen --samples 2 --seed 1 --steps 30 --cfg-scale 5 --sampler DDIM --negative blur --style anime"
    )
    assert run(["generate", "a fox", *options.split()]).exit_code == 0
    assert api.bodies() == [
        {
            "text_prompts": [{"text": "a fox", "weight": 1.0}, {"text": "blur", "weight": -1.0}],
            "width": 1344,
            "height": 768,
            "samples": 2,
            "seed": 1,
            "steps": 30,
            "cfg_scale": 5.0,
            "sampler": "DDIM",
            "style_preset": "anime",
        }
    ]


@pytest.fixture
def files(png):
    Path("fox.png").write_bytes(png)
    Path("hat.png").write_bytes(png)
    Path("notes.txt").write_text("not an image")
    return base64.b64encode(png).decode()


@pytest.mark.parametrize(
    "example",
    [
        ("--strength 0.5", "image-to-image", {"image_strength": 0.5}),
        ("--strength 0", "image-to-image", {"image_strength": 0.0}),
        ("--mask hat.png", "image-to-image/masking", {"mask_source": "MASK_IMAGE_WHITE"}),
        ("--mask hat.png --repaint black", "image-to-image/masking", {"mask_source": "MASK_IMAGE_BLACK"}),
        ("--repaint transparent", "image-to-image/masking", {"mask_source": "INIT_IMAGE_ALPHA"}),
    ],
)
def test_an_image_is_changed(run, api, files, example):
    options, path, fields = example
    assert run(["generate", "a hat", "--init-image", "fox.png", *options.split()]).exit_code == 0
    (sent,) = api.requests
    assert sent.url.path.endswith(f"/{path}")
    expected = {"text_prompts": [{"text": "a hat", "weight": 1.0}], "init_image": files, **fields}
    assert api.bodies() == [expected | ({"mask_image": files} if "hat.png" in options else {})]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--init-image missing.png", "--init-image 'missing.png' cannot be read: No such file or directory"),
        ("--init-image .", "--init-image '.' cannot be read: Is a directory"),
        ("--init-image notes.txt", "--init-image 'notes.txt' is not an image: it must be a PNG, JPEG or WebP file"),
        ("--init-image fox.png --mask notes.txt", "--mask 'notes.txt' is not an image"),
        ("--init-image fox.png --size square", "--size is given with --init-image"),
        ("--init-image fox.png --strength 1.5", "--strength"),
        ("--init-image fox.png --repaint white", "--repaint white says what to repaint of --mask"),
        ("--init-image fox.png --mask hat.png --repaint red", "'red'. Use one of white, black, transparent"),
        ("--init-image fox.png --mask hat.png --repaint transparent", "takes the mask from init_image"),
        ("--mask hat.png", "--mask needs --init-image"),
        ("--strength 0", "--strength needs --init-image"),
    ],
)
def test_wrong_images_end_with_2_before_anything_is_called(run, api, files, options, message):
    done = run(["generate", "a hat", *options.split()])
    assert (done.exit_code, done.stdout, api.requests) == (2, "", [])
    assert message in done.stderr


def test_the_apis_warnings_are_said(run, api, png):
    artifact = {"base64": base64.b64encode(png).decode(), "seed": 1, "finishReason": "SUCCESS"}
    warning = "SDXL 1.0 is not trained for 512x512 and may crop its subject."
    api.answers = [httpx2.Response(200, json={"artifacts": [artifact]}, headers={"x-sdxl-warning": warning})]
    assert warning in run(["generate", "a fox", "--size", "512x512"]).stderr


def test_without_options_the_api_decides(run, api):
    run(["generate", "a fox"])
    assert api.bodies() == [{"text_prompts": [{"text": "a fox", "weight": 1.0}]}]


def test_json_is_one_object_alone_on_stdout(run):
    done = run(["generate", "a fox", "-n", "2", "--json"])
    result = json.loads(done.stdout)
    assert [image["path"] for image in result["images"]] == ["out/a-fox-1234.png", "out/a-fox-1235.png"]
    assert result["deployment"] == {"kind": "local", "environment": "dev", "api_url": LOCAL.api_url}


@pytest.mark.parametrize(
    ("size", "pixels"),
    [
        ("square", (1024, 1024)),
        ("Ultrawide", (1536, 640)),
        ("fullscreen", (1152, 896)),
        ("mobile-landscape", (1216, 832)),
        ("mobile-portrait", (832, 1216)),
        ("tall", (768, 1344)),
        ("640x1536", (640, 1536)),
        (" 512 X 512 ", (512, 512)),
    ],
)
def test_sizes_by_use_and_by_number(run, api, size, pixels):
    assert run(["generate", "a fox", "--size", size]).exit_code == 0
    assert (api.bodies()[0]["width"], api.bodies()[0]["height"]) == pixels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a fox", "--size", "huge"], "'huge' is not a size. Use one of fullscreen, widescreen"),
        (["a fox", "--size", "1024"], "or WIDTHxHEIGHT"),
        ([" "], "The prompt is empty"),
        (["a fox", "--samples", "11"], "--samples"),
        (["a fox", "--seed", "-1"], "--seed"),
        (["a fox", "--seed", "x"], "--seed"),
        ([], "PROMPT"),
        (["a fox", "--nonsense"], "--nonsense"),
    ],
)
def test_wrong_arguments_end_with_2_before_anything_is_called(run, api, arguments, message):
    done = run(["generate", *arguments])
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""
    assert api.requests == []


def test_a_taken_file_ends_with_2_before_anything_is_called(run, api):
    Path("fox.png").write_text("precious")
    done = run(["generate", "a fox", "-o", "fox.png"])
    assert (done.exit_code, api.requests, Path("fox.png").read_text()) == (2, [], "precious")
    assert run(["generate", "a fox", "-o", "fox.png", "--force"]).exit_code == 0


@pytest.mark.parametrize(
    ("status", "exit_code"), [(400, 3), (403, 3), (404, 3), (429, 4), (500, 4), (502, 4), (503, 4), (504, 4)]
)
def test_the_apis_errors_become_exit_codes(run, api, error, status, exit_code):
    api.answers = [error(status, "some_name", "What was wrong.", **{"Retry-After": "999"})] * 3
    done = run(["generate", "a fox"])
    assert done.exit_code == exit_code
    assert "What was wrong." in done.stderr
    assert "request req-1" in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_an_api_that_cannot_be_reached_ends_with_4(run, api):
    api.answers = [httpx2.ConnectError("Connection refused")] * 3
    done = run(["generate", "a fox"])
    assert (done.exit_code, done.stdout) == (4, "")
    assert "Connection refused: trying again in 1 s" in done.stderr
    assert "127.0.0.1:4580 cannot be reached: Connection refused" in done.stderr


def test_waiting_for_a_busy_api_is_said(run, api, error):
    api.answers = [error(503, "model_not_ready", "The model is starting.", **{"Retry-After": "10"})]
    done = run(["generate", "a fox"])
    assert done.exit_code == 0
    assert "The model is starting (503): trying again in 10 s" in done.stderr


def test_waiting_can_be_turned_off(run, api, error):
    api.answers = [error(503, "model_not_ready", "The model is starting.", **{"Retry-After": "1"})]
    assert run(["generate", "a fox", "--retry-for", "0"]).exit_code == 4


def test_a_filtered_image_is_saved_and_said(run, api):
    api.finish_reason = "CONTENT_FILTERED"
    done = run(["generate", "a fox", "--json"])
    assert done.exit_code == 0
    assert "content filter" in done.stderr
    assert json.loads(done.stdout)["images"][0]["finish_reason"] == "CONTENT_FILTERED"


def test_the_key_is_never_shown(run, api, error):
    shown = run(["generate", "a fox"]).output
    api.answers = [error(401, "unauthorized", "The key is none of this API.")]
    assert "secret-key" not in shown + run(["generate", "a fox"]).output


def test_an_interruption_ends_with_130(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "choose_deployment", interrupted)
    done = run(["generate", "a fox"])
    assert (done.exit_code, "Interrupted." in done.stderr) == (130, True)


def test_nothing_deployed_ends_with_5(monkeypatch):
    monkeypatch.setattr("sdxl.deployment.choose.read_local_deployment", lambda: None)
    done = CliRunner().invoke(app, ["generate", "a fox", "--local"])
    assert done.exit_code == 5
    assert "does not run on this machine" in done.stderr


def test_an_unknown_environment_ends_with_2():
    done = CliRunner().invoke(app, ["generate", "a fox", "--env", "nowhere", "--aws"])
    assert done.exit_code == 2
    assert "nowhere" in done.stderr
    assert "dev" in done.stderr


def test_help_teaches_with_examples_and_exit_codes():
    help_text = CliRunner().invoke(app, ["--help"]).stdout
    assert "Exit codes: 0 done" in " ".join(help_text.split())
    assert "--size widescreen" in CliRunner().invoke(app, ["generate", "--help"]).stdout
    assert CliRunner().invoke(app, ["--version"]).stdout == "sdxl 0.1.0\n"


def test_pipes_and_no_color_get_plain_text(run):
    assert "\x1b" not in run(["generate", "a fox"], color=False).output


def image_like(path, settings):
    """An image of this API that holds settings."""
    image = base64.b64encode(drawn_png()).decode()
    path.write_bytes(base64.b64decode(write_png_base64(image, {"sdxl-settings": json.dumps(settings)}, "")))


def drawn_png():
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    return buffer.getvalue()


SETTINGS = {
    "prompt": "a fox",
    "negative_prompt": "people",
    "width": 1344,
    "height": 768,
    "seed": 7,
    "steps": 30,
    "cfg_scale": 5.5,
    "sampler": "DDIM",
    "style_preset": "anime",
    "operation": "text-to-image",
}


def test_an_image_is_drawn_with_the_settings_of_another(run, api):
    image_like(Path("fox.png"), SETTINGS)

    assert run(["generate", "--like", "fox.png"]).exit_code == 0

    assert api.bodies() == [
        {
            "text_prompts": [{"text": "a fox", "weight": 1.0}, {"text": "people", "weight": -1.0}],
            "width": 1344,
            "height": 768,
            "seed": 7,
            "steps": 30,
            "cfg_scale": 5.5,
            "sampler": "DDIM",
            "style_preset": "anime",
        }
    ]


def test_options_come_before_the_settings_of_the_image(run, api):
    image_like(Path("fox.png"), SETTINGS)

    assert (
        run(["generate", "a cat", "--like", "fox.png", "--seed", "0", "--steps", "50", "--size", "tall"]).exit_code == 0
    )

    (body,) = api.bodies()
    assert body["text_prompts"][0]["text"] == "a cat"
    assert (body["seed"], body["steps"], body["width"], body["height"]) == (0, 50, 768, 1344)


@pytest.mark.parametrize("content", [b"", b"GIF89a", drawn_png()], ids=["empty", "gif", "no settings"])
def test_an_image_without_settings_ends_with_2_before_anything_is_called(run, api, content):
    Path("fox.png").write_bytes(content)

    done = run(["generate", "--like", "fox.png"])

    assert done.exit_code == 2
    assert "--like fox.png" in done.stderr
    assert api.bodies() == []
