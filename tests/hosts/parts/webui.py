"""Modules that most hosts have, and those of the hosts with one database: AUTOMATIC1111's and its relatives."""

from __future__ import annotations

import threading
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch

from .assembly import Maker, Modules, fresh, own_attributes
from .encoders import ClipEncoder, Hijacked
from .installed import Embedding, WatchedDatabase
from .models import encoders_of, unwrap_encoders, wrap_encoders
from .page import Callbacks, OptionInfo, Options, Styles
from .threads import MainThread
from .vocabulary import OpenClipTokenizer

ScriptClassData = namedtuple("ScriptClassData", ["script_class", "path", "basedir", "module"])

# Modules of most hosts


def devices(_: Modules) -> Mapping[str, Any]:
    return {"device": torch.device("cpu"), "dtype": torch.float32}


def call_queue(_: Modules) -> Mapping[str, Any]:
    return {"queue_lock": threading.Lock()}


def main_thread(_: Modules) -> Mapping[str, Any]:
    thread = MainThread()
    return {"run_and_wait_result": thread.run_and_wait_result, "finished_list": thread.finished_list}


class ScriptRunner:
    """The scripts that can be chosen in the page, of which one may run in a job's place."""

    def __init__(self, *selectable: Any) -> None:
        self.selectable_scripts = list(selectable)

    def run(self, p: Any, *args: Any) -> Any:
        """Run the script whose number from 1 is given first."""
        if not args or not args[0]:
            return None
        script = self.selectable_scripts[args[0] - 1]
        return script.run(p, *args[script.args_from : script.args_to])


def scripts(_: Modules) -> Mapping[str, Any]:
    return {
        "Script": type("Script", (), {}), "AlwaysVisible": object(), "ScriptClassData": ScriptClassData,
        "scripts_data": [], "ScriptRunner": fresh(ScriptRunner),
    }  # fmt: skip


def callbacks(*, takes_names: bool = True, lacking: Sequence[str] = ()) -> Maker:
    return lambda _: Callbacks(takes_names=takes_names, lacking=lacking).attributes()


def shared(**options: Any) -> Maker:
    """Let the module have these options beside those that every host has."""
    usual = {"emphasis": "Original", "comma_padding_backtrack": 20, "include_styles_into_token_counters": True}
    return lambda modules: {
        "opts": Options(**usual, **options),
        "cmd_opts": SimpleNamespace(embeddings_dir=str(modules.embeddings_folder)),
        "prompt_styles": Styles(),
        "OptionInfo": OptionInfo,
        "sd_model": None,
    }


# One database for the host


def embedding_module(_: Modules) -> Mapping[str, Any]:
    return {"Embedding": fresh(Embedding), "EmbeddingDatabase": fresh(WatchedDatabase)}


def open_clip_tokenizer(_: Modules) -> Mapping[str, Any]:
    return {"_tokenizer": OpenClipTokenizer()}


class StableDiffusionModelHijack:
    """Wraps the text encoders of a model, and has what they share."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        self.clip: Any = None
        self.extra_generation_params: dict[str, str] = {}
        inversion = modules["modules.textual_inversion.textual_inversion"]
        folder = modules["modules.shared"].cmd_opts.embeddings_dir
        self.embedding_db = inversion.EmbeddingDatabase(self._columns, [folder])
        self.embedding_db.embedding_class = inversion.Embedding

    def hijack(self, model: Any) -> None:
        wrap_encoders(model, self.modules["modules.sd_hijack_clip"].FrozenCLIPEmbedderWithCustomWords)
        self.clip = model.cond_stage_model

    def undo_hijack(self, model: Any) -> None:
        unwrap_encoders(model)
        self.clip = None

    def get_prompt_lengths(self, text: str, cond_stage_model: Any = None) -> tuple[Any, Any]:
        stage = cond_stage_model or self.clip
        if stage is None:
            return "-", "-"
        _, count = stage.process_texts([text])
        return count, stage.get_target_prompt_token_count(count)

    def _columns(self) -> int:
        encoders = encoders_of(self.modules["modules.sd_models"].model_data.sd_model)
        return sum(encoder.table.weight.shape[1] for encoder in encoders)


def sd_hijack(modules: Modules) -> Mapping[str, Any]:
    kind = fresh(StableDiffusionModelHijack)
    return {"StableDiffusionModelHijack": kind, "model_hijack": kind(modules)}


def sd_hijack_clip(*owners: str) -> Maker:
    """Let the wrappers of encoders be derived from these classes, of which the first has the methods."""

    def make(modules: Modules) -> Mapping[str, Any]:
        shares = {
            "database": modules["modules.sd_hijack"].model_hijack.embedding_db,
            "comma_reach": staticmethod(lambda: modules["modules.shared"].opts.comma_padding_backtrack),
            "note": staticmethod(lambda texts, used: note_hashes(modules, texts, used)),
        }
        first, *others = owners
        found = {first: fresh(ClipEncoder, first, **shares)}
        for name in others:
            found[name] = type(name, (found[owners[owners.index(name) - 1]],), {})
        last = found[owners[-1]]
        words = "FrozenCLIPEmbedderWithCustomWords"
        return {**found, words: type(words, (last,), own_attributes(Hijacked))}

    return make


def note_hashes(modules: Modules, texts: Sequence[str], used: Sequence[Any]) -> None:
    """Note for the infotext the hashes of embeddings, and the kind of emphasis."""
    opts = modules["modules.shared"].opts
    notes = modules["modules.sd_hijack"].model_hijack.extra_generation_params
    if opts.textual_inversion_add_hashes_to_infotext:
        known = filter(None, notes.get("TI hashes", "").split(", "))
        found = [f"{e.name}: {e.shorthash}" for e in used if e.shorthash]
        if found:
            notes["TI hashes"] = ", ".join(dict.fromkeys([*known, *found]))
    note_emphasis(opts, texts, notes)


def note_emphasis(opts: Any, texts: Sequence[str], notes: dict[str, str]) -> None:
    if opts.emphasis != "Original" and any(bracket in text for text in texts for bracket in "(["):
        notes["Emphasis"] = opts.emphasis


def clear_notes_and_look_at_folder(modules: Modules) -> None:
    """Begin a job."""
    hijack = modules["modules.sd_hijack"].model_hijack
    hijack.extra_generation_params.clear()
    hijack.embedding_db.load_textual_inversion_embeddings()


def give_notes(modules: Modules, p: Any) -> None:
    """End a job."""
    p.extra_generation_params.update(modules["modules.sd_hijack"].model_hijack.extra_generation_params)


def copy_notes(modules: Modules) -> Mapping[str, str]:
    """Keep the notes with what was encoded."""
    return dict(modules["modules.sd_hijack"].model_hijack.extra_generation_params)


def checkpoint_of(modules: Modules) -> Any:
    """Tell models apart for the cache."""
    return modules["modules.sd_models"].model_data.sd_model.sd_checkpoint_info


def count_by_hijack(modules: Modules, text: str) -> Any:
    return modules["modules.sd_hijack"].model_hijack.get_prompt_lengths(text)


def count_by_model(modules: Modules, text: str) -> Any:
    """Count with the loaded model's encoders; without a model nothing is known."""
    stage = getattr(modules["modules.sd_models"].model_data.sd_model, "cond_stage_model", None)
    return modules["modules.sd_hijack"].model_hijack.get_prompt_lengths(text, stage) if stage else ("?", "?")


# Loading a model


def sd_models(load: Callable[[Modules, Any], Any], **more: Any) -> Maker:
    """Let the module load models so; `chosen` makes the one that is loaded where there is none."""

    def make(modules: Modules) -> Mapping[str, Any]:
        def load_model(model: Any = None) -> Any:
            return load(modules, model)

        def reload_model_weights() -> None:
            module = modules["modules.sd_models"]
            if module.chosen is not None:
                module.load_model(module.chosen())

        return {
            "load_model": load_model,
            "reload_model_weights": reload_model_weights,
            "checkpoints_list": {},
            "model_data": SimpleNamespace(sd_model=None),
            "chosen": None,
            "while_loading": bool,
            "loading_threads": [],
            **more,
        }

    return make


def load_whole(modules: Modules, model: Any) -> Any:
    """Load a model, and the embeddings for it."""
    make_current(modules, model)
    modules["modules.sd_hijack"].model_hijack.embedding_db.load_textual_inversion_embeddings(force_reload=True)
    return model


def load_beside(modules: Modules, model: Any) -> Any:
    """Load a model into a list of those in memory; the embeddings stay."""
    module = modules["modules.sd_models"]
    data = module.model_data
    data.loaded_sd_models = getattr(data, "loaded_sd_models", [])
    if data.loaded_sd_models and modules["modules.shared"].opts.sd_checkpoints_limit < 2:
        module.complete_model_teardown(data.loaded_sd_models.pop())
    _note_loading(module)
    make_current(modules, model)
    data.loaded_sd_models.append(model)
    return model


def load_instead(modules: Modules, model: Any) -> Any:
    """Load a model after the one before was taken apart in place, and the embeddings for it."""
    module = modules["modules.sd_models"]
    if module.model_data.sd_model is not None:
        take_apart(module.model_data.sd_model)
        _note_loading(module)
    module.model_data.sd_model = modules["modules.shared"].sd_model = None
    _note_loading(module)
    return load_whole(modules, model)


def take_apart(model: Any) -> None:
    vars(model).pop("cond_stage_model", None)


def make_current(modules: Modules, model: Any) -> None:
    modules["modules.sd_hijack"].model_hijack.hijack(model)
    modules["modules.sd_models"].model_data.sd_model = modules["modules.shared"].sd_model = model


def _note_loading(module: Any) -> None:
    module.loading_threads.append(threading.current_thread().name)
    module.while_loading()
