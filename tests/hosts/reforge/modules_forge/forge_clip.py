"""The text encoders: every one is transformers' CLIP."""

from modules.sd_hijack_clip import FrozenCLIPEmbedderWithCustomWords


class CLIP_SD_15_L(FrozenCLIPEmbedderWithCustomWords):  # noqa: N801  # the host's name
    pass


class CLIP_SD_XL_L(FrozenCLIPEmbedderWithCustomWords):  # noqa: N801
    pass


class CLIP_SD_21_H(FrozenCLIPEmbedderWithCustomWords):  # noqa: N801
    def __init__(self, wrapped, hijack):
        super().__init__(wrapped, hijack)
        self.id_pad = 0


class CLIP_SD_XL_G(CLIP_SD_21_H):  # noqa: N801
    pass
