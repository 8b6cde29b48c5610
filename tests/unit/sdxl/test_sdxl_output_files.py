"""Names of saved images: readable, unique, and never at the price of an image."""

from pathlib import Path

import pytest

from sdxl.client import Image
from sdxl.commands.output_files import OutputPattern, slug
from sdxl.errors import SdxlError, UsageError


def images(png, *seeds):
    return [Image(seed=seed, read=lambda: png) for seed in seeds]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A red fox, in snow!", "a-red-fox-in-snow"),
        ("../../etc/passwd", "etc-passwd"),
        ("雪の中の狐", "雪の中の狐"),
        ("!!!", "image"),
        ("word " * 40, "word-word-word-word-word-word-word-word"),
    ],
)
def test_a_prompt_becomes_a_file_name(prompt, name):
    assert slug(prompt) == name


@pytest.mark.parametrize(
    ("output", "seeds", "paths"),
    [
        (None, (7,), ["out/a-fox-7.png"]),
        (None, (7, 8), ["out/a-fox-7.png", "out/a-fox-8.png"]),
        ("fox.png", (7,), ["fox.png"]),
        ("fox.png", (7, 8), ["fox-1.png", "fox-2.png"]),
        ("new/folder/", (7,), ["new/folder/a-fox-7.png"]),
        ("fox-{seed}.png", (7, 8), ["fox-7.png", "fox-8.png"]),
        ("{index}/fox.png", (7, 8), ["1/fox.png", "2/fox.png"]),
    ],
)
def test_where_images_go(png, output, seeds, paths):
    pattern = OutputPattern(output=output, prompt="A fox")
    pattern.check(len(seeds))
    assert pattern.save(images(png, *seeds)) == [Path(path) for path in paths]
    assert all(Path(path).read_bytes() == png for path in paths)


@pytest.mark.parametrize(
    ("output", "seed", "samples", "taken"),
    [
        ("fox.png", None, 1, "fox.png"),
        ("fox.png", None, 2, "fox-2.png"),
        ("fox-{seed}.png", 7, 1, "fox-7.png"),
        ("dir/fox-{index}.png", None, 3, "dir/fox-3.png"),
    ],
)
def test_a_taken_name_is_refused_before_anything_is_generated(output, seed, samples, taken):
    Path(taken).parent.mkdir(exist_ok=True)
    Path(taken).touch()
    with pytest.raises(UsageError, match=f"{taken} exists already"):
        OutputPattern(output=output, prompt="a fox", seed=seed).check(samples)
    OutputPattern(output=output, prompt="a fox", seed=seed, overwrite=True).check(samples)


def test_a_name_known_only_afterwards_gets_a_number(png):
    pattern = OutputPattern(output=None, prompt="a fox")
    assert [pattern.save(images(png, 7))[0].name for _ in range(3)] == ["a-fox-7.png", "a-fox-7-2.png", "a-fox-7-3.png"]


def test_forced_samples_do_not_overwrite_each_other(png):
    pattern = OutputPattern(output="fox-{seed}.png", prompt="a fox", overwrite=True)
    assert len(set(pattern.save(images(png, 7, 7)))) == 2
    assert pattern.save(images(png, 7)) == [Path("fox-7.png")]


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_generated():
    Path("file").touch()
    with pytest.raises(UsageError, match="cannot be saved in file/deeper"):
        OutputPattern(output="file/deeper/fox.png", prompt="a fox").check(1)


def test_a_failed_write_says_how_many_were_saved(png, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    pattern = OutputPattern(output="fox.png", prompt="x")
    with pytest.raises(SdxlError, match=r"fox.png cannot be written: No space left on device. 0 images were saved"):
        pattern.save(images(png, 7))
