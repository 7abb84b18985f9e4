"""T5 and language models without a WebUI: their files, the tokenizers beside them, and what is said of the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from lib_embmerge.errors import FileError
from lib_embmerge.files.reading import load_embedding
from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.models.checkpoint import open_model
from lib_embmerge.models.language_tokenizers import spell_piece
from lib_embmerge.saving import SaveOptions, rebuild, save_expression
from tests.analysed import entered, evaluate

PIECES = ["<pad>", "</s>", "<unk>", "▁cat", "cat", "▁a", "▁dog", "▁", *"abcdefghijklmnopqrstuvwxyz,."]
WORDS = ["cat", "Ġcat", "Ġdog", "dog", "Ġ", *"abcdefghijklmnopqrstuvwxyz,.", "<|endoftext|>", "<|im_end|>"]


def sentencepiece_like() -> Tokenizer:
    """Make a tokenizer that puts ▁ before every word, as T5's."""
    made = Tokenizer(models.Unigram([(piece, -1.0 if len(piece) > 2 else -9.0) for piece in PIECES], unk_id=2))
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return made


def llama_like() -> Tokenizer:
    """Make a tokenizer that puts ▁ before a text and keeps every blank, as Llama's, which Pile-T5 has."""
    made = Tokenizer(models.Unigram([(piece, -1.0 if len(piece) > 2 else -9.0) for piece in PIECES], unk_id=2))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return made


def byte_level() -> Tokenizer:
    """Make a tokenizer that takes the blank before a word into its first piece, as Qwen's."""
    vocabulary = {piece: number for number, piece in enumerate(WORDS)}
    merges = [("c", "a"), ("ca", "t"), ("Ġ", "cat"), ("d", "o"), ("do", "g"), ("Ġ", "dog")]
    for piece in ("ca", "do"):
        vocabulary[piece] = len(vocabulary)
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


LAYERS: Mapping[str, tuple[str, list[str]]] = {
    "t5xxl": ("shared.weight", ["encoder.block.0.layer.0.SelfAttention.q.weight"]),
    "pile_t5xl": ("shared.weight", ["encoder.block.0.layer.0.SelfAttention.q.weight"]),
    "gemma2_2b": ("model.embed_tokens.weight", ["model.layers.0.post_feedforward_layernorm.weight"]),
    "gemma3_4b": (
        "model.embed_tokens.weight",
        ["model.layers.0.post_feedforward_layernorm.weight", "model.layers.0.self_attn.q_norm.weight"],
    ),
    "qwen3_4b": ("model.embed_tokens.weight", ["model.layers.0.self_attn.q_norm.weight"]),
    "qwen25_7b": ("model.embed_tokens.weight", ["model.layers.0.self_attn.q_proj.bias"]),
    "llama": ("model.embed_tokens.weight", ["model.layers.0.self_attn.q_proj.weight"]),
}
WIDTHS = {"t5xxl": 4096, "pile_t5xl": 2048, "gemma3_4b": 2560, "qwen3_4b": 2560, "qwen25_7b": 3584}


def write_encoder(path: Path, encoder: str, *, rows: int = 64, **more: torch.Tensor) -> torch.Tensor:
    """Write an encoder's file as its layers are called, small where that can be; return its table."""
    key, layers = LAYERS[encoder]
    generator = torch.Generator().manual_seed(3)
    table = torch.randn(rows, WIDTHS.get(encoder, 24), generator=generator).to(torch.bfloat16)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: table, **{layer: torch.zeros(4) for layer in layers}, **more}, path)
    return table


@pytest.fixture
def t5(tmp_path: Path) -> Path:
    write_encoder(tmp_path / "t5.safetensors", "t5xxl")
    sentencepiece_like().save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "t5.safetensors"


@pytest.mark.parametrize("encoder", LAYERS)
def test_an_encoder_is_told_by_its_layers(tmp_path: Path, encoder: str) -> None:
    table = write_encoder(tmp_path / "text.safetensors", encoder)
    byte_level().save(str(tmp_path / "tokenizer.json"))
    (found,) = open_model(tmp_path / "text.safetensors").encoders
    assert (found.name, found.size, found.width) == (encoder, *table.shape)
    assert torch.equal(found.rows([5, 3]), table[[5, 3]].float())


@pytest.mark.parametrize(
    ("said", "rows", "encoder"),
    [
        ("umt5", 256_384, "umt5xxl"),
        ("umt5", 64, "pile_t5xl"),
        ("t5", 64, "t5xxl"),
        ("gemma2", 64, "gemma2_2b"),
        ("llama", 64, "llama"),
    ],
)
def test_an_encoder_is_told_by_its_configuration(tmp_path: Path, said: str, rows: int, encoder: str) -> None:
    write_encoder(tmp_path / "model.safetensors", "llama", rows=rows)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": said}))
    byte_level().save(str(tmp_path / "tokenizer.json"))
    assert [one.name for one in open_model(tmp_path).encoders] == [encoder]


@pytest.mark.parametrize("encoder", ["umt5xxl", None])
@pytest.mark.parametrize(
    "spelled",
    [
        ("encoder.block.1.layer.0.SelfAttention.{}.weight", "q", "relative_attention_bias"),
        ("enc.blk.1.{}.weight", "attn_q", "attn_rel_b"),
    ],
    ids=["transformers", "gguf"],
)
def test_mt5_is_not_umt5(tmp_path: Path, encoder: str | None, spelled: tuple[str, str, str]) -> None:
    name, layer, bias = spelled
    more = [layer, bias] if encoder else [layer]
    first = {"encoder.block.0.layer.0.SelfAttention.q.weight": torch.zeros(4)}
    table = {"shared.weight": torch.zeros(256_384, 2)}
    save_file({**table, **first, **{name.format(one): torch.zeros(4) for one in more}}, tmp_path / "x.safetensors")
    byte_level().save(str(tmp_path / "tokenizer.json"))
    if encoder:
        assert [one.name for one in open_model(tmp_path / "x.safetensors").encoders] == [encoder]
    else:
        with pytest.raises(FileError, match="holds a text encoder that embmerge does not know"):
            open_model(tmp_path / "x.safetensors")


def test_mt5_s_own_configuration_is_believed(tmp_path: Path) -> None:
    write_encoder(tmp_path / "model.safetensors", "t5xxl")
    (tmp_path / "config.json").write_text('{"model_type": "mt5"}')
    with pytest.raises(FileError, match="holds a text encoder that embmerge does not know"):
        open_model(tmp_path / "model.safetensors")


def test_a_width_that_no_encoder_has_is_said(tmp_path: Path) -> None:
    save_file(
        {"model.embed_tokens.weight": torch.zeros(9, 7), "model.layers.0.self_attn.q_norm.weight": torch.zeros(1)},
        tmp_path / "q.safetensors",
    )
    byte_level().save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(FileError, match=r"holds a Qwen 3 of 7 columns; known are 1,024 \(qwen3_06b\), 2,048"):
        open_model(tmp_path / "q.safetensors")


def test_words_are_cut_as_behind_a_blank(t5: Path, tmp_path: Path) -> None:
    model = open_model(t5)
    (encoder,) = model.encoders
    assert encoder.tokenize([" cat", "cat"]) == [[3], [3]]
    assert encoder.spell([3, 4, 8]) == [" cat", "cat", "a"]
    assert (encoder.start_id, encoder.end_id, encoder.padding_id) == (None, 1, 0)
    table = write_encoder(tmp_path / "q" / "qwen.safetensors", "qwen3_4b")
    byte_level().save(str(tmp_path / "q" / "tokenizer.json"))
    value = evaluate("'cat' - 'dog'", open_model(tmp_path / "q" / "qwen.safetensors"))
    behind = table.float()[1:2] - table.float()[2:3]
    assert torch.equal(value["qwen3_4b"], behind)


def test_a_blank_is_not_put_before_a_word_twice(tmp_path: Path) -> None:
    write_encoder(tmp_path / "pile.safetensors", "pile_t5xl")
    llama_like().save(str(tmp_path / "tokenizer.json"))
    (encoder,) = open_model(tmp_path / "pile.safetensors").encoders
    assert encoder.name == "pile_t5xl"
    assert encoder.tokenize([" cat", "cat", " cat dog", "  cat"]) == [[3], [3], [3, 6], [7, 3]]


def write_pairs(folder: Path) -> None:
    """Write a tokenizer as Qwen's folders have it: a vocabulary, its pairs and the tokens that were added."""
    made = json.loads(byte_level().to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(made["vocab"]))
    pairs = "\n".join(pair if isinstance(pair, str) else " ".join(pair) for pair in made["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{pairs}\n", encoding="utf-8")
    added = {str(len(made["vocab"])): {"content": "<|new|>", "special": True}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))


def test_a_vocabulary_and_its_pairs_are_qwens_tokenizer(tmp_path: Path) -> None:
    table = write_encoder(tmp_path / "qwen.safetensors", "qwen3_4b")
    write_pairs(tmp_path)
    model = open_model(tmp_path / "qwen.safetensors")
    assert torch.equal(evaluate("'cat' - 'dog'", model)["qwen3_4b"], table.float()[1:2] - table.float()[2:3])
    assert model.encoders[0].tokenize(["<|new|> cat"]) == [[len(json.loads((tmp_path / "vocab.json").read_text())), 1]]


SPOILED: list[tuple[str, str | None, str]] = [
    ("merges.txt", None, "merges.txt"),
    ("merges.txt", "c a t", "not every line is a pair"),
    ("vocab.json", "[]", "it is no object"),
    ("vocab.json", '{"a": "b"}', "not every piece has a number"),
    ("vocab.json", "{", "cannot be read as a tokenizer"),
    ("tokenizer_config.json", '{"added_tokens_decoder": {"7000": {"content": "<|x|>"}}}', "does not belong to"),
    ("tokenizer_config.json", '{"added_tokens_decoder": {"x": 3}}', "cannot be read as a tokenizer"),
]


@pytest.mark.parametrize(("name", "content", "said"), SPOILED)
def test_spoiled_pairs_end_in_a_sentence(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    write_encoder(tmp_path / "qwen.safetensors", "qwen3_4b")
    write_pairs(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(FileError, match=said):
        open_model(tmp_path / "qwen.safetensors")


def test_pairs_say_not_how_another_model_divides_texts(t5: Path) -> None:
    (t5.parent / "tokenizer.json").unlink()
    write_pairs(t5.parent)
    with pytest.raises(FileError, match=r"do not say how T5 divides a text into words\. Put its tokenizer.json"):
        open_model(t5)


def test_no_tokenizer_is_guessed(t5: Path) -> None:
    beside = t5.parent / "tokenizer.json"
    elsewhere = beside.rename(t5.parent / "mine.json")
    with pytest.raises(FileError, match=r"t5.safetensors holds T5-XXL, without its tokenizer\. Put its tokenizer"):
        open_model(t5)
    assert [one.name for one in open_model(t5, tokenizer=elsewhere).encoders] == ["t5xxl"]
    elsewhere.write_text("{}")
    with pytest.raises(FileError, match="cannot be read as a tokenizer"):
        open_model(t5, tokenizer=elsewhere)


def test_the_app_opens_a_checkpoint_with_the_tokenizer_that_is_named(t5: Path, tmp_path: Path) -> None:
    named = (t5.parent / "tokenizer.json").rename(t5.parent / "mine.json")
    host = AppHost(t5, tmp_path / "embeddings", None, tokenizer=named)
    assert [one.name for one in host.load_text_model().encoders] == ["t5xxl"]
    chosen = AppHost(None, tmp_path / "embeddings", None, tokenizer=named)
    chosen.choose_named(str(t5), str(chosen.embeddings_folder))
    assert [one.name for one in chosen.load_text_model().encoders] == ["t5xxl"]


def words_for_numbers(content: dict[str, Any]) -> None:
    content["model"]["vocab"] = {"cat": "cat"}


def wrong_numbers(content: dict[str, Any]) -> None:
    content["model"]["vocab"] = dict.fromkeys(content["model"]["vocab"], -1)


def strange_merges(content: dict[str, Any]) -> None:
    content["model"]["merges"] = [["no such", "piece"]]


def a_prefix_longer_than_a_word(content: dict[str, Any]) -> None:
    content["model"] |= {"continuing_subword_prefix": "x" * 20, "merges": [["a", "b"]]}


def an_unknown_part(content: dict[str, Any]) -> None:
    content["pre_tokenizer"] = {"type": "Nothing"}


DAMAGES = [words_for_numbers, wrong_numbers, strange_merges, a_prefix_longer_than_a_word, an_unknown_part]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_tokenizer_ends_in_a_sentence(t5: Path, damage: Callable[[dict[str, Any]], None]) -> None:
    """The package says so by exceptions of no particular kind, and by some that cannot be imported."""
    content = json.loads(byte_level().to_str())
    damage(content)
    path = t5.parent / "tokenizer.json"
    path.write_text(json.dumps(content))
    with pytest.raises(FileError, match="cannot be read as a tokenizer"):
        evaluate("'cat'", open_model(t5))


def test_a_pipe_is_no_tokenizer_and_nobody_waits_for_it(t5: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(FileError, match="is not a regular file"):
        open_model(t5, tokenizer=tmp_path / "pipe.json")


def test_a_diffusers_folder_has_its_tokenizers_in_twins(tmp_path: Path) -> None:
    clip = torch.randn(49408, 768)
    (tmp_path / "text_encoder").mkdir()
    save_file({"text_model.embeddings.token_embedding.weight": clip}, tmp_path / "text_encoder" / "model.safetensors")
    write_encoder(tmp_path / "text_encoder_2" / "model.safetensors", "t5xxl")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    assert [one.name for one in open_model(tmp_path).encoders] == ["clip_l"]
    (tmp_path / "tokenizer_2").mkdir()
    sentencepiece_like().save(str(tmp_path / "tokenizer_2" / "tokenizer.json"))
    model = open_model(tmp_path)
    assert [one.name for one in model.encoders] == ["clip_l", "t5xxl"]
    assert model.family is not None
    assert model.family.key == "flux"


def test_a_saved_file_is_the_expression_and_can_be_rebuilt(t5: Path, tmp_path: Path) -> None:
    folder = tmp_path / "embeddings"
    (saved,) = save_expression(entered("'cat', 'dog' * 2"), "mine", open_model(t5), SaveOptions(folder))
    assert dict(saved.shapes) == {"t5xxl": (2, 4096)}
    model = open_model(t5, embeddings=folder)
    value = evaluate("'cat', 'dog' * 2", model)
    for named in ("emb('mine')", "'mine'"):
        assert evaluate(named, model).equals(value)
    file = load_embedding(saved.path)
    (again,) = rebuild(file, model, SaveOptions(tmp_path / "again"))
    assert torch.equal(load_embedding(again.path).others["t5xxl"], file.others["t5xxl"])


def test_gguf_gives_the_rows_that_are_computed_with(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    rows = torch.randn(64, 32, generator=torch.Generator().manual_seed(1)).numpy()
    packed = gguf.quants.quantize(rows, gguf.GGMLQuantizationType.Q8_0)
    writer = gguf.GGUFWriter(tmp_path / "text.gguf", "gemma2")
    writer.add_tensor("token_embd.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    byte_level().save(str(tmp_path / "tokenizer.json"))
    (encoder,) = open_model(tmp_path / "text.gguf").encoders
    assert (encoder.name, encoder.size, encoder.width) == ("gemma2_2b", 64, 32)
    wanted = gguf.quants.dequantize(packed, gguf.GGMLQuantizationType.Q8_0)
    assert torch.equal(encoder.rows([7, 2]), torch.from_numpy(wanted)[[7, 2]])


@pytest.mark.parametrize(
    ("piece", "shown"), [("▁cat", " cat"), ("Ġcat", " cat"), ("cat", "cat"), ("çĮ«", "猫"), ("▁", " "), ("a,", "a,")]
)
def test_pieces_are_shown_as_people_read_them(piece: str, shown: str) -> None:
    assert spell_piece(piece) == shown
