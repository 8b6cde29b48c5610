"""A release is whole, or nothing of it runs."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from inference.release import InvalidReleaseError, lora_file, main, verify, write_manifest
from inference.tiny import write_release

ROOT = Path(__file__).resolve().parents[2]
UNET = "base/unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(release_folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(release_folder, copy)
    return copy


def test_a_whole_release_is_verified(release_folder):
    release = verify(release_folder)
    assert release.digest == verify(release_folder, digest=release.digest).digest
    assert set(release.loras) == {"tiny-style"}
    assert set(release.controlnets) == {"canny"}
    assert lora_file(release.loras["tiny-style"]) == "pytorch_lora_weights.safetensors"


def test_the_same_files_have_the_same_digest(release_folder, folder):
    assert write_manifest(folder) == verify(release_folder).digest


def test_the_tiny_model_is_the_same_each_time(release_folder, tmp_path):
    write_release(tmp_path)
    assert verify(tmp_path).digest == verify(release_folder).digest


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def add_zip(path):
    torch.save({"weight": torch.ones(1)}, path)


DAMAGES = {
    "a bit of the weights": lambda folder: flip(folder / UNET),
    "a configuration": lambda folder: (folder / "base/vae/config.json").write_text("{}"),
    "a file less": lambda folder: (folder / "LICENSE").unlink(),
    "a file more": lambda folder: (folder / "extra.txt").write_text("surplus"),
    "a link": lambda folder: (folder / "link.txt").symlink_to("LICENSE"),
    "cut short": lambda folder: (folder / UNET).write_bytes((folder / UNET).read_bytes()[:-10]),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "an empty manifest": lambda folder: (folder / "manifest.json").write_text(""),
    "a manifest of another format": lambda folder: (folder / "manifest.json").write_text('{"format": 2, "files": []}'),
    "a manifest without files": lambda folder: (folder / "manifest.json").write_text('{"format": 1, "files": []}'),
    "a manifest that is a list": lambda folder: (folder / "manifest.json").write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_release_is_refused(folder, damage):
    DAMAGES[damage](folder)
    with pytest.raises(InvalidReleaseError):
        verify(folder)


def test_another_release_is_refused(folder):
    (folder / "LICENSE").write_text("Another.\n")
    digest = write_manifest(folder)
    assert verify(folder).digest == digest
    with pytest.raises(InvalidReleaseError, match="expected is"):
        verify(folder, digest="0" * 64)


@pytest.mark.parametrize("name", ["a.bin", "a.PT", "a.ckpt", "a.pkl", "a.txt", "weights.zip", "a.safetensors"])
def test_a_pickle_is_refused_whatever_its_name_is(folder, name):
    path = folder / "base/unet" / name
    if name == "weights.zip":
        add_zip(path)
    else:
        path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InvalidReleaseError, match="pickle"):
        write_manifest(folder)


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 7, b"\xff" * 64, b"\x02\x00\x00\x00\x00\x00\x00\x00[]", b"no tensors at all"]
)
def test_weights_that_are_no_safetensors_are_refused(folder, data):
    (folder / "base/unet/other.safetensors").write_bytes(data)
    with pytest.raises(InvalidReleaseError, match=r"other\.safetensors"):
        write_manifest(folder)


def test_a_name_that_cannot_be_one_within_the_network_is_refused(folder):
    (folder / "loras/tiny-style").rename(folder / "loras/tiny.style")
    write_manifest(folder)
    with pytest.raises(InvalidReleaseError, match=r"tiny\.style"):
        verify(folder)


def test_weights_need_a_licence_and_a_network(folder):
    (folder / UNET).unlink()
    with pytest.raises(InvalidReleaseError, match="unet"):
        write_manifest(folder)
    (folder / "LICENSE").unlink()
    with pytest.raises(InvalidReleaseError, match="LICENSE"):
        write_manifest(folder)


def test_the_command_prints_the_digest_or_one_line(folder, capsys):
    assert main(["manifest", str(folder)]) == 0
    digest = capsys.readouterr().out.strip()
    assert main(["verify", str(folder)]) == 0
    assert capsys.readouterr().out.strip() == digest
    flip(folder / UNET)
    assert main(["verify", str(folder)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {UNET} is not the file")
    assert main(["publish", str(folder)]) == 2


def test_checking_a_release_needs_no_torch(folder):
    # `sdxl` and pipelines check releases where PyTorch is not installed.
    code = (
        "import sys; from inference.release import verify; from pathlib import Path; "
        "verify(Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True)


def test_the_manifest_names_every_file_with_its_size(release_folder):
    files = json.loads((release_folder / "manifest.json").read_text())["files"]
    for file in files:
        assert (release_folder / file["path"]).stat().st_size == file["size"]
    assert [file["path"] for file in files] == sorted(file["path"] for file in files)
