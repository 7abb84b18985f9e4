"""What the documents and the help show is run, as a user would run it."""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import lib_embmerge as em
from lib_embmerge.families import ENCODERS
from lib_embmerge.frontends.cli.arguments import COMMANDS, help_text
from lib_embmerge.models.checkpoint import CheckpointModel, open_model
from lib_embmerge.models.memory import MemoryEncoder, MemoryModel
from lib_embmerge.operations import OPERATIONS

from ..analysed import evaluate
from ..frontends.checkpoints import KEYS
from .sessions import read_sessions, run

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MANUAL = (ROOT / "docs/manual.md").read_text(encoding="utf-8")

OTHERS = [name for name in ENCODERS if name in OPERATIONS and name not in KEYS]
"""Functions of text encoders that neither the demonstration nor SDXL has."""

NUMBER = re.compile(r"-?[\d,]*\.?\d+(?:e-?\d+)?")


def test_sessions_in_python_give_what_they_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    session = doctest.DocTestParser().get_doctest(text, {}, "library", None, 0)
    assert session.examples
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session, out=said.append)
    assert "".join(said) == ""


# --- the manual ----------------------------------------------------------------------------------------------------

SESSIONS = list(read_sessions(MANUAL))


def is_alike(shown: str, printed: str) -> bool:
    """Compare words exactly, and figures as far as two machines agree: another one adds in another order."""
    if [word for word in NUMBER.sub("#", shown).split() if word] != NUMBER.sub("#", printed).split():
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    numbers = [(float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs]
    return all(abs(a - b) <= 2e-3 + 5e-3 * abs(a) for a, b in numbers)


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session[0][0][:60])
def test_a_session_of_the_manual_gives_what_it_shows(
    session: Sequence[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    if any("embeddings/young-cat" in command for command, _ in session):
        run("""embmerge save young-cat "'cat' - 'adult' + 'child'" --dir embeddings --overwrite --author me""")
    for command, shown in session:
        found = run(command if " save young-cat " not in command else f"{command} --overwrite")
        assert found.status == 0, found.err
        assert is_alike(shown, found.out), f"{command}\n{found.out}"


def test_a_figure_that_is_wrong_is_seen() -> None:
    assert is_alike("king  0.8172\n", "king   0.8175\n")
    assert not is_alike("king  0.8172", "king  0.8372")
    assert not is_alike("king  0.8172", "queen  0.8172")
    assert not is_alike("Equal.", "")


def test_every_function_and_operator_has_its_example() -> None:
    shown = " ".join(command for session in SESSIONS for command, _ in session)
    functions = [name for name, entry in OPERATIONS.items() if entry.is_function and name not in OTHERS]
    assert [name for name in functions if f"{name}(" not in shown] == []
    assert [name for name in OTHERS if f"`{name}(a)`" not in MANUAL] == []
    signs = [" + ", " - ", "-'cat'", " * 0.3", " / 4", " : 2", " :+1", "[-1]", "[0:2]", "'black', 'cat'", "=*", "0.5L"]
    assert [sign for sign in signs if sign not in shown] == []


# --- the README ----------------------------------------------------------------------------------------------------

FIRST_TABLE = README.split("| you write |")[1].split("\n\n")[0]
NEAREST = re.findall(r"^\| `([^`]+)` \| ([a-z, ]+) \|$", FIRST_TABLE, re.MULTILINE)


@pytest.mark.parametrize(("expression", "shown"), NEAREST)
def test_the_words_near_an_expression_of_the_readme(expression: str, shown: str) -> None:
    found = em.inspect(expression, open_model(None), k=4)
    assert ", ".join(word.text for word in found.nearest if word.encoder == "clip_l") == shown
    assert found.warnings == ()


def shown_commands(text: str) -> list[str]:
    """Give the program's commands of a document's blocks for a shell, those of Windows too."""
    blocks = re.findall(r"^```(?:sh|powershell)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [re.sub(r"^\.venv[/\\](?:bin|Scripts)[/\\]", "", line) for block in blocks for line in block.split("\n")]
    return [line.removesuffix(" &&") for line in lines if line.startswith("embmerge ")]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write checkpoints of SDXL and SD 1 with the demonstration's whole tables, so that norms are as in a table."""
    folder = tmp_path_factory.mktemp("checkpoints")
    tables = {one.name: one.rows(range(one.size)).to(torch.float16) for one in open_model(None).encoders}
    save_file({KEYS[name]: rows for name, rows in tables.items()}, folder / "model.safetensors")
    sd1 = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    save_file({sd1: tables["clip_l"]}, folder / "sd15.safetensors")
    for name in ("other.safetensors", "sdxl.safetensors"):
        (folder / name).hardlink_to(folder / "model.safetensors")
    return folder


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoints: Path) -> Path:
    """Give a folder as it is at a user's who follows the examples."""
    monkeypatch.chdir(tmp_path)
    for file in checkpoints.iterdir():
        (tmp_path / file.name).hardlink_to(file)
    return tmp_path


def test_the_commands_of_the_readme_run(workplace: Path) -> None:
    commands = shown_commands(README)
    assert len(commands) >= 6
    once = list(dict.fromkeys(commands))
    for command in once:
        if command != "embmerge app":
            found = run(command)
            assert found.is_fine, f"{command}\n{found.err}"


EXPRESSIONS = [
    *re.findall(r"`<([^<>`]*'[^<>`]*)>`", README.split("## More")[0]),
    *(entry.example for name, entry in OPERATIONS.items() if name not in OTHERS),
]


OF_OTHERS = {OPERATIONS[name].example: name for name in ENCODERS if name not in ("clip_l", "clip_g")}


@pytest.mark.parametrize(("expression", "encoder"), OF_OTHERS.items())
def test_an_encoder_s_function_is_computed(expression: str, encoder: str) -> None:
    model = MemoryModel([MemoryEncoder("clip_l"), MemoryEncoder(encoder)])
    cat, kitten = (evaluate(f"'{word}'", model) for word in ("cat", "kitten"))
    value = evaluate(expression, model)
    assert torch.equal(value["clip_l"], cat["clip_l"])
    assert torch.equal(value[encoder], cat[encoder] + kitten[encoder])


@pytest.fixture(scope="session")
def users_model(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> CheckpointModel:
    """Give SDXL as a user has it, with the embeddings that the examples name."""
    folder = tmp_path_factory.mktemp("embeddings")
    for name in ("my_style", "young-cat"):
        pair = {"clip_l": torch.ones(1, 768) * 0.01, "clip_g": torch.ones(1, 1280) * 0.01}
        save_file(pair, folder / f"{name}.safetensors")
    return open_model(checkpoints / "model.safetensors", embeddings=folder)


@pytest.mark.parametrize("expression", [one for one in dict.fromkeys(EXPRESSIONS) if one not in OF_OTHERS])
def test_an_expression_that_is_shown_is_computed(expression: str, users_model: CheckpointModel) -> None:
    found = em.inspect(expression, users_model, k=0)
    assert found.vectors.length > 0
    assert found.warnings == ()


# --- help ----------------------------------------------------------------------------------------------------------


def help_examples(name: str) -> list[str]:
    lines = help_text(name).split("\n")
    commands = [line.strip() for line in lines if line.startswith("    embmerge ")]
    return [line for line in commands if "COMMAND" not in line and not line.endswith(".")]


def files_for(name: str) -> Iterator[tuple[str, object]]:
    """Yield what has to be there for a command's examples."""
    pair = {"clip_l": torch.full((1, 768), 0.012), "clip_g": torch.full((1, 1280), 0.012)}
    young_cat = """embmerge save young-cat "'cat' - 'adult' + 'child'" --checkpoint model.safetensors"""
    own: Mapping[str, Sequence[tuple[str, object]]] = {
        "embmerge": [],
        "inspect": [("run", f"{young_cat} --dir embeddings")],
        "nearest": [("embeddings/style.safetensors", pair)],
        "explain": [("run", young_cat.replace("young-cat", "style") + " --dir embeddings")],
        "compare": [("old.safetensors", pair), ("new.safetensors", pair), ("run", young_cat)],
        "rebuild": [("run", f"{young_cat} --dir embeddings")],
        "check": [("run", f"{young_cat} --dir embeddings")],
        "carry": [
            ("run", young_cat),
            ("run", """embmerge save ink-style "'cat' + 'red' * 0.5" --checkpoint sd15.safetensors --dir made"""),
            ("strip", ("made/ink-style.safetensors", "ink-style.pt")),
        ],
        "convert": [
            ("old.pt", {"string_to_param": {"*": torch.full((2, 768), 0.012)}, "name": "old"}),
            ("learned_embeds.bin", {"<word>": torch.full((768,), 0.012)}),
            ("embeddings/mine.pt", {"string_to_param": {"*": torch.full((2, 768), 0.012)}, "name": "mine"}),
            ("odd.safetensors", {"clip_l": torch.full((2, 768), 0.012), "clip_g": torch.full((1, 1280), 0.012)}),
        ],
        "batch": [
            ("animals.txt", "\n".join(help_text("batch").split("\n\n")[2].split("\n    ")).strip()),
            ("wildcards/animals.txt", "cat\ndog # a comment\n2::red fox\n"),
        ],
    }
    yield from own.get(name, [])


def put(where: str, what: object) -> None:
    if where == "run":
        assert run(str(what)).status == 0
        return
    if where == "strip":
        source, target = what  # type: ignore[misc]
        vectors = em.read_embedding(Path(source)).vectors["clip_l"]
        torch.save({"string_to_param": {"*": vectors}, "name": "style"}, target)
        return
    path = Path(where)
    path.parent.mkdir(exist_ok=True)
    if isinstance(what, str):
        path.write_text(what, encoding="utf-8")
    elif path.suffix == ".safetensors":
        save_file(what, path)  # type: ignore[arg-type]
    else:
        torch.save(what, path)


@pytest.mark.parametrize("name", ["embmerge", *(name for name in COMMANDS if name != "app")])
def test_the_examples_of_help_run(name: str, workplace: Path) -> None:
    if name == "completion":
        pytest.importorskip("shtab")
    for where, what in files_for(name):
        put(where, what)
    examples = help_examples(name)
    assert examples
    for command in examples:
        found = run(expanded(command.partition(" > ")[0]))
        assert found.is_fine, f"{command}\n{found.out}\n{found.err}"


def expanded(command: str) -> str:
    """Give a command with the files that its patterns stand for, as a shell would: not within quotes."""
    if "*." not in command or "'" in command:
        return command
    words = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in shlex.split(command)]
    return shlex.join(one for word in words for one in word)
