"""From prompts to conditioning: editing, the text for each encoder, attention, and a cache without a model."""

import re
from collections import OrderedDict

import torch
from modules import prompt_parser, shared

cache = OrderedDict()
last_attention = None
embedder = None


class PromptEmbedder:
    def __init__(self, prompts, negative_prompts, steps, clip_skip, p, prompt_attention=None):
        self.prompt_attention_value = prompt_attention or shared.opts.prompt_attention
        self.prompts = prompts
        self.negative_prompts = negative_prompts
        self.batchsize = len(prompts)
        self.attention = last_attention
        self.steps = steps
        self.clip_skip = clip_skip
        self.prompt_embeds = [[] for _ in prompts]
        self.negative_prompt_embeds = [[] for _ in prompts]
        self.scheduled_prompt = False
        if self.checkcache():
            return
        self.pipe = shared.sd_model
        for index, (prompt, negative_prompt) in enumerate(zip(prompts, negative_prompts, strict=False)):
            positive, is_scheduled = get_prompt_schedule(prompt, steps)
            negative, is_negative_scheduled = get_prompt_schedule(negative_prompt, steps)
            self.scheduled_prompt = is_scheduled or is_negative_scheduled
            for step in range(max(len(positive), len(negative))):
                self.encode(self.pipe, positive[step % len(positive)], negative[step % len(negative)], index)
        self.checkcache()

    def checkcache(self):
        if self.scheduled_prompt or self.attention != self.prompt_attention_value:
            cache.clear()
            return False
        key = str([self.prompts, self.negative_prompts, self.batchsize, self.clip_skip, self.steps])
        if key in cache:
            vars(self).update(cache[key])
            cache.move_to_end(key)
            return True
        if any(self.prompt_embeds):
            cache[key] = {"prompt_embeds": self.prompt_embeds, "negative_prompt_embeds": self.negative_prompt_embeds}
            while len(cache) > shared.opts.sd_textencoder_cache_size:
                cache.popitem(last=False)
        return False

    def encode(self, pipe, positive, negative, index):
        global last_attention
        self.attention = last_attention = self.prompt_attention_value
        encode = get_xhinker_text_embeddings if self.attention == "xhinker" else get_weighted_text_embeddings
        embeds, negative_embeds = encode(pipe, positive, negative, self.clip_skip)
        self.prompt_embeds[index].append(embeds)
        if negative_embeds is not None:
            self.negative_prompt_embeds[index].append(negative_embeds)

    def __call__(self, key, step=0):
        batch = getattr(self, key)
        return [schedule[min(step, len(schedule) - 1)] for schedule in batch] if all(batch) else None


def get_prompt_schedule(prompt, steps):
    schedule = prompt_parser.get_learned_conditioning_prompt_schedules([prompt], steps)[0]
    if len(schedule) == 1:
        return [schedule[0][1]], False
    texts = []
    for end, text in schedule:
        texts += [text] * (end - len(texts))
    return texts, True


def maybe_convert_prompt(pipe, prompt, tokenizer):
    """Write out the tokens of the embeddings that a prompt names, and note their names."""
    used = []
    for token in set(tokenizer.tokenize(prompt)):
        if token in tokenizer.added_tokens_encoder:
            used.append(token)
            number = 1
            replacement = token
            while f"{token}_{number}" in tokenizer.added_tokens_encoder:
                replacement += f" {token}_{number}"
                number += 1
            prompt = prompt.replace(token, replacement)
    pipe.embedding_db.embeddings_used = used
    return prompt


def get_prompts_with_weights(pipe, prompt):
    tokenizer = getattr(pipe, "tokenizer", None) or pipe.tokenizer_2
    return prompt_parser.parse_prompt_attention(maybe_convert_prompt(pipe, prompt, tokenizer))


def split_prompts(pipe, prompt, SD3=False):  # noqa: N803
    parts = re.split(r"TE[234]:", prompt)
    texts = [parts[min(i, len(parts) - 1)].strip() or " " for i in range(4)]
    if SD3 and texts[2] != " ":
        texts[2] = " ".join(text for text, _ in get_prompts_with_weights(pipe, texts[2]))
    return tuple(texts)


def get_weighted_text_embeddings(pipe, prompt="", neg_prompt="", clip_skip=None):
    is_sd3 = hasattr(pipe, "text_encoder_3")
    negatives = split_prompts(pipe, neg_prompt, is_sd3)
    positives = split_prompts(pipe, prompt, is_sd3)
    pipe.encoded += [negatives[0], positives[0]]
    pipe.before_encoding()
    if "Flux" in type(pipe).__name__:
        return pipe.encode_prompt(prompt=positives[0], prompt_2=positives[1]), None
    embeds = [_encode(pipe, texts) for texts in (positives, negatives)]
    if is_sd3:
        words = [pipe._get_t5_prompt_embeds(texts[2]) for texts in (positives, negatives)]
        return list(zip(embeds, words, strict=True))
    return embeds


def get_xhinker_text_embeddings(pipe, prompt="", neg_prompt="", clip_skip=None):
    positives, negatives = (split_prompts(pipe, text, hasattr(pipe, "text_encoder_3")) for text in (prompt, neg_prompt))
    pipe.encoded += [negatives[0], positives[0]]
    return [_encode(pipe, texts) for texts in (positives, negatives)]


def _encode(pipe, texts):
    rows = []
    for place, suffix in enumerate(("", "_2")):
        encoder = getattr(pipe, "text_encoder" + suffix, None)
        if encoder is not None:
            sections = _sections(get_prompts_with_weights(pipe, texts[place]))
            tokenizer = getattr(pipe, "tokenizer" + suffix)
            rows.append(torch.cat([_encode_section(encoder, tokenizer, section) for section in sections]))
    return torch.cat(rows, dim=1)


def _sections(fragments):
    sections = [[]]
    for text, weight in fragments:
        if weight == -1:
            sections.append([])
        else:
            sections[-1].append((text, weight))
    return sections


def _encode_section(encoder, tokenizer, fragments):
    tokens = [(token, weight) for text, weight in fragments for token in tokenizer(text).input_ids[1:-1]]
    rows = []
    for start in range(0, max(len(tokens), 1), 75):
        chunk = tokens[start : start + 75]
        padding = 75 - len(chunk)
        ids = [tokenizer.bos_token_id, *(token for token, _ in chunk), tokenizer.eos_token_id]
        weights = torch.tensor([1.0, *(weight for _, weight in chunk), *[1.0] * (padding + 1)])
        found = encoder(torch.tensor([ids + [tokenizer.pad_token_id] * padding]))[0]
        rows.append(found * weights[:, None])
    return torch.cat(rows)
