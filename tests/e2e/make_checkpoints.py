"""Write small random checkpoints in the single-file layouts of real Stable Diffusion models.

    python tests/e2e/make_checkpoints.py OUTDIR [--kinds sd1,sd1b,sd2,sdxl,sdxlb,refiner,sd3,flux,chroma,…]

For every kind the generator writes ``tiny-<kind>.safetensors`` and, with the same stem, the
``.yaml`` from which AUTOMATIC1111's WebUI builds the model.  The key names, the token tables
(49408 rows, T5's 32128) and the widths of the text encoders are those of the real models, so
whatever reads or replaces token vectors meets real shapes; the denoisers, the VAE, the OpenCLIP
towers and T5 are cut down until a 64x64 picture takes about a second on a CPU.  The pictures are
noise, but a noise that depends on the prompt, the seed and the size exactly as a real model's
picture does.

``sd3``, ``flux`` and ``chroma`` hold their text encoders and their VAE, as the single files for
Forge and its forks do.  ``README.md`` says what a host has to be told so that it takes such sizes.

The shortened OpenCLIP towers are architectures that ``open_clip`` does not know.  Their
descriptions are written to ``OUTDIR/open_clip``: hand them to ``open_clip.add_model_config`` or
copy them into that package's ``model_configs`` before the ``sd2``, ``sdxl`` and ``refiner`` kinds
are loaded.  The CLIP-L tower keeps its twelve layers; its tokenizer and ``config.json`` are written to
``OUTDIR/openai/clip-vit-large-patch14``, for a WebUI that would download them.

The ``comfy-…`` kinds are for ComfyUI, which reads no configuration: their denoisers are recognized by the measures of
the real ones. Of the larger text encoders it has to be told that they are shortened: ``num_hidden_layers`` is 4 in its
``clip_config_bigg.json`` and ``text_encoders/sd2_clip_config.json``; in ``text_encoders/t5_config_xxl.json``
``num_layers`` is 1 and ``d_ff`` 256. ``tiny-comfy-lora.safetensors`` belongs into its folder ``loras``, the files of
T5 alone into ``text_encoders``.

Equal arguments give equal files: each tensor has its own seed, made of the kind's and its name.
"""

from __future__ import annotations

import argparse
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

Config = dict[str, Any]

VOCABULARY = 49408
MERGES = Path(__file__).parents[2] / "lib_embmerge" / "models" / "clip_merges.txt.gz"
CLIP_SPECIAL = ("<|startoftext|>", "<|endoftext|>")
CONTEXT = 77
TOKEN_STD = 0.014
POSITION_STD = 0.007
NORM_SPREAD = 0.1
GAIN = 0.8
ATTENTION_GAIN = 2.0

LATENT_CHANNELS = 4
FLUX_LATENT_CHANNELS = 16
UNET_CHANNELS = 64
UNET_HEAD_CHANNELS = 32
UNET_RES_BLOCKS = 1
VAE_LOG_VARIANCE = -40.0
VAE_CHANNELS = 32
VAE_MULTIPLIERS = [1, 2, 2, 2]
VAE_RES_BLOCKS = 1


# --- Tensors -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Normal:
    """A tensor of normally distributed numbers."""

    shape: tuple[int, ...]
    std: float
    mean: float | tuple[float, ...] = 0.0

    def draw(self, seed: int) -> torch.Tensor:
        """Return the tensor that belongs to ``seed``, in half precision."""
        generator = torch.Generator().manual_seed(seed)
        numbers = torch.randn(self.shape, generator=generator)
        return (numbers * self.std + torch.tensor(self.mean)).half()


@dataclass
class Layout:
    """The tensors of a checkpoint by name, filled in module by module."""

    tensors: dict[str, Normal] = field(default_factory=dict)
    position_ids: list[str] = field(default_factory=list)

    def normal(
        self, name: str, *shape: int, std: float, mean: float | tuple[float, ...] = 0.0
    ) -> None:
        """Add one bare tensor; ``mean`` is one number or one for every number of the tensor."""
        self.tensors[name] = Normal(shape, std, mean)

    def norm(self, name: str, width: int) -> None:
        """Add a layer or group normalisation; the bias is random, so no output sums up to zero."""
        self.normal(f"{name}.weight", width, std=NORM_SPREAD, mean=1.0)
        self.normal(f"{name}.bias", width, std=NORM_SPREAD)

    def scale(self, name: str, width: int) -> None:
        """Add the one tensor of a normalisation without a bias."""
        self.normal(name, width, std=NORM_SPREAD, mean=1.0)

    def linear(
        self, name: str, inputs: int, outputs: int, *, bias: bool = True, gain: float = GAIN
    ) -> None:
        """Add a fully connected layer."""
        self.normal(f"{name}.weight", outputs, inputs, std=gain * inputs**-0.5)
        if bias:
            self.normal(f"{name}.bias", outputs, std=0.02)

    def conv(self, name: str, inputs: int, outputs: int, kernel: int = 3) -> None:
        """Add a square two-dimensional convolution."""
        std = GAIN * (inputs * kernel * kernel) ** -0.5
        self.normal(f"{name}.weight", outputs, inputs, kernel, kernel, std=std)
        self.normal(f"{name}.bias", outputs, std=0.02)

    def draw(self, seed: int) -> dict[str, torch.Tensor]:
        """Return all tensors for the checkpoint's ``seed``."""
        drawn = {
            name: normal.draw(zlib.crc32(f"{seed}/{name}".encode()))
            for name, normal in self.tensors.items()
        }
        for name in self.position_ids:
            drawn[name] = torch.arange(CONTEXT).unsqueeze(0)
        return drawn


# --- Text encoders -------------------------------------------------------------------------------


@dataclass(frozen=True)
class TextTower:
    """The measures of a CLIP text encoder."""

    width: int
    layers: int


CLIP_L = TextTower(width=768, layers=12)
CLIP_H = TextTower(width=1024, layers=4)
CLIP_BIG_G = TextTower(width=1280, layers=4)
T5 = TextTower(width=4096, layers=1)
T5_VOCABULARY = 32128
FORGE_T5 = TextTower(width=4096, layers=2)
"""Of one layer alone, Forge says that there is no T5."""
T5_HEADS = 64
T5_HIDDEN = 256

OPEN_CLIP_ARCHITECTURES = {"tiny-ViT-H-14": CLIP_H, "tiny-ViT-bigG-14": CLIP_BIG_G}
OPEN_CLIP_HEAD_WIDTH = 64


def add_clip(layout: Layout, prefix: str, tower: TextTower) -> None:
    """Add a text encoder with the names of the ``transformers`` package."""
    root = f"{prefix}.transformer.text_model"
    width = tower.width
    layout.position_ids.append(f"{root}.embeddings.position_ids")
    layout.normal(f"{root}.embeddings.token_embedding.weight", VOCABULARY, width, std=TOKEN_STD)
    layout.normal(f"{root}.embeddings.position_embedding.weight", CONTEXT, width, std=POSITION_STD)
    for index in range(tower.layers):
        layer = f"{root}.encoder.layers.{index}"
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            layout.linear(f"{layer}.self_attn.{projection}", width, width)
        layout.norm(f"{layer}.layer_norm1", width)
        layout.norm(f"{layer}.layer_norm2", width)
        layout.linear(f"{layer}.mlp.fc1", width, 4 * width)
        layout.linear(f"{layer}.mlp.fc2", 4 * width, width)
    layout.norm(f"{root}.final_layer_norm", width)


def add_clip_with_projection(layout: Layout, prefix: str, tower: TextTower) -> None:
    """Add the same with the projection of its pooled output, as newer models have it."""
    add_clip(layout, prefix, tower)
    layout.linear(f"{prefix}.transformer.text_projection", tower.width, tower.width, bias=False)


def add_open_clip(layout: Layout, prefix: str, tower: TextTower) -> None:
    """Add a text encoder with the names of the ``open_clip`` package."""
    root = f"{prefix}.model"
    width = tower.width
    layout.normal(f"{root}.token_embedding.weight", VOCABULARY, width, std=TOKEN_STD)
    layout.normal(f"{root}.positional_embedding", CONTEXT, width, std=POSITION_STD)
    layout.normal(f"{root}.text_projection", width, width, std=GAIN * width**-0.5)
    layout.normal(f"{root}.logit_scale", std=0.0, mean=4.6)
    for index in range(tower.layers):
        block = f"{root}.transformer.resblocks.{index}"
        layout.norm(f"{block}.ln_1", width)
        layout.norm(f"{block}.ln_2", width)
        layout.normal(f"{block}.attn.in_proj_weight", 3 * width, width, std=GAIN * width**-0.5)
        layout.normal(f"{block}.attn.in_proj_bias", 3 * width, std=0.02)
        layout.linear(f"{block}.attn.out_proj", width, width)
        layout.linear(f"{block}.mlp.c_fc", width, 4 * width)
        layout.linear(f"{block}.mlp.c_proj", 4 * width, width)
    layout.norm(f"{root}.ln_final", width)


def add_t5(layout: Layout, prefix: str, tower: TextTower) -> None:
    """Add a T5 encoder with the names of the ``transformers`` package."""
    root, width = f"{prefix}.transformer." if prefix else "", tower.width
    layout.normal(f"{root}shared.weight", T5_VOCABULARY, width, std=1.0)
    for index in range(tower.layers):
        attention = f"{root}encoder.block.{index}.layer.0"
        for projection in ("q", "k", "v", "o"):
            layout.linear(f"{attention}.SelfAttention.{projection}", width, width, bias=False)
        layout.normal(f"{attention}.layer_norm.weight", width, std=NORM_SPREAD, mean=1.0)
        if index == 0:
            layout.normal(f"{attention}.SelfAttention.relative_attention_bias.weight", 32, T5_HEADS, std=0.1)
        feed_forward = f"{root}encoder.block.{index}.layer.1"
        for gate in ("wi_0", "wi_1"):
            layout.linear(f"{feed_forward}.DenseReluDense.{gate}", width, T5_HIDDEN, bias=False)
        layout.linear(f"{feed_forward}.DenseReluDense.wo", T5_HIDDEN, width, bias=False)
        layout.normal(f"{feed_forward}.layer_norm.weight", width, std=NORM_SPREAD, mean=1.0)
    layout.normal(f"{root}encoder.final_layer_norm.weight", width, std=NORM_SPREAD, mean=1.0)


def open_clip_architecture(tower: TextTower) -> Config:
    """Describe a tower to ``open_clip``; its users discard the image half, so that is tiny."""
    return {
        "embed_dim": tower.width,
        "vision_cfg": {"image_size": 28, "layers": 1, "width": 64, "patch_size": 14},
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": VOCABULARY,
            "width": tower.width,
            "heads": tower.width // OPEN_CLIP_HEAD_WIDTH,
            "layers": tower.layers,
        },
    }


# --- U-Net ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UNet:
    """The measures of a denoiser; ``depths`` has one number of transformer blocks per level."""

    context: int
    multipliers: tuple[int, ...]
    depths: tuple[int, ...]
    middle_depth: int
    linear_projections: bool
    vector: int | None = None
    channels: int = UNET_CHANNELS
    res_blocks: int = UNET_RES_BLOCKS

    @property
    def embedding(self) -> int:
        """The width of the time embedding."""
        return 4 * self.channels

    @property
    def widths(self) -> list[int]:
        """The number of channels on every level."""
        return [self.channels * multiplier for multiplier in self.multipliers]


def add_unet(layout: Layout, unet: UNet) -> None:
    """Add a denoiser with the names that ``ldm`` and ``sgm`` share."""
    root = "model.diffusion_model"
    _add_embeddings(layout, root, unet)
    skips = _add_unet_descent(layout, root, unet)
    width = unet.widths[-1]
    _add_res_block(layout, f"{root}.middle_block.0", width, width, unet)
    _add_spatial_transformer(layout, f"{root}.middle_block.1", width, unet.middle_depth, unet)
    _add_res_block(layout, f"{root}.middle_block.2", width, width, unet)
    _add_unet_ascent(layout, root, unet, skips)
    layout.norm(f"{root}.out.0", unet.channels)
    layout.conv(f"{root}.out.2", unet.channels, LATENT_CHANNELS)


def _add_embeddings(layout: Layout, root: str, unet: UNet) -> None:
    layout.linear(f"{root}.time_embed.0", unet.channels, unet.embedding)
    layout.linear(f"{root}.time_embed.2", unet.embedding, unet.embedding)
    if unet.vector is not None:
        layout.linear(f"{root}.label_emb.0.0", unet.vector, unet.embedding)
        layout.linear(f"{root}.label_emb.0.2", unet.embedding, unet.embedding)


def _add_unet_descent(layout: Layout, root: str, unet: UNet) -> list[int]:
    """Add the input blocks and return the channels of the skip connections they open."""
    layout.conv(f"{root}.input_blocks.0.0", LATENT_CHANNELS, unet.channels)
    width = unet.channels
    skips = [width]
    for level, (outputs, depth) in enumerate(zip(unet.widths, unet.depths, strict=True)):
        if level > 0:
            layout.conv(f"{root}.input_blocks.{len(skips)}.0.op", width, width)
            skips.append(width)
        for _ in range(unet.res_blocks):
            block = f"{root}.input_blocks.{len(skips)}"
            _add_res_block(layout, f"{block}.0", width, outputs, unet)
            _add_spatial_transformer(layout, f"{block}.1", outputs, depth, unet)
            width = outputs
            skips.append(width)
    return skips


def _add_unet_ascent(layout: Layout, root: str, unet: UNet, skips: list[int]) -> None:
    """Add the output blocks, which take the skip connections in reverse order."""
    width = skips[-1]
    waiting = list(skips)
    for level in reversed(range(len(unet.widths))):
        outputs, depth = unet.widths[level], unet.depths[level]
        for repeat in range(unet.res_blocks + 1):
            block = f"{root}.output_blocks.{len(skips) - len(waiting)}"
            _add_res_block(layout, f"{block}.0", width + waiting.pop(), outputs, unet)
            _add_spatial_transformer(layout, f"{block}.1", outputs, depth, unet)
            width = outputs
            if level > 0 and repeat == unet.res_blocks:
                upsampler = 2 if depth else 1
                layout.conv(f"{block}.{upsampler}.conv", width, width)


def _add_res_block(layout: Layout, name: str, inputs: int, outputs: int, unet: UNet) -> None:
    layout.norm(f"{name}.in_layers.0", inputs)
    layout.conv(f"{name}.in_layers.2", inputs, outputs)
    layout.linear(f"{name}.emb_layers.1", unet.embedding, outputs)
    layout.norm(f"{name}.out_layers.0", outputs)
    layout.conv(f"{name}.out_layers.3", outputs, outputs)
    if inputs != outputs:
        layout.conv(f"{name}.skip_connection", inputs, outputs, kernel=1)


def _add_spatial_transformer(layout: Layout, name: str, width: int, depth: int, unet: UNet) -> None:
    """Add ``depth`` transformer blocks with their projections, or nothing for a depth of zero."""
    if depth == 0:
        return
    layout.norm(f"{name}.norm", width)
    for projection in ("proj_in", "proj_out"):
        if unet.linear_projections:
            layout.linear(f"{name}.{projection}", width, width)
        else:
            layout.conv(f"{name}.{projection}", width, width, kernel=1)
    for index in range(depth):
        block = f"{name}.transformer_blocks.{index}"
        _add_cross_attention(layout, f"{block}.attn1", width, width)
        _add_cross_attention(layout, f"{block}.attn2", width, unet.context)
        layout.linear(f"{block}.ff.net.0.proj", width, 8 * width)
        layout.linear(f"{block}.ff.net.2", 4 * width, width)
        for norm in ("norm1", "norm2", "norm3"):
            layout.norm(f"{block}.{norm}", width)


def _add_cross_attention(layout: Layout, name: str, width: int, context: int) -> None:
    layout.linear(f"{name}.to_q", width, width, bias=False, gain=ATTENTION_GAIN)
    layout.linear(f"{name}.to_k", context, width, bias=False, gain=ATTENTION_GAIN)
    layout.linear(f"{name}.to_v", context, width, bias=False)
    layout.linear(f"{name}.to_out.0", width, width)


# --- Transformers --------------------------------------------------------------------------------

DENOISER = "model.diffusion_model"
TIME = 256
PATCH = 2
PATCH_WIDTH = PATCH * PATCH * FLUX_LATENT_CHANNELS


def add_mmdit(layout: Layout, depth: int = 2, positions: int = 192) -> None:
    """Add the denoiser of SD 3; its width is its depth times 64, as hosts take for granted."""
    width = 64 * depth
    layout.conv(f"{DENOISER}.x_embedder.proj", FLUX_LATENT_CHANNELS, width, kernel=PATCH)
    layout.normal(f"{DENOISER}.pos_embed", 1, positions**2, width, std=0.5)
    for name, inputs in (("t_embedder", TIME), ("y_embedder", CLIP_L.width + CLIP_BIG_G.width)):
        layout.linear(f"{DENOISER}.{name}.mlp.0", inputs, width)
        layout.linear(f"{DENOISER}.{name}.mlp.2", width, width)
    layout.linear(f"{DENOISER}.context_embedder", T5.width, width)
    for index in range(depth):
        for name, is_last in (("x_block", False), ("context_block", index == depth - 1)):
            block = f"{DENOISER}.joint_blocks.{index}.{name}"
            layout.linear(f"{block}.attn.qkv", width, 3 * width)
            layout.linear(f"{block}.adaLN_modulation.1", width, (2 if is_last else 6) * width)
            if not is_last:
                layout.linear(f"{block}.attn.proj", width, width)
                layout.linear(f"{block}.mlp.fc1", width, 4 * width)
                layout.linear(f"{block}.mlp.fc2", 4 * width, width)
    layout.linear(f"{DENOISER}.final_layer.linear", width, PATCH_WIDTH)
    layout.linear(f"{DENOISER}.final_layer.adaLN_modulation.1", width, 2 * width)


@dataclass(frozen=True)
class Flux:
    """The measures of a denoiser of Flux's kind."""

    width: int
    double_blocks: int
    single_blocks: int
    guides_itself: bool


FLUX_HEAD_WIDTH = 128
COMFY_FLUX = Flux(width=3072, double_blocks=1, single_blocks=0, guides_itself=False)
"""ComfyUI takes the width of the real one for granted; this is schnell."""
FORGE_FLUX = Flux(width=256, double_blocks=2, single_blocks=2, guides_itself=True)


def add_flux(layout: Layout, flux: Flux) -> None:
    """Add Flux's denoiser."""
    width = flux.width
    inputs = {"time_in": TIME, "vector_in": CLIP_L.width, **({"guidance_in": TIME} if flux.guides_itself else {})}
    for name, columns in inputs.items():
        _add_flux_embedder(layout, f"{DENOISER}.{name}", columns, width)
    _add_flux_blocks(layout, flux)
    for index in range(flux.double_blocks):
        for stream in ("img", "txt"):
            layout.linear(f"{DENOISER}.double_blocks.{index}.{stream}_mod.lin", width, 6 * width)
    for index in range(flux.single_blocks):
        layout.linear(f"{DENOISER}.single_blocks.{index}.modulation.lin", width, 3 * width)
    layout.linear(f"{DENOISER}.final_layer.adaLN_modulation.1", width, 2 * width)


def add_chroma(layout: Layout, flux: Flux, hidden: int = 256, layers: int = 5) -> None:
    """Add Chroma's denoiser: Flux's, with one small network in the place of all modulations."""
    root = f"{DENOISER}.distilled_guidance_layer"
    layout.linear(f"{root}.in_proj", 64, hidden)
    for index in range(layers):
        _add_flux_embedder(layout, f"{root}.layers.{index}", hidden, hidden)
        layout.scale(f"{root}.norms.{index}.scale", hidden)
    layout.linear(f"{root}.out_proj", hidden, flux.width)
    _add_flux_blocks(layout, flux)


def _add_flux_blocks(layout: Layout, flux: Flux) -> None:
    width = flux.width
    layout.linear(f"{DENOISER}.img_in", PATCH_WIDTH, width)
    layout.linear(f"{DENOISER}.txt_in", T5.width, width)
    for index in range(flux.double_blocks):
        for stream in ("img", "txt"):
            block = f"{DENOISER}.double_blocks.{index}.{stream}"
            layout.linear(f"{block}_attn.qkv", width, 3 * width)
            layout.linear(f"{block}_attn.proj", width, width)
            _add_flux_norms(layout, f"{block}_attn.norm")
            layout.linear(f"{block}_mlp.0", width, 4 * width)
            layout.linear(f"{block}_mlp.2", 4 * width, width)
    for index in range(flux.single_blocks):
        block = f"{DENOISER}.single_blocks.{index}"
        layout.linear(f"{block}.linear1", width, 7 * width)
        layout.linear(f"{block}.linear2", 5 * width, width)
        _add_flux_norms(layout, f"{block}.norm")
    layout.linear(f"{DENOISER}.final_layer.linear", width, PATCH_WIDTH)


def _add_flux_embedder(layout: Layout, name: str, inputs: int, outputs: int) -> None:
    layout.linear(f"{name}.in_layer", inputs, outputs)
    layout.linear(f"{name}.out_layer", outputs, outputs)


def _add_flux_norms(layout: Layout, name: str) -> None:
    for norm in ("query_norm", "key_norm"):
        layout.scale(f"{name}.{norm}.scale", FLUX_HEAD_WIDTH)


# --- VAE -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VAE:
    """The measures of an autoencoder."""

    channels: int = VAE_CHANNELS
    multipliers: tuple[int, ...] = tuple(VAE_MULTIPLIERS)
    res_blocks: int = VAE_RES_BLOCKS
    latents: int = LATENT_CHANNELS


FULL_VAE = VAE(channels=128, multipliers=(1, 2, 4, 4), res_blocks=2)
"""The measures that a host takes for granted which reads no configuration."""

FLUX_VAE = VAE(channels=128, multipliers=(1, 2, 4, 4), res_blocks=2, latents=FLUX_LATENT_CHANNELS)
SMALL_FLUX_VAE = VAE(latents=FLUX_LATENT_CHANNELS)


def add_vae(layout: Layout, vae: VAE = VAE(), root: str = "first_stage_model") -> None:
    """Add an autoencoder with a reduction of eight; that of four latent channels has convolutions around the latent."""
    widths = [vae.channels * multiplier for multiplier in vae.multipliers]
    _add_vae_encoder(layout, f"{root}.encoder", widths, vae)
    _add_vae_decoder(layout, f"{root}.decoder", widths, vae)
    if vae.latents != LATENT_CHANNELS:
        _make_vae_sure(layout, f"{root}.encoder.conv_out", vae)
        return
    layout.conv(f"{root}.quant_conv", 2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, kernel=1)
    _make_vae_sure(layout, f"{root}.quant_conv", vae)
    layout.conv(f"{root}.post_quant_conv", LATENT_CHANNELS, LATENT_CHANNELS, kernel=1)


def _make_vae_sure(layout: Layout, name: str, vae: VAE) -> None:
    """Give the encoder's last convolution random means, and variances next to nothing.

    Hosts sample a picture's latent without a seed, so larger variances would make every picture
    that starts from another one unrepeatable.
    """
    means = (0.0,) * vae.latents + (VAE_LOG_VARIANCE,) * vae.latents
    layout.normal(f"{name}.bias", 2 * vae.latents, std=0.02, mean=means)


def _add_vae_encoder(layout: Layout, root: str, widths: list[int], vae: VAE) -> None:
    layout.conv(f"{root}.conv_in", 3, widths[0])
    width = widths[0]
    for level, outputs in enumerate(widths):
        for index in range(vae.res_blocks):
            _add_vae_block(layout, f"{root}.down.{level}.block.{index}", width, outputs)
            width = outputs
        if level < len(widths) - 1:
            layout.conv(f"{root}.down.{level}.downsample.conv", width, width)
    _add_vae_middle(layout, f"{root}.mid", width)
    layout.norm(f"{root}.norm_out", width)
    layout.conv(f"{root}.conv_out", width, 2 * vae.latents)


def _add_vae_decoder(layout: Layout, root: str, widths: list[int], vae: VAE) -> None:
    width = widths[-1]
    layout.conv(f"{root}.conv_in", vae.latents, width)
    _add_vae_middle(layout, f"{root}.mid", width)
    for level in reversed(range(len(widths))):
        for index in range(vae.res_blocks + 1):
            _add_vae_block(layout, f"{root}.up.{level}.block.{index}", width, widths[level])
            width = widths[level]
        if level > 0:
            layout.conv(f"{root}.up.{level}.upsample.conv", width, width)
    layout.norm(f"{root}.norm_out", width)
    layout.conv(f"{root}.conv_out", width, 3)


def _add_vae_middle(layout: Layout, name: str, width: int) -> None:
    _add_vae_block(layout, f"{name}.block_1", width, width)
    layout.norm(f"{name}.attn_1.norm", width)
    for projection in ("q", "k", "v", "proj_out"):
        layout.conv(f"{name}.attn_1.{projection}", width, width, kernel=1)
    _add_vae_block(layout, f"{name}.block_2", width, width)


def _add_vae_block(layout: Layout, name: str, inputs: int, outputs: int) -> None:
    layout.norm(f"{name}.norm1", inputs)
    layout.conv(f"{name}.conv1", inputs, outputs)
    layout.norm(f"{name}.norm2", outputs)
    layout.conv(f"{name}.conv2", outputs, outputs)
    if inputs != outputs:
        layout.conv(f"{name}.nin_shortcut", inputs, outputs, kernel=1)


# --- Families ------------------------------------------------------------------------------------

SD1_UNET = UNet(
    context=CLIP_L.width,
    multipliers=(1, 2, 2, 2),
    depths=(1, 1, 1, 0),
    middle_depth=1,
    linear_projections=False,
)
SD2_UNET = UNet(
    context=CLIP_H.width,
    multipliers=(1, 2, 2, 2),
    depths=(1, 1, 1, 0),
    middle_depth=1,
    linear_projections=True,
)
SDXL_UNET = UNet(
    context=CLIP_L.width + CLIP_BIG_G.width,
    multipliers=(1, 2, 2),
    depths=(0, 1, 2),
    middle_depth=2,
    linear_projections=True,
    vector=CLIP_BIG_G.width + 6 * 256,
)
REFINER_UNET = UNet(
    context=CLIP_BIG_G.width,
    multipliers=(1, 2, 2, 2),
    depths=(0, 1, 1, 0),
    middle_depth=1,
    linear_projections=True,
    vector=CLIP_BIG_G.width + 5 * 256,
)

PLAIN_SD1_UNET = UNet(
    context=CLIP_L.width,
    multipliers=(1, 1),
    depths=(1, 0),
    middle_depth=1,
    linear_projections=False,
    channels=320,
)
PLAIN_SD2_UNET = UNet(
    context=CLIP_H.width,
    multipliers=(1, 1),
    depths=(1, 0),
    middle_depth=1,
    linear_projections=True,
    channels=320,
)
PLAIN_SDXL_UNET = UNet(
    context=CLIP_L.width + CLIP_BIG_G.width,
    multipliers=(1, 1, 1),
    depths=(0, 2, 10),
    middle_depth=10,
    linear_projections=True,
    vector=CLIP_BIG_G.width + 6 * 256,
    channels=320,
    res_blocks=2,
)
"""Denoisers that a host recognizes which reads no configuration: by channels, depths and widths of the real ones."""


def sd1_layout() -> Layout:
    """Return the tensors of a Stable Diffusion 1 checkpoint."""
    layout = Layout()
    add_clip(layout, "cond_stage_model", CLIP_L)
    add_unet(layout, SD1_UNET)
    add_vae(layout)
    return layout


def sd2_layout() -> Layout:
    """Return the tensors of a Stable Diffusion 2 checkpoint."""
    layout = Layout()
    add_open_clip(layout, "cond_stage_model", CLIP_H)
    add_unet(layout, SD2_UNET)
    add_vae(layout)
    return layout


def sdxl_layout() -> Layout:
    """Return the tensors of an SDXL base checkpoint."""
    layout = Layout()
    add_clip(layout, "conditioner.embedders.0", CLIP_L)
    add_open_clip(layout, "conditioner.embedders.1", CLIP_BIG_G)
    add_unet(layout, SDXL_UNET)
    add_vae(layout)
    return layout


def plain_sd1_layout() -> Layout:
    """Return the tensors of a Stable Diffusion 1 checkpoint that ComfyUI recognizes."""
    layout = Layout()
    add_clip(layout, "cond_stage_model", CLIP_L)
    add_unet(layout, PLAIN_SD1_UNET)
    add_vae(layout, FULL_VAE)
    return layout


def plain_sd2_layout() -> Layout:
    """Return the tensors of a Stable Diffusion 2 checkpoint that ComfyUI recognizes, but for its shortened CLIP-H."""
    layout = Layout()
    add_open_clip(layout, "cond_stage_model", CLIP_H)
    add_unet(layout, PLAIN_SD2_UNET)
    add_vae(layout, FULL_VAE)
    return layout


def plain_flux_layout() -> Layout:
    """Return the tensors of a Flux checkpoint with its text encoders that ComfyUI recognizes, but for its short T5."""
    layout = Layout()
    add_clip(layout, "text_encoders.clip_l", CLIP_L)
    add_t5(layout, "text_encoders.t5xxl", T5)
    add_flux(layout, COMFY_FLUX)
    add_vae(layout, FLUX_VAE, "vae")
    return layout


def flux_layout() -> Layout:
    """Return the tensors of a Flux checkpoint with both of its text encoders."""
    layout = Layout()
    add_clip(layout, "text_encoders.clip_l", CLIP_L)
    add_t5(layout, "text_encoders.t5xxl", FORGE_T5)
    add_flux(layout, FORGE_FLUX)
    add_vae(layout, SMALL_FLUX_VAE, "vae")
    return layout


def chroma_layout() -> Layout:
    """Return the tensors of a Chroma checkpoint with its text encoder."""
    layout = Layout()
    add_t5(layout, "text_encoders.t5xxl", FORGE_T5)
    add_chroma(layout, FORGE_FLUX)
    add_vae(layout, SMALL_FLUX_VAE, "vae")
    return layout


def sd3_layout() -> Layout:
    """Return the tensors of a Stable Diffusion 3 checkpoint with all of its text encoders."""
    layout = Layout()
    add_clip_with_projection(layout, "text_encoders.clip_l", CLIP_L)
    add_clip_with_projection(layout, "text_encoders.clip_g", CLIP_BIG_G)
    add_t5(layout, "text_encoders.t5xxl", FORGE_T5)
    add_mmdit(layout)
    add_vae(layout, SMALL_FLUX_VAE)
    return layout


def t5_layout() -> Layout:
    """Return the tensors of a T5 encoder's own file."""
    layout = Layout()
    add_t5(layout, "", T5)
    layout.linear("encoder.block.23.layer.1.DenseReluDense.wi_1", T5.width, 10240, bias=False)  # it is known by this
    return layout


def lora_layout() -> Layout:
    """Return the tensors of a LoRA for CLIP-L and its table of tokens, as ComfyUI reads one."""
    layout = Layout()
    root, rank, width = "text_encoders.clip_l.transformer.text_model", 4, CLIP_L.width
    for name, rows in (("embeddings.token_embedding", VOCABULARY), ("encoder.layers.0.mlp.fc1", 4 * width)):
        layout.normal(f"{root}.{name}.lora_up.weight", rows, rank, std=0.05)
        layout.normal(f"{root}.{name}.lora_down.weight", rank, width, std=0.05)
    return layout


def plain_sdxl_layout() -> Layout:
    """Return the tensors of an SDXL base checkpoint that ComfyUI recognizes, but for its shortened CLIP-G."""
    layout = Layout()
    add_clip(layout, "conditioner.embedders.0", CLIP_L)
    add_open_clip(layout, "conditioner.embedders.1", CLIP_BIG_G)
    add_unet(layout, PLAIN_SDXL_UNET)
    add_vae(layout, FULL_VAE)
    return layout


def refiner_layout() -> Layout:
    """Return the tensors of an SDXL refiner checkpoint."""
    layout = Layout()
    add_open_clip(layout, "conditioner.embedders.0", CLIP_BIG_G)
    add_unet(layout, REFINER_UNET)
    add_vae(layout)
    return layout


# --- Configurations ------------------------------------------------------------------------------


def sd1_config() -> Config:
    """Return the configuration of a Stable Diffusion 1 checkpoint."""
    encoder = _part("ldm.modules.encoders.modules.FrozenCLIPEmbedder")
    return _ldm_config(SD1_UNET, encoder)


def sd2_config() -> Config:
    """Return the configuration of a Stable Diffusion 2 checkpoint (noise prediction)."""
    encoder = _part(
        "ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder",
        arch="tiny-ViT-H-14",
        freeze=True,
        layer="penultimate",
    )
    return _ldm_config(SD2_UNET, encoder)


def sdxl_config() -> Config:
    """Return the configuration of an SDXL base checkpoint."""
    clip = _part(
        "sgm.modules.encoders.modules.FrozenCLIPEmbedder",
        layer="hidden",
        layer_idx=CLIP_L.layers - 1,
    )
    sizes = ["original_size_as_tuple", "crop_coords_top_left", "target_size_as_tuple"]
    return _sgm_config(SDXL_UNET, [clip, _big_g_embedder()], sizes)


def refiner_config() -> Config:
    """Return the configuration of an SDXL refiner checkpoint."""
    sizes = ["original_size_as_tuple", "crop_coords_top_left", "aesthetic_score"]
    return _sgm_config(REFINER_UNET, [_big_g_embedder()], sizes)


def _part(target: str, **params: Any) -> Config:
    """Return a class to instantiate with its arguments."""
    return {"target": target, "params": params}


def _ldm_config(unet: UNet, encoder: Config) -> Config:
    params = {
        "linear_start": 0.00085,
        "linear_end": 0.012,
        "num_timesteps_cond": 1,
        "timesteps": 1000,
        "first_stage_key": "jpg",
        "cond_stage_key": "txt",
        "image_size": 64,
        "channels": LATENT_CHANNELS,
        "cond_stage_trainable": False,
        "conditioning_key": "crossattn",
        "scale_factor": 0.18215,
        "use_ema": False,
        "unet_config": _part(
            "ldm.modules.diffusionmodules.openaimodel.UNetModel",
            image_size=32,
            transformer_depth=1,
            **_unet_params(unet),
        ),
        "first_stage_config": _vae_config("ldm.models.autoencoder.AutoencoderKL"),
        "cond_stage_config": encoder,
    }
    return {"model": _part("ldm.models.diffusion.ddpm.LatentDiffusion", **params)}


def _sgm_config(unet: UNet, text_embedders: list[Config], sizes: list[str]) -> Config:
    embedders = [embedder | {"input_key": "txt"} for embedder in text_embedders]
    embedders += [_size_embedder() | {"input_key": key} for key in sizes]
    network = _part(
        "sgm.modules.diffusionmodules.openaimodel.UNetModel",
        adm_in_channels=unet.vector,
        num_classes="sequential",
        transformer_depth=list(unet.depths),
        transformer_depth_middle=unet.middle_depth,
        spatial_transformer_attn_type="softmax-xformers",
        **_unet_params(unet),
    )
    params = {
        "scale_factor": 0.13025,
        "disable_first_stage_autocast": True,
        "denoiser_config": _denoiser_config(),
        "network_config": network,
        "conditioner_config": _part(
            "sgm.modules.GeneralConditioner",
            emb_models=[embedder | {"is_trainable": False} for embedder in embedders],
        ),
        "first_stage_config": _vae_config("sgm.models.autoencoder.AutoencoderKLInferenceWrapper"),
    }
    return {"model": _part("sgm.models.diffusion.DiffusionEngine", **params)}


def _unet_params(unet: UNet) -> Config:
    return {
        "in_channels": LATENT_CHANNELS,
        "out_channels": LATENT_CHANNELS,
        "model_channels": UNET_CHANNELS,
        "attention_resolutions": [2**level for level, depth in enumerate(unet.depths) if depth],
        "num_res_blocks": UNET_RES_BLOCKS,
        "channel_mult": list(unet.multipliers),
        "num_head_channels": UNET_HEAD_CHANNELS,
        "use_spatial_transformer": True,
        "use_linear_in_transformer": unet.linear_projections,
        "context_dim": unet.context,
        "use_checkpoint": False,
        "legacy": False,
    }


def _denoiser_config() -> Config:
    package = "sgm.modules.diffusionmodules"
    return _part(
        f"{package}.denoiser.DiscreteDenoiser",
        num_idx=1000,
        weighting_config=_part(f"{package}.denoiser_weighting.EpsWeighting"),
        scaling_config=_part(f"{package}.denoiser_scaling.EpsScaling"),
        discretization_config=_part(f"{package}.discretizer.LegacyDDPMDiscretization"),
    )


def _big_g_embedder() -> Config:
    return _part(
        "sgm.modules.encoders.modules.FrozenOpenCLIPEmbedder2",
        arch="tiny-ViT-bigG-14",
        freeze=True,
        layer="penultimate",
        always_return_pooled=True,
        legacy=False,
    )


def _size_embedder() -> Config:
    return _part("sgm.modules.encoders.modules.ConcatTimestepEmbedderND", outdim=256)


def _vae_config(target: str) -> Config:
    measures = {
        "double_z": True,
        "z_channels": LATENT_CHANNELS,
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": VAE_CHANNELS,
        "ch_mult": VAE_MULTIPLIERS,
        "num_res_blocks": VAE_RES_BLOCKS,
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    return _part(
        target,
        embed_dim=LATENT_CHANNELS,
        monitor="val/rec_loss",
        ddconfig=measures,
        lossconfig=_part("torch.nn.Identity"),
    )


# --- Files ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One checkpoint that can be asked for; the seed alone tells members of a family apart."""

    seed: int
    layout: Callable[[], Layout]
    config: Callable[[], Config] | None = None
    store: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]] = dict


def in_eight_bits(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return every tensor as eight-bit floats."""
    return {name: tensor.to(torch.float8_e4m3fn) for name, tensor in tensors.items()}


def scaled_in_eight_bits(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the linear layers as eight-bit floats with a scale beside each, as ComfyUI's scaled files hold them."""
    found = {"scaled_fp8": torch.tensor([], dtype=torch.float8_e4m3fn)}
    for name, tensor in tensors.items():
        if name.startswith("shared.") or tensor.dim() < 2 or "relative_attention" in name:
            found[name] = tensor
            continue
        scale = tensor.abs().max().float() / torch.finfo(torch.float8_e4m3fn).max
        found[name] = (tensor.float() / scale).to(torch.float8_e4m3fn)
        found[f"{name.removesuffix('weight')}scale_weight"] = scale
    return found


KINDS = {
    "sd1": Kind(101, sd1_layout, sd1_config),
    "sd1b": Kind(102, sd1_layout, sd1_config),
    "sd2": Kind(201, sd2_layout, sd2_config),
    "sdxl": Kind(301, sdxl_layout, sdxl_config),
    "sdxlb": Kind(302, sdxl_layout, sdxl_config),
    "refiner": Kind(401, refiner_layout, refiner_config),
    "sd3": Kind(601, sd3_layout),
    "flux": Kind(701, flux_layout),
    "chroma": Kind(801, chroma_layout),
    "comfy-sd1": Kind(501, plain_sd1_layout),
    "comfy-sd1b": Kind(502, plain_sd1_layout),
    "comfy-sd2": Kind(521, plain_sd2_layout),
    "comfy-sdxl": Kind(511, plain_sdxl_layout),
    "comfy-flux": Kind(531, plain_flux_layout),
    "comfy-lora": Kind(541, lora_layout),
    "comfy-t5-fp8": Kind(551, t5_layout, store=in_eight_bits),
    "comfy-t5-scaled": Kind(551, t5_layout, store=scaled_in_eight_bits),
}


def write_checkpoint(name: str, directory: Path) -> Path:
    """Write the kind's checkpoint and configuration and return the checkpoint's path."""
    kind = KINDS[name]
    path = directory / f"tiny-{name}.safetensors"
    save_file(kind.store(kind.layout().draw(kind.seed)), path, metadata={"format": "pt"})
    if kind.config is not None:
        _write_json(path.with_suffix(".yaml"), kind.config())
    return path


def write_open_clip_architectures(directory: Path) -> None:
    """Write the descriptions of the shortened OpenCLIP towers."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, tower in OPEN_CLIP_ARCHITECTURES.items():
        _write_json(directory / f"{name}.json", open_clip_architecture(tower))


def write_clip_l(directory: Path) -> None:
    """Write CLIP-L's tokenizer and configuration as transformers reads them, which A1111 builds its model from."""
    directory.mkdir(parents=True, exist_ok=True)
    merges = gzip.decompress(MERGES.read_bytes()).decode("utf-8").strip().split("\n")
    letters = _letters_of_bytes()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *(merge.replace(" ", "") for merge in merges)]
    ids = {token: place for place, token in enumerate([*tokens, *CLIP_SPECIAL])}
    assert len(ids) == VOCABULARY
    _write_json(directory / "vocab.json", ids)
    (directory / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    start, end = CLIP_SPECIAL
    special = {"bos_token": start, "eos_token": end, "pad_token": end, "unk_token": end}
    _write_json(directory / "tokenizer_config.json", {**special, "model_max_length": CONTEXT, "do_lower_case": True})
    measures = {"hidden_size": CLIP_L.width, "intermediate_size": 4 * CLIP_L.width, "num_hidden_layers": CLIP_L.layers}
    measures |= {"num_attention_heads": 12, "projection_dim": CLIP_L.width}
    text_config = {"model_type": "clip_text_model", **measures}
    _write_json(directory / "config.json", {"model_type": "clip", "text_config": text_config})


def _letters_of_bytes() -> list[str]:
    """Return the letters that stand for bytes in CLIP's vocabulary: those that show, then others for the rest."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in shown] + [chr(256 + place) for place in range(256 - len(shown))]


def _write_json(path: Path, content: Config) -> None:
    """Write JSON, which every YAML reader takes as well."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _kinds(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(KINDS))
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
    return names


def main() -> None:
    """Write the checkpoints named on the command line."""
    parser = argparse.ArgumentParser(description="Write small random checkpoints for tests.")
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--kinds", type=_kinds, default=list(KINDS), metavar="KIND,...")
    arguments = parser.parse_args()
    write_open_clip_architectures(arguments.outdir / "open_clip")
    write_clip_l(arguments.outdir / "openai" / "clip-vit-large-patch14")
    for name in arguments.kinds:
        path = write_checkpoint(name, arguments.outdir)
        print(f"{path} ({path.stat().st_size / 1e6:.0f} MB)")


if __name__ == "__main__":
    main()
