"""From a text to chunks of 75 tokens, and from those to conditioning."""

import math
from collections import namedtuple

import torch
from modules import devices, prompt_parser, sd_hijack
from modules.shared import opts

PromptChunkFix = namedtuple("PromptChunkFix", ["offset", "embedding"])


class PromptChunk:
    def __init__(self):
        self.tokens = []
        self.multipliers = []
        self.fixes = []


class TextConditionalModel:
    def __init__(self):
        self.hijack = sd_hijack.model_hijack
        self.chunk_length = 75
        self.comma_token = self.id_start = self.id_end = self.id_pad = None

    def __call__(self, texts):
        return self.forward(texts)

    def get_target_prompt_token_count(self, token_count):
        return math.ceil(max(token_count, 1) / self.chunk_length) * self.chunk_length

    def tokenize_line(self, line):
        """Give the chunks of a text, each with start and end token, and the number of its tokens.

        As in the host, the text behind a comma that is moved to the next chunk takes its tokens and multipliers
        along, but leaves its `fixes` behind.
        """
        chunks = []
        chunk = PromptChunk()
        count = 0
        comma = -1

        def close(is_last=False):
            nonlocal chunk, comma, count
            count += len(chunk.tokens) if is_last else self.chunk_length
            missing = self.chunk_length - len(chunk.tokens)
            chunk.tokens = [self.id_start, *chunk.tokens, *[self.id_end] * (missing + 1)]
            chunk.multipliers = [1.0, *chunk.multipliers, *[1.0] * (missing + 1)]
            chunks.append(chunk)
            chunk, comma = PromptChunk(), -1

        for text, weight in prompt_parser.parse_prompt_attention(line):
            if text == "BREAK" and weight == -1:
                close()
                continue
            tokens = self.tokenize([text])[0]
            position = 0
            while position < len(tokens):
                is_full = len(chunk.tokens) == self.chunk_length
                if tokens[position] == self.comma_token:
                    comma = len(chunk.tokens)
                elif is_full and comma != -1 and len(chunk.tokens) - comma <= opts.comma_padding_backtrack:
                    moved = chunk.tokens[comma + 1 :], chunk.multipliers[comma + 1 :]
                    del chunk.tokens[comma + 1 :], chunk.multipliers[comma + 1 :]
                    close()
                    chunk.tokens, chunk.multipliers = moved
                if len(chunk.tokens) == self.chunk_length:
                    close()
                embedding, length = self.hijack.embedding_db.find_embedding_at_position(tokens, position)
                if embedding is None:
                    chunk.tokens.append(tokens[position])
                    chunk.multipliers.append(weight)
                    position += 1
                    continue
                if len(chunk.tokens) + embedding.vectors > self.chunk_length:
                    close()
                chunk.fixes.append(PromptChunkFix(len(chunk.tokens), embedding))
                chunk.tokens += [0] * embedding.vectors
                chunk.multipliers += [weight] * embedding.vectors
                position += length
        if chunk.tokens or not chunks:
            close(is_last=True)
        return chunks, count

    def process_texts(self, texts):
        found = [self.tokenize_line(line) for line in texts]
        return [chunks for chunks, _ in found], max(count for _, count in found)

    def forward(self, texts):
        """Give (texts, 77 · chunks, width): the very vectors that would enter the transformer, times their weights."""
        batch, _ = self.process_texts(texts)
        used = {fix.embedding.name: fix.embedding for chunks in batch for chunk in chunks for fix in chunk.fixes}
        width = max(map(len, batch))
        rows = []
        for number in range(width):
            chunks = [chunks[number] if number < len(chunks) else self.empty_chunk() for chunks in batch]
            self.hijack.fixes = [chunk.fixes for chunk in chunks]
            rows.append(self.process_tokens([c.tokens for c in chunks], [c.multipliers for c in chunks]))
        parameters = self.hijack.extra_generation_params
        hashes = [f"{name}: {e.shorthash}" for name, e in used.items() if e.shorthash]
        if opts.textual_inversion_add_hashes_to_infotext and hashes:
            parameters["TI hashes"] = ", ".join(filter(None, [*hashes, parameters.get("TI hashes")]))
        if any("(" in text or "[" in text for text in texts) and opts.emphasis != "Original":
            parameters["Emphasis"] = opts.emphasis
        return torch.hstack(rows)

    def empty_chunk(self):
        chunk = PromptChunk()
        chunk.tokens = [self.id_start] + [self.id_end] * (self.chunk_length + 1)
        chunk.multipliers = [1.0] * (self.chunk_length + 2)
        return chunk

    def process_tokens(self, batch, multipliers):
        tokens = torch.asarray(batch).to(devices.device)
        if any(len(line) > self.chunk_length + 2 for line in batch):
            raise RuntimeError(f"The size of tensor a ({max(map(len, batch))}) must match the size of tensor b (77)")
        if self.id_end != self.id_pad:
            for number, line in enumerate(batch):
                tokens[number, line.index(self.id_end) + 1 :] = self.id_pad
        return self.encode_with_transformers(tokens) * torch.asarray(multipliers)[..., None]


class FrozenCLIPEmbedderWithCustomWordsBase(TextConditionalModel):
    def __init__(self, wrapped, hijack):
        super().__init__()
        self.hijack = hijack
        self.wrapped = wrapped


class FrozenCLIPEmbedderWithCustomWords(FrozenCLIPEmbedderWithCustomWordsBase):
    def __init__(self, wrapped, hijack):
        super().__init__(wrapped, hijack)
        self.tokenizer = wrapped.tokenizer
        self.comma_token = self.tokenizer.get_vocab()[",</w>"]
        self.id_start = self.tokenizer.bos_token_id
        self.id_end = self.id_pad = self.tokenizer.eos_token_id

    def tokenize(self, texts):
        return self.wrapped.tokenizer(texts, truncation=False, add_special_tokens=False)["input_ids"]

    def encode_with_transformers(self, tokens):
        return self.wrapped.transformer.text_model.embeddings.token_embedding(tokens)

    def encode_embedding_init_text(self, text, _length):
        table = self.wrapped.transformer.text_model.embeddings.token_embedding.wrapped
        return table(torch.asarray(self.tokenize([text])[0]))


class FrozenCLIPEmbedderForSDXLWithCustomWords(FrozenCLIPEmbedderWithCustomWords):
    pass
