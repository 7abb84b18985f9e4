"""From a text to chunks of 75 tokens, and from those to conditioning: two of AUTOMATIC1111's classes are one here."""

from modules.common import sd_hijack_clip as common

PromptChunk = common.PromptChunk
PromptChunkFix = common.PromptChunkFix


class FrozenCLIPEmbedderWithCustomWordsBase(common.FrozenCLIPEmbedderWithCustomWordsBase):
    tokenize_line = common.TextConditionalModel.tokenize_line


class FrozenCLIPEmbedderWithCustomWords(FrozenCLIPEmbedderWithCustomWordsBase):
    def __init__(self, wrapped, hijack):
        super().__init__(wrapped, hijack)
        self.tokenizer = wrapped.tokenizer
        self.comma_token = self.tokenizer.get_vocab()[",</w>"]
        self.id_start = self.tokenizer.bos_token_id
        self.id_end = self.id_pad = self.tokenizer.eos_token_id

    tokenize = common.FrozenCLIPEmbedderWithCustomWords.tokenize
    encode_with_transformers = common.FrozenCLIPEmbedderWithCustomWords.encode_with_transformers
    encode_embedding_init_text = common.FrozenCLIPEmbedderWithCustomWords.encode_embedding_init_text


class FrozenCLIPEmbedderForSDXLWithCustomWords(FrozenCLIPEmbedderWithCustomWords):
    pass
