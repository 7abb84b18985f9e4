"""Where tensors live, and in which precision."""

import contextlib

import torch

device = torch.device("cpu")
dtype = torch.float32
dtype_unet = torch.float32
force_fp16 = False
unet_needs_upcast = False


def cond_cast_unet(tensor):
    if force_fp16:
        return tensor.to(torch.float16)
    return tensor.to(dtype_unet) if unet_needs_upcast else tensor


def autocast():
    return contextlib.nullcontext()
