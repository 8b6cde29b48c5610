"""A tiny SDXL with random weights, built on the spot: the real networks' shapes, a thousandth of a percent of the size.

Its images show noise. It is for tests, and for running this server without weights or a GPU:
`python -m inference.tiny FOLDER` writes a release of 3 MB.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers import pre_tokenizers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from inference.release import write_manifest

_WIDTH = 16
_SEED = 20230726  # SDXL 1.0's day of release
_LICENSE = "Random weights: nobody's work.\n"
_BEGIN, _END, _PAD = "<|startoftext|>", "<|endoftext|>", "!"
# Each of the UNet's modules that attention has.
_LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")


def build_pipeline(seed: int = _SEED) -> StableDiffusionXLPipeline:
    """Return the pipeline, in 32 bits on the CPU; the same weights for the same seed and version of PyTorch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return StableDiffusionXLPipeline(
            vae=AutoencoderKL(
                block_out_channels=[4, 4, 8, 8],
                in_channels=3,
                out_channels=3,
                down_block_types=["DownEncoderBlock2D"] * 4,
                up_block_types=["UpDecoderBlock2D"] * 4,
                latent_channels=4,
                norm_num_groups=2,
                scaling_factor=0.13025,
                sample_size=128,
                force_upcast=True,
            ).eval(),
            text_encoder=CLIPTextModel(_text_config()).eval(),
            text_encoder_2=CLIPTextModelWithProjection(_text_config()).eval(),
            tokenizer=_tokenizer(_END),
            tokenizer_2=_tokenizer(_PAD),
            unet=UNet2DConditionModel(**_unet_config(), out_channels=4, up_block_types=_UP).eval(),
            scheduler=EulerDiscreteScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                timestep_spacing="leading",
                steps_offset=1,
            ),
            force_zeros_for_empty_prompt=True,
            add_watermarker=False,
        )


def write_release(folder: Path, *, seed: int = _SEED) -> None:
    """Write a whole release: base weights, a LoRA adapter `tiny-style`, a ControlNet `canny`, licence and manifest."""
    pipeline = build_pipeline(seed)
    pipeline.save_pretrained(folder / "base", safe_serialization=True)
    _write_lora(pipeline, folder / "loras" / "tiny-style", seed + 1)
    _build_controlnet(seed + 2).save_pretrained(folder / "controlnet" / "canny", safe_serialization=True)
    (folder / "LICENSE").write_text(_LICENSE)
    write_manifest(folder)


_DOWN = ["DownBlock2D", "CrossAttnDownBlock2D"]
_UP = ["CrossAttnUpBlock2D", "UpBlock2D"]


def _unet_config() -> dict[str, Any]:
    """SDXL's own structure (its `unet/config.json`) with narrow blocks."""
    return {
        "in_channels": 4,
        "down_block_types": _DOWN,
        "block_out_channels": [_WIDTH, 2 * _WIDTH],
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "attention_head_dim": [2, 4],
        "use_linear_projection": True,
        "transformer_layers_per_block": [1, 1],
        "cross_attention_dim": 2 * _WIDTH,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        # Six numbers of the size, and the pooled embedding.
        "projection_class_embeddings_input_dim": 6 * 8 + _WIDTH,
    }


def _text_config() -> CLIPTextConfig:
    tokenizer = _tokenizer(_END)
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=_WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _tokenizer(padding: str) -> CLIPTokenizer:
    """CLIP's tokenizer without merges: a token a byte, and another for a byte that ends a word."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), _BEGIN, _END]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, merges=[], pad_token=padding, model_max_length=77
    )


def _write_lora(pipeline: StableDiffusionXLPipeline, folder: Path, seed: int) -> None:
    """An adapter of rank 2 for each attention of the UNet, in diffusers' own naming."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = {}
        for name, module in pipeline.unet.named_modules():
            if isinstance(module, torch.nn.Linear) and name.endswith(_LORA_TARGETS):
                weights[f"{name}.lora_A.weight"] = torch.randn(2, module.in_features) / 4
                weights[f"{name}.lora_B.weight"] = torch.randn(module.out_features, 2) / 4
    StableDiffusionXLPipeline.save_lora_weights(folder, unet_lora_layers=weights, safe_serialization=True)


def _build_controlnet(seed: int) -> ControlNetModel:
    """A ControlNet whose last layers are random, too: fresh ones are zero, and change nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ControlNetModel(**_unet_config(), conditioning_embedding_out_channels=(8, 8, 16, 16)).eval()
        for layer in [*network.controlnet_down_blocks, network.controlnet_mid_block]:
            torch.nn.init.normal_(layer.weight, std=0.4)
        for layer in network.controlnet_cond_embedding.modules():
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight)
        return network


def main(arguments: list[str]) -> int:
    """Write a release into the folder that is named."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m inference.tiny FOLDER\n")
        return 2
    write_release(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
