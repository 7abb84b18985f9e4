"""Another checkpoint's tables inside a WebUI: what `@name` reads beside the loaded model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..files.checkpoint_files import Checkpoint, TokenTable
from ..host_protocol import InstalledEmbedding, TextEncoder, TextModel, TextPieces
from .checkpoint import FileEncoder

__all__ = ["HostTokenizedEncoder", "OtherCheckpoint"]


class HostTokenizedEncoder(FileEncoder):
    """A table of a checkpoint file with the tokenizer of the host's encoder of the same name."""

    def __init__(self, table: TokenTable, host_encoder: TextEncoder) -> None:
        """Take the file's table and the loaded model's encoder."""
        super().__init__(table.encoder, table)
        self.host_encoder = host_encoder
        self.start_id, self.end_id = host_encoder.start_id, host_encoder.end_id
        self.padding_id = host_encoder.padding_id

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids by the host's own tokenizer."""
        return self.host_encoder.tokenize(texts)

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Return each token's spelling by the host's own tokenizer."""
        return self.host_encoder.spell(ids)


class OtherCheckpoint:
    """A checkpoint file read beside the loaded model: its tables, the host's tokenizers and embeddings."""

    is_demonstration = False

    def __init__(self, opened: Checkpoint, beside: TextModel) -> None:
        """Take the opened file and the loaded model."""
        self.title = opened.title
        self.family = opened.family
        self.identity = opened.identity
        self.half_precision = beside.half_precision
        self.prompt_rules = beside.prompt_rules
        own = {encoder.name: encoder for encoder in beside.encoders}
        self.encoders: Sequence[TextEncoder] = [
            HostTokenizedEncoder(table, own[table.encoder]) for table in opened.tables if table.encoder in own
        ]
        self._beside = beside
        self._opened = opened

    def record(self, *, with_hash: bool = False) -> Mapping[str, str]:
        """Return what is known of the checkpoint's file."""
        return self._opened.record(with_hash=with_hash)

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        """Resolve texts as the loaded model does: installed embeddings are unaffected by `@`."""
        return self._beside.pieces(texts)

    def embeddings_named(self, *stems: str) -> list[InstalledEmbedding]:
        """Return the host's embeddings of these names."""
        return self._beside.embeddings_named(*stems)

    def embedding_names(self) -> list[str]:
        """Return the names of the host's embeddings."""
        return self._beside.embedding_names()

    def checkpoint(self, name: str) -> TextModel:
        """Return another checkpoint of the host's list."""
        return self._beside.checkpoint(name)
