"""From a text to chunks of 75 tokens, and from those to conditioning: CLIP, with embeddings."""

import math
from collections import namedtuple

import torch
from backend.text_processing.textual_inversion import EmbeddingDatabase
from modules.prompt_parser import parse_prompt_attention
from modules.shared import opts

PromptChunkFix = namedtuple("PromptChunkFix", ["offset", "embedding"])
last_extra_generation_params = {}


class PromptChunk:
    def __init__(self):
        self.tokens = []
        self.multipliers = []
        self.fixes = []


class CLIPEmbeddingForTextualInversion(torch.nn.Module):
    def __init__(self, wrapped, embeddings, textual_inversion_key="clip_l"):
        super().__init__()
        self.wrapped = wrapped
        self.embeddings = embeddings
        self.textual_inversion_key = textual_inversion_key
        self.weight = self.wrapped.weight

    def forward(self, input_ids):
        batch_fixes, self.embeddings.fixes = self.embeddings.fixes, None
        rows = self.wrapped(input_ids).clone()
        for line, fixes in zip(rows, batch_fixes or [[]] * len(rows), strict=True):
            for offset, embedding in fixes:
                vec = embedding.vec[self.textual_inversion_key] if isinstance(embedding.vec, dict) else embedding.vec
                length = min(line.shape[0] - offset - 1, vec.shape[0])
                line[offset + 1 : offset + 1 + length] = vec[:length].to(line)
        return rows


class ClassicTextProcessingEngine:
    chunk_length = 75
    comma_padding_backtrack = 20

    def __init__(self, text_encoder, tokenizer, embedding_dir, embedding_key, embedding_expected_shape):
        self.embeddings = EmbeddingDatabase(tokenizer, embedding_expected_shape)
        self.embeddings.add_embedding_dir(embedding_dir)
        self.embeddings.load_textual_inversion_embeddings()
        self.embedding_key = embedding_key
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self.id_start = tokenizer.bos_token_id
        self.id_end = tokenizer.eos_token_id
        self.id_pad = tokenizer.pad_token_id
        self.comma_token = tokenizer.get_vocab()[",</w>"]
        place = text_encoder.transformer.text_model.embeddings
        place.token_embedding = CLIPEmbeddingForTextualInversion(place.token_embedding, self.embeddings, embedding_key)

    def empty_chunk(self):
        chunk = PromptChunk()
        chunk.tokens = [self.id_start] + [self.id_end] * (self.chunk_length + 1)
        chunk.multipliers = [1.0] * (self.chunk_length + 2)
        return chunk

    def get_target_prompt_token_count(self, token_count):
        return math.ceil(max(token_count, 1) / self.chunk_length) * self.chunk_length

    def tokenize(self, texts):
        return self.tokenizer(texts, truncation=False, add_special_tokens=False)["input_ids"]

    def encode_with_transformers(self, tokens):
        place = self.text_encoder.transformer.text_model.embeddings
        place.token_embedding = place.token_embedding.to(dtype=torch.float32)
        return place.token_embedding(tokens)

    def tokenize_line(self, line):
        """Give the chunks of a text, each with start and end token, and the number of its tokens.

        As in the host, the text behind a comma that is moved to the next chunk takes its tokens and multipliers
        along, but leaves its `fixes` behind.
        """
        parsed = parse_prompt_attention(line)
        tokenized = self.tokenize([text for text, _ in parsed])
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

        for tokens, (text, weight) in zip(tokenized, parsed, strict=True):
            if text == "BREAK" and weight == -1:
                close()
                continue
            position = 0
            while position < len(tokens):
                is_full = len(chunk.tokens) == self.chunk_length
                if tokens[position] == self.comma_token:
                    comma = len(chunk.tokens)
                elif is_full and comma != -1 and len(chunk.tokens) - comma <= self.comma_padding_backtrack:
                    moved = chunk.tokens[comma + 1 :], chunk.multipliers[comma + 1 :]
                    del chunk.tokens[comma + 1 :], chunk.multipliers[comma + 1 :]
                    close()
                    chunk.tokens, chunk.multipliers = moved
                if len(chunk.tokens) == self.chunk_length:
                    close()
                embedding, length = self.embeddings.find_embedding_at_position(tokens, position)
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
        found = {line: self.tokenize_line(line) for line in texts}
        return [found[line][0] for line in texts], max(count for _, count in found.values())

    def __call__(self, texts):
        """Give (texts, 77 · chunks, width): the very vectors that would enter the transformer, times their weights."""
        batch, _ = self.process_texts(texts)
        used = {}
        rows = []
        for number in range(max(map(len, batch))):
            chunks = [chunks[number] if number < len(chunks) else self.empty_chunk() for chunks in batch]
            self.embeddings.fixes = [chunk.fixes for chunk in chunks]
            used.update({fix.embedding.name: fix.embedding for chunk in chunks for fix in chunk.fixes})
            rows.append(self.process_tokens([c.tokens for c in chunks], [c.multipliers for c in chunks]))
        self.note(texts, used)
        return torch.hstack(rows)

    def note(self, texts, used):
        parameters = last_extra_generation_params
        if used:
            names = [name.replace(":", "").replace(",", "") for name in used]
            parameters["TI"] = ", ".join([*filter(None, [parameters.get("TI")]), *names])
        if any("(" in text or "[" in text for text in texts) and opts.emphasis != "Original":
            parameters["Emphasis"] = opts.emphasis

    def process_tokens(self, batch, multipliers):
        tokens = torch.asarray(batch)
        if any(len(line) > self.chunk_length + 2 for line in batch):
            raise RuntimeError(f"The size of tensor a ({max(map(len, batch))}) must match the size of tensor b (77)")
        if self.id_end != self.id_pad:
            for number, line in enumerate(batch):
                tokens[number, line.index(self.id_end) + 1 :] = self.id_pad
        return self.encode_with_transformers(tokens) * torch.asarray(multipliers)[..., None]
