"""What every host's adapter must keep, whatever the host looks like inside.

A host under test is an object with the verbs of `HostUnderTest`; `test_a1111.py` shows how one comes to the contract.
"""

from __future__ import annotations

import gc
import inspect
import itertools
import re
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
import safetensors.torch
import torch
from torch import Tensor

from lib_embmerge.errors import (
    EmbeddingMergeError,
    LimitExceeded,
    ModelNotLoaded,
    NotFinite,
    SyntaxProblem,
    UnknownEmbedding,
    UnsupportedHost,
)
from lib_embmerge.hosts.webui.extension import WebUI

from .fake_a1111 import same

EACH_KIND = ("sd1", "sd2", "sdxl", "refiner")
KINDS = pytest.mark.parametrize("kind", EACH_KIND)
BOTH = pytest.mark.parametrize("kind", ["sd1", "sdxl"])

SAME_AS_PLAIN_WORDS = {
    "a word": ("a <'cat'> on a mat", "a cat on a mat"),
    "a word alone": ("<'cat'>", "cat"),
    "in curly brackets": ("a {'cat'} on a mat", "a cat on a mat"),
    "in double quotes": ('a <"cat"> on a mat', "a cat on a mat"),
    "a phrase": ("<'a photo of a cat'>", "a photo of a cat"),
    "a phrase with commas": ("<'a cat, old'>, on a mat", "a cat, old, on a mat"),
    "a word of several tokens": ("a <'siamese'> cat", "a siamese cat"),
    "no blank before it": ("black<'cat'>", "black cat"),
    "no blank behind it": ("<'black'>cat", "black cat"),
    "between two others": ("<'red'><'cat'><'red'>", "red cat red"),
    "upper case": ("<'A CAT'>", "a cat"),
    "arithmetic that ends where it began": ("<'cat' - 'dog' + 'dog'>", "cat"),
    "over several lines": ("a <'cat'\n * 1\n>\non a mat", "a cat\non a mat"),
    "in attention": ("a (<'cat'>:1.3) on ((<'mat'>)) [<'sun'>]", "a (cat:1.3) on ((mat)) [sun]"),
    "attention inside": ("<'cat' * (1/2) + 'cat' * 0.5> (sun)", "cat (sun)"),
    "in prompt editing": ("a [<'cat'>:<'dog'>:0.5] on a mat", "a [cat:dog:0.5] on a mat"),
    "in alternation": ("a [<'cat'>|<'dog'>] on a mat", "a [cat|dog] on a mat"),
    "around AND": ("<'cat'> AND <'a dog'> :0.7", "cat AND a dog :0.7"),
    "around BREAK": ("<'cat'> BREAK <'dog'>", "cat BREAK dog"),
    "beside editing": ("[x:<'cat'>:3] (a:1.1), <'dog'> AND sun:2", "[x:cat:3] (a:1.1), dog AND sun:2"),
    "many of them": (" ".join(["<'cat'>", "<'dog'>"] * 40), " ".join(["cat", "dog"] * 40)),
    "no vectors": ("a <''>cat<'dog':0>, on a mat", "a  cat , on a mat"),
    "nothing but no vectors": ("<''>", ""),
    "exactly one chunk": ("<repeat('cat', 75)>", " ".join(["cat"] * 75)),
    "more than one chunk": ("<repeat('cat', 100)>", " ".join(["cat"] * 100)),
    "more than two chunks": ("<repeat('cat dog', 80)>", " ".join(["cat dog"] * 80)),
    "no expression": ("a <3 cat, <lora:x:1> { a | b }", "a <3 cat, <lora:x:1> { a | b }"),
}

ALL_ORDERS = sorted(set(itertools.permutations(["we", "we", "they", "they"])))

OF_EVERY_KIND = {
    "a word", "a word of several tokens", "arithmetic that ends where it began", "in attention", "in prompt editing",
    "around AND", "around BREAK", "no vectors", "nothing but no vectors", "more than two chunks", "no expression",
}  # fmt: skip
"""What reaches an encoder, or its chunks, in a way of its own. How the others are read asks no model: one kind will do.

What is read there is the same, whatever encodes it.
"""

COUNTS = {
    "a word": ("a <'cat'> on a mat", "a cat on a mat"),
    "a phrase": ("<'a photo of a cat, old'>, sun", "a photo of a cat, old, sun"),
    "arithmetic": ("<'cat' - 'dog' + 'red sun'>", "red sun"),
    "cut": ("<'red sun':1> cat", "red cat"),
    "no vectors": ("a <''> cat", "a cat"),
    "over a chunk": ("<repeat('cat', 100)> dog", " ".join(["cat"] * 100) + " dog"),
    "the longest of an edited prompt": ("[<'cat'>:<'a red cat'>:0.5]", "[cat:a red cat:0.5]"),
    "the longest of AND": ("<'cat'> AND <repeat('cat', 12)> AND dog", " ".join(["cat"] * 12)),
    "negated": ("(<-'cat'>:1.2) on", "(cat:1.2) on"),
    "no expression": ("a <3 cat", "a <3 cat"),
}

BROKEN = {
    "still being typed": ("a cat <'ca", "Nothing closes this expression"),
    "a missing operand": ("a cat <'a' +>", "found the end"),
    "the first of two": ("a <'x' * 'y'> <'x' / 'y'>", "can only be multiplied by a number"),
    "the other one counts": ("a <'x' * 'y'> <'cat'>", "can only be multiplied by a number"),
    "an embedding that is not there": ("a <emb('nothing')>", "nothing"),
    "the old extension's placeholder": ("a <'EM_1'>", "paste them to restore"),
}


class HostUnderTest(Protocol):
    """What a test does with a host; `fake_a1111.FakeA1111` says what each verb means."""

    modules: Any
    opts: Any
    model: Any
    kinds: Sequence[str]
    tables: Callable[[], Mapping[str, torch.nn.Embedding]]
    rows: Callable[..., Tensor]
    adapter: Callable[[], Any]
    webui: Callable[[], WebUI]
    load: Callable[..., Any]
    embeddings_folder: Path
    condition: Callable[..., Any]
    condition_negative: Callable[..., Any]
    positions: Callable[[str], Tensor]
    texts_encoded: Callable[[], list[str]]
    processing: Callable[..., Any]
    generate: Callable[..., Any]
    count: Callable[..., str]
    save_embedding: Callable[..., Path]
    reload_embeddings: Callable[[], None]
    registered: Callable[[], Any]
    hook_points: Callable[[], Mapping[str, tuple[Any, str]]]
    reload_ui: Callable[[Callable[[], Any]], Any]


def cases(table: Mapping[str, tuple[str, str]], names: str) -> Any:
    return pytest.mark.parametrize(names.split(), table.values(), ids=table.keys())


def fail() -> None:
    raise RuntimeError("out of memory")


class OtherExtension:
    """Wraps functions as extensions do: it keeps what it finds, and puts that back when it unloads."""

    def __init__(self, points: Sequence[tuple[Any, str]]) -> None:
        self.points = points
        self.found: list[Any] = []
        self.calls = 0

    def load(self) -> None:
        for owner, name in self.points:
            original = getattr(owner, name)
            self.found.append(original)
            setattr(owner, name, self._wrapper(original))

    def unload(self) -> None:
        for (owner, name), original in zip(self.points, self.found, strict=True):
            setattr(owner, name, original)

    def _wrapper(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return original(*args, **kwargs)

        return wrapper


def functions_of(host: HostUnderTest) -> dict[str, Any]:
    """Give what stands at every place that we wrap."""
    return {what: vars(owner).get(name) for what, (owner, name) in host.hook_points().items()}


class HostContract:
    """The contract; a subclass gives the fixture `host`, in which an SD 1 model is loaded and nothing of ours."""

    ENCODED_FOR_ONE_CHANGE = 1
    """Texts that the host encodes anew where the positive prompt of a job is another."""

    @pytest.fixture
    def host(self) -> HostUnderTest:
        raise NotImplementedError

    @pytest.fixture
    def extension(self, host: HostUnderTest) -> WebUI:
        webui = host.webui()
        webui.start()
        return webui

    # What an expression is in a prompt

    @KINDS
    def test_plain_words_condition_as_if_typed(self, host: HostUnderTest, extension: WebUI, kind: str) -> None:
        host.load(kind)
        for what, (expression, plain) in SAME_AS_PLAIN_WORDS.items():
            if kind != "sd1" and what not in OF_EVERY_KIND:
                continue
            assert same(host.condition(expression), host.condition(plain)), what
            # The way of a negative prompt is the same whatever the model, and reads expressions as a positive one's.
            if kind == "sd1" and what in OF_EVERY_KIND:
                assert same(host.condition_negative(expression), host.condition_negative(plain)), what

    @BOTH
    def test_a_batch_is_conditioned_prompt_by_prompt(self, host: HostUnderTest, extension: WebUI, kind: str) -> None:
        host.load(kind)
        both = host.condition("a <'cat'>", "a <'dog'> AND <'cat'>", "a mat")
        assert same(both, host.condition("a cat", "a dog AND cat", "a mat"))

    def test_the_value_stands_where_the_expression_stood(self, host: HostUnderTest, extension: WebUI) -> None:
        for kind in EACH_KIND:
            host.load(kind)
            value = [host.rows("cat", e) - host.rows("adult", e) + host.rows("child", e) for e in host.tables()]
            placed = host.positions("a <'cat' - 'adult' + 'child'> on a mat")
            plain = host.positions("a cat on a mat")
            assert torch.equal(placed[2], torch.cat(value, dim=1)[0]), kind
            plain[2] = placed[2]
            assert torch.equal(placed, plain), kind

    def test_start_token_and_padding_stay_out_of_values(self, host: HostUnderTest, extension: WebUI) -> None:
        for kind in EACH_KIND:
            host.load(kind)
            placed, empty = host.positions("<-'cat'>"), host.positions("")
            assert torch.equal(placed[1], -host.positions("cat")[1]), kind
            assert torch.equal(placed[[0, *range(3, 77)]], empty[[0, *range(3, 77)]]), kind

    @pytest.mark.parametrize("bracket", ["<'cat'>", "{'cat'}"])
    def test_an_escaped_bracket_is_text(self, host: HostUnderTest, bracket: str) -> None:
        literal = host.condition(f"a {bracket} on", f"<'dog' {bracket}>")
        host.webui().start()
        escaped = host.condition(f"a \\{bracket} on", f"<'dog' \\{bracket}>".replace("<'dog'", "\\<'dog'"))
        assert same(escaped, literal)

    @pytest.mark.parametrize("angle", [True, False], ids=["angle brackets", "no angle brackets"])
    @pytest.mark.parametrize("curly", [True, False], ids=["curly brackets", "no curly brackets"])
    def test_brackets_that_are_switched_off_are_text(self, host: HostUnderTest, angle: bool, curly: bool) -> None:
        literal = {text: host.condition(text) for text in ("<'cat'>", "{'cat'}")}
        host.webui().start()
        host.opts.embmerge_angle_brackets, host.opts.embmerge_curly_brackets = angle, curly
        assert same(host.condition("<'cat'>"), host.condition("cat") if angle else literal["<'cat'>"])
        assert same(host.condition("{'cat'}"), host.condition("cat") if curly else literal["{'cat'}"])

    @BOTH
    def test_the_limits_are_the_user_s(self, host: HostUnderTest, extension: WebUI, kind: str) -> None:
        host.load(kind)
        host.opts.embmerge_limit_vectors, host.opts.embmerge_limit_depth = 3, 1
        for prompt, message in {
            "a <'cat', 'dog', 'red', 'blue'>": "at most 3 are allowed",
            "a <(('cat'))>": "nested 1 deep",
        }.items():
            with pytest.raises(LimitExceeded, match=message):
                host.condition(prompt)
            assert message in host.count(prompt)
        assert same(host.condition("a <('cat', 'dog', 'red')>"), host.condition("a cat dog red"))

    @BOTH
    def test_an_installed_embedding_is_its_vectors(self, host: HostUnderTest, extension: WebUI, kind: str) -> None:
        host.load(kind)
        host.save_embedding("mystyle-1", self.embedding(host, "red house"))
        host.reload_embeddings()
        assert same(host.condition("a <'cat, mystyle-1 x'>"), host.condition("a cat, red house x"))
        assert same(host.condition("a <emb('MyStyle-1')>"), host.condition("a mystyle-1"))

    def test_an_installed_embedding_is_handed_over_as_a_copy(self, host: HostUnderTest, extension: WebUI) -> None:
        host.save_embedding("mystyle-1", self.embedding(host, "red house"))
        host.reload_embeddings()
        model = host.adapter().text_model(host.model)
        for found in (model.embeddings_named("MYSTYLE-1")[0], model.pieces(["a mystyle-1"])[0]["clip_l"][1]):
            found.vectors["clip_l"].zero_()
        assert same(host.condition("mystyle-1"), host.condition("red house"))

    @pytest.mark.parametrize(("kind", "other"), [("sd1", "sd2"), ("sd1", "sdxl"), ("sdxl", "sd1"), ("sd2", "sdxl")])
    def test_an_embedding_of_another_family_is_text(
        self, host: HostUnderTest, extension: WebUI, kind: str, other: str
    ) -> None:
        host.load(other)
        vectors = self.embedding(host, "red house")
        host.load(kind)
        plain = host.condition("a mystyle-1")
        host.save_embedding("mystyle-1", vectors)
        host.reload_embeddings()
        assert same(host.condition("a <'mystyle-1'>"), plain)
        with pytest.raises(EmbeddingMergeError, match="The embedding mystyle-1 is made for") as caught:
            host.condition("a <emb('mystyle-1')>")
        sizes = {"sd1": ["clip_l 768"], "sd2": ["clip_h 1024"], "sdxl": ["clip_l 768", "clip_g 1280"]}
        its, the_model_s = caught.value.message.split("this model is")
        assert sorted(re.findall(r"clip_\w \d+", its)) == sorted(sizes[other])
        assert sorted(re.findall(r"clip_\w \d+", the_model_s)) == sorted(sizes[kind])

    def test_the_job_warns_once_of_an_embedding_of_another_family(
        self, host: HostUnderTest, extension: WebUI, capsys: pytest.CaptureFixture[str]
    ) -> None:
        host.load("sdxl")
        vectors = self.embedding(host, "red house")
        host.load("sd1")
        host.save_embedding("wide-1", vectors)
        host.save_embedding("mystyle-1", self.embedding(host, "red house"))
        host.reload_embeddings()
        capsys.readouterr()
        job = SimpleNamespace(
            all_prompts=["a <'wide-1'> <'mystyle-1'> wide-1", "a <'wide-1'>"],
            all_negative_prompts=["<'a wide-1'>"],
            all_hr_prompts=["<'wide-1' + >"],  # a mistake, which is said elsewhere
            extra_generation_params={},
            comments=[],
        )
        job.comment = job.comments.append
        extension.begin_job(job)
        assert len(job.comments) == 1
        assert "The embedding wide-1 is made for SDXL" in job.comments[0]
        assert capsys.readouterr().out == f"[embmerge] {job.comments[0]}\n"
        job.comments.clear()
        job.all_prompts, job.all_negative_prompts = ["a wide-1"], ["<'mystyle-1'>"]
        extension.begin_job(job)
        assert job.comments == []

    def test_the_old_extension_s_placeholder_is_kept_while_it_is_registered(
        self, host: HostUnderTest, extension: WebUI
    ) -> None:
        self.register(host, "<'EM_1'>", "red house")
        assert same(host.condition("a <'EM_1'> <'cat'>"), host.condition("a red house cat"))
        with pytest.raises(SyntaxProblem, match="paste them to restore"):
            host.condition("a <'EM_2'>")

    # What is left behind

    @BOTH
    def test_nothing_stays_registered(self, host: HostUnderTest, extension: WebUI, kind: str) -> None:
        host.load(kind)
        host.save_embedding("mystyle-1", self.embedding(host, "red house"))
        host.save_embedding("embmine", self.embedding(host, "sun"))
        host.reload_embeddings()
        host.condition("a <'mystyle-1'>")  # the files are new, and some hosts read them now
        before = host.registered()
        host.condition("a <'cat' + 'mystyle-1'> <'cat'> <repeat('cat', 80)>")
        assert host.registered() == before

    def test_nothing_stays_registered_after_a_failure_of_the_host(
        self, host: HostUnderTest, extension: WebUI
    ) -> None:
        before = host.registered()
        host.model.before_encoding = fail
        with pytest.raises(RuntimeError, match="out of memory"):
            host.generate("a <'cat'>")
        assert host.registered() == before
        host.model.before_encoding = bool
        assert same(host.condition("a <'cat'>"), host.condition("a cat"))

    def test_nothing_stays_registered_after_a_mistake(self, host: HostUnderTest, extension: WebUI) -> None:
        before = host.registered()
        for mistake in ("<'cat' +>", "<'cat'", "<lerp('cat')>", "<emb('nothing')>", "<'cat'/0>"):
            with pytest.raises(EmbeddingMergeError):
                host.generate(f"a <'dog'> {mistake}")
            assert host.registered() == before, mistake
            assert set(host.texts_encoded()) <= {""}, mistake  # the negative prompt; the positive one was not tried

    def test_a_mistake_stops_the_job_with_its_caret(self, host: HostUnderTest, extension: WebUI) -> None:
        with pytest.raises(UnknownEmbedding) as caught:
            host.generate("a mat", "blurry <emb('nothing')>")
        shown = str(caught.value).splitlines()
        assert shown[0] == "blurry <emb('nothing')>"
        assert shown[1].index("^") == len("blurry <emb(")

    def test_a_reload_of_embeddings_in_the_middle_loses_nothing(self, host: HostUnderTest, extension: WebUI) -> None:
        plain = host.condition("a cat", "a dog AND cat", "a [red:blue:0.5] sun")
        host.model.before_encoding = host.reload_embeddings
        assert same(host.condition("a <'cat'>", "a <'dog'> AND <'cat'>", "a [<'red'>:<'blue'>:0.5] sun"), plain)

    def test_who_looks_while_the_folder_is_read_meets_what_was_there(
        self, host: HostUnderTest, extension: WebUI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A save has the folder read again, in another thread than pictures; the host empties its lists first."""
        for name in ("mystyle", "yourstyle", "oldstyle"):
            host.save_embedding(name, host.rows("red house"))
        host.reload_embeddings()
        seen, read = [], safetensors.torch.load_file

        def look_and_read(path: Path, *more: Any) -> Any:
            seen.append(same(host.condition("a mystyle <emb('yourstyle')> <'cat'>"), first))
            return read(path, *more)

        first = host.condition("a mystyle <emb('yourstyle')> <'cat'>")
        monkeypatch.setattr(safetensors.torch, "load_file", look_and_read)
        host.save_embedding("newstyle", host.rows("blue castle"))
        (host.embeddings_folder / "oldstyle.safetensors").unlink()
        host.reload_embeddings()
        assert set(seen) == {True}
        monkeypatch.undo()
        assert same(host.condition("a newstyle <emb('newstyle')>"), host.condition("a blue castle blue castle"))
        with pytest.raises(UnknownEmbedding):
            host.condition("a <emb('oldstyle')>")

    # Sharing the host with ourselves and others

    def test_installed_twice_and_removed_once_is_as_before(self, host: HostUnderTest) -> None:
        before = functions_of(host)
        webui = host.webui()
        webui.start()
        webui.start()
        assert all(now is not before[what] for what, now in functions_of(host).items())
        webui.stop()
        assert functions_of(host) == before
        webui.stop()
        assert functions_of(host) == before

    OPTIONAL: Sequence[str] = ("counting", "counting for two", "the main thread", "loading", "reading the folder")
    """Hooks without which expressions work."""

    def test_what_cannot_be_extended_leaves_the_host_as_it_was(self, host: HostUnderTest) -> None:
        """Whichever function a host lacks; without some of them expressions work, and the page says what does not."""
        points = host.hook_points()
        for lacking, (owner, name) in points.items():
            kept = {what: vars(place).get(known) for what, (place, known) in points.items()}
            removed = vars(owner)[name]
            delattr(owner, name)
            if hasattr(owner, name):  # inherited, which will do
                setattr(owner, name, removed)
                continue
            refusal = None
            try:
                extension = host.webui()
                extension.start()
            except UnsupportedHost as problem:
                refusal = problem
            assert (refusal is not None) == (lacking not in self.OPTIONAL), lacking
            if refusal is not None:
                assert name in refusal.places[0]
                assert name not in refusal.sentence
            else:
                noticed = any(name in place for place in extension.host.lacking)
                assert not any(name in notice for notice in extension.host.warnings())
                # Not every kind of model has a counter of its own, and T5 may be reached in another way.
                assert noticed or lacking not in ("the main thread", "loading", "reading the folder")
                assert same(host.condition("a <'cat'>"), host.condition("a cat"))
                extension.stop()
            setattr(owner, name, removed)
            assert {what: vars(place).get(known) for what, (place, known) in points.items()} == kept, lacking
            assert not any("_embmerge_delegates" in vars(place) for place, _ in points.values()), lacking

    @pytest.mark.parametrize("what", ["conditioning of parts", "tokenizing", "key of the cache"])
    def test_a_function_with_its_parameters_in_another_order_leaves_the_host_as_it_was(
        self, host: HostUnderTest, what: str
    ) -> None:
        points = host.hook_points()
        if what not in points:
            pytest.skip("the host has no such function")
        owner, name = points[what]

        def moved(*args: Any, **kwargs: Any) -> None: ...

        parameters = list(inspect.signature(getattr(owner, name)).parameters.values())
        order = [parameters[1], parameters[0], *parameters[2:]]
        moved.__signature__ = inspect.Signature([p.replace(default=p.empty) for p in order])  # type: ignore[attr-defined]
        setattr(owner, name, moved)
        before = functions_of(host)
        with pytest.raises(UnsupportedHost) as caught:
            host.webui().start()
        assert name in caught.value.places[0]
        assert functions_of(host) == before

    def test_beneath_another_extension_an_inert_delegate_stays(self, host: HostUnderTest) -> None:
        before = functions_of(host)
        literal = host.condition("a <'cat'>")
        webui = host.webui()
        webui.start()
        other = OtherExtension(list(host.hook_points().values()))
        other.load()
        webui.stop()
        assert same(host.condition("a <'cat'>"), literal)
        other.unload()
        assert same(host.condition("a <'cat'>"), literal)
        webui.start()
        webui.stop()
        assert functions_of(host) == before

    ORDERS: Sequence[Sequence[str]] = [("we", "they", "we", "they"), ("they", "we", "we", "they")]
    """In which we and another extension come and go. The pipeline's hooks are one code: a host of it tries all."""

    def test_another_extension_may_come_and_go_in_any_order(self, host: HostUnderTest) -> None:
        """Each is named twice: the first time it loads, the second time it unloads; then all is loaded again."""
        plain, literal = host.condition("a cat"), host.condition("a <'cat'>")
        for order in self.ORDERS:
            ours, theirs = host.webui(), OtherExtension([host.hook_points()["conditioning of parts"]])
            loaded = {"we": False, "they": False}
            acts = {"we": (ours.start, ours.stop), "they": (theirs.load, theirs.unload)}
            for who in order:
                acts[who][loaded[who]]()
                loaded[who] = not loaded[who]
                assert same(host.condition("a <'cat'>"), plain if loaded["we"] else literal), order
                assert same(host.condition("a cat"), plain), order
            for again in (ours, host.webui()):
                again.start()
                assert same(host.condition("a <'cat'>"), plain), order
                assert "<" not in host.texts_encoded()[-1], order  # the text encoder got the first layer's placeholder
            again.stop()
            assert same(host.condition("a <'cat'>"), literal), order

    def test_another_extension_is_called_once_for_a_call(self, host: HostUnderTest) -> None:
        ours, theirs = host.webui(), OtherExtension([host.hook_points()["conditioning of parts"]])
        ours.start()
        theirs.load()
        ours.start()
        host.condition("a <'cat'>")
        assert theirs.calls == 1

    def test_reloading_the_ui_leaves_one_of_us(self, host: HostUnderTest) -> None:
        def start() -> WebUI:
            webui = host.webui()
            webui.start()
            return webui

        before = functions_of(host)
        webui = start()
        for _ in range(3):
            webui = host.reload_ui(start)
            assert same(host.condition("a <'cat'>"), host.condition("a cat"))
            assert host.count("a <'cat'>") == host.count("a cat")
        webui.stop()
        assert functions_of(host) == before

    def test_the_counter_does_not_wait_for_a_prompt_that_is_being_encoded(
        self, host: HostUnderTest, extension: WebUI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_encoding, may_end = threading.Event(), threading.Event()

        def wait(*_: object) -> None:
            is_encoding.set()
            may_end.wait(30)

        monkeypatch.setattr(extension.host, "note_used_embeddings", wait)
        with ThreadPoolExecutor() as threads:
            encoding = threads.submit(host.condition, "a <'cat' + 'dog'>")
            try:
                assert is_encoding.wait(30)
                assert threads.submit(host.count, "a <'cat', 'dog'>").result(timeout=10) == "3/75"
            finally:
                may_end.set()
            encoding.result()

    def test_two_threads_do_not_disturb_each_other(self, host: HostUnderTest, extension: WebUI) -> None:
        words = ["cat", "dog", "red", "blue"]
        plain = {word: host.condition(f"a {word}") for word in words}
        before = host.registered()
        barrier = threading.Barrier(4)

        def work(number: int) -> None:
            barrier.wait()
            for word in words[number:] + words[:number]:
                assert same(host.condition(f"a <'{word}'>"), plain[word])
                assert host.count(f"a <'{word}'>") == "2/75"

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work, number) for number in range(4)]:
                done.result(timeout=20)
        assert host.registered() == before

    # How the host calls us

    def test_the_host_s_list_is_copied_with_its_attributes(self, host: HostUnderTest) -> None:
        parser = host.modules.prompt_parser
        seen = self.recorded(host)

        class ForksConditioning(parser.SdConditioning):  # type: ignore[name-defined, misc]
            distilled_cfg_scale = None

        prompts = ForksConditioning(["a <'cat'>"], is_negative_prompt=True, width=640, height=320)
        prompts.distilled_cfg_scale = 3.5
        host.webui().start()
        parser.get_learned_conditioning(host.model, prompts, 10)
        ((_, given, _), _) = seen[0]
        assert prompts == ["a <'cat'>"]
        assert given is not prompts
        assert type(given) is ForksConditioning
        assert vars(given) == vars(prompts)

    @pytest.mark.parametrize("kind_of_list", [list, tuple])
    def test_any_list_of_prompts_will_do(self, host: HostUnderTest, kind_of_list: type) -> None:
        seen = self.recorded(host)
        prompts = kind_of_list(["a <'cat'>"])
        host.webui().start()
        host.modules.prompt_parser.get_learned_conditioning(host.model, prompts, 10)
        assert prompts == kind_of_list(["a <'cat'>"])
        assert "<" not in seen[0][0][1][0]

    def test_other_arguments_are_passed_on(self, host: HostUnderTest) -> None:
        parser = host.modules.prompt_parser
        seen = self.recorded(host)
        host.webui().start()
        parser.get_learned_conditioning(host.model, ["<'cat'>"], 10, None, use_old_scheduling=True)
        parser.get_learned_conditioning(model=host.model, prompts=["<'cat'>"], steps=10)
        parser.get_learned_conditioning(host.model, ["cat"], 10, 4, False)
        assert [(len(args), args[2:], kwargs) for args, kwargs in seen] == [
            (4, (10, None), {"use_old_scheduling": True}),
            (2, (), {"steps": 10}),
            (5, (10, 4, False), {}),
        ]

    def test_a_call_within_the_call_passes_through(self, host: HostUnderTest) -> None:
        seen = self.recorded(host)
        host.webui().start()
        host.condition("a \\<'cat'> AND <'dog'>")
        ((_, given, *_), _) = seen[0]
        assert given[0] == "a <'cat'>"
        assert given[1].strip().isalnum()

    @BOTH
    def test_who_calls_the_model_itself_gets_the_vectors_too(
        self, host: HostUnderTest, extension: WebUI, kind: str
    ) -> None:
        host.load(kind)
        before = host.registered()
        make = host.modules.prompt_parser.SdConditioning
        one, other = (
            host.model.get_learned_conditioning(make([text], width=64, height=64))
            for text in ("a (<'red cat'>:1.2)", "a (red cat:1.2)")
        )
        assert same(one, other)
        with pytest.raises(EmbeddingMergeError):
            host.model.get_learned_conditioning(make(["a <'cat' +>"], width=64, height=64))
        assert host.registered() == before

    # The model

    def test_a_model_that_the_host_has_left_leaves_memory(self, host: HostUnderTest, extension: WebUI) -> None:
        """What is kept of a prompt, so as not to encode it again, keeps no text encoder."""
        for kind in ("sdxl", *(newer for newer in ("flux", "qwen") if newer in host.kinds)):
            host.load(kind)
            host.generate("a <'cat' + 'dog'> on")
            layers = [weakref.ref(encoder.table.layer) for encoder in host.adapter().text_model(host.model).encoders]
            host.load("sd1")
            host.generate("a mat")
            if any(layer() is not None for layer in layers):  # it takes a while where so much is loaded
                gc.collect()
            assert [layer() is None for layer in layers] == [True] * len(layers), kind

    @BOTH
    def test_another_checkpoint_has_other_vectors(self, host: HostUnderTest, extension: WebUI, kind: str) -> None:
        host.load(kind)
        first = host.generate("a <'cat'>").c
        identity = host.adapter().text_model(host.model).identity
        host.load(kind, seed=1)
        second = host.generate("a <'cat'>").c
        assert not same(self.parts(first), self.parts(second))
        assert same(self.parts(second), host.condition("a cat", steps=20))
        assert host.adapter().text_model(host.model).identity != identity

    def test_weights_that_change_in_place_are_noticed(self, host: HostUnderTest, extension: WebUI) -> None:
        adapter = host.adapter()
        host.generate("a <'cat'>")
        model = adapter.text_model(host.model)
        norm, identity = model.encoders[0].vocabulary().mean_norm, model.identity
        assert adapter.text_model(host.model).identity == identity
        with torch.no_grad():
            host.tables()["clip_l"].weight.mul_(2)
        model = adapter.text_model(host.model)
        assert model.identity != identity
        assert model.encoders[0].vocabulary().mean_norm == pytest.approx(2 * norm)
        assert same(self.parts(host.generate("a <'cat'>").c), host.condition("a cat", steps=20))

    def test_statistics_are_computed_once_for_a_table(self, host: HostUnderTest) -> None:
        adapter = host.adapter()
        first, second = (adapter.text_model(host.model).encoders[0].vocabulary() for _ in range(2))
        assert first is second

    def test_what_the_text_model_says_of_itself(self, host: HostUnderTest) -> None:
        for kind in EACH_KIND:
            host.load(kind)
            model = host.adapter().text_model(host.model)
            assert model.family.key == {"refiner": "sdxl-refiner"}.get(kind, kind)
            assert [e.name for e in model.encoders] == list(host.tables()), kind
            assert model.title == f"{kind}-0"
            assert not model.half_precision, kind
            for encoder in model.encoders:
                table = host.tables()[encoder.name].weight
                (ids,) = encoder.tokenize(["a siamese cat"])
                assert (encoder.size, encoder.width) == table.shape, kind
                assert not {encoder.start_id, encoder.end_id} & set(ids), kind
                assert torch.equal(encoder.rows(ids), host.rows("a siamese cat", encoder.name)), kind
                assert encoder.rows([]).shape == (0, encoder.width), kind
                assert encoder.tokenize([]) == [], kind
                assert encoder.spell(ids)[0::8] == ["a ", "cat "], kind
                assert "".join(encoder.spell(ids)) == "a siamese cat ", kind

    def test_many_texts_are_tokenized_as_one_by_one(self, host: HostUnderTest) -> None:
        texts = ["cat", "", "a Red  cat", " ", "cat, dog", ",", "it's", "x1 2y", "café", "<|endoftext|>", "cat"]
        texts += ["z" * 300, "", "old cat " * 50]
        for kind in EACH_KIND:
            host.load(kind)
            for encoder in host.adapter().text_model(host.model).encoders:
                assert encoder.tokenize(texts) == [host.modules.bpe.encode(text) for text in texts], kind
                assert encoder.tokenize(texts[:3]) == [host.modules.bpe.encode(text) for text in texts[:3]], kind

    def test_rows_are_copies_in_single_precision(self, host: HostUnderTest) -> None:
        table = host.tables()["clip_l"]
        table.half()
        encoder = host.adapter().text_model(host.model).encoders[0]
        rows = encoder.rows([5, 6])
        rows.zero_()
        assert rows.dtype == torch.float32
        assert table.weight[5].any()

    def test_a_table_that_is_in_no_memory_says_so(self, host: HostUnderTest, extension: WebUI) -> None:
        host.tables()["clip_l"].to("meta")
        with pytest.raises(ModelNotLoaded, match="generate once"):
            host.adapter().text_model(host.model).encoders[0].rows([1])

    def test_numbers_too_large_for_half_precision_are_refused(self, host: HostUnderTest, extension: WebUI) -> None:
        host.condition("a <'cat' * 1e6>")
        host.modules.devices.dtype = torch.float16
        assert same(host.condition("a <'cat'>"), host.condition("a cat"))
        with pytest.raises(NotFinite, match="ends at 65,504") as caught:
            host.condition("a <'cat' * 1e6>")
        assert (caught.value.source, caught.value.span.start) == ("a <'cat' * 1e6>", 2)

    # The conditioning cache

    @BOTH
    def test_an_equal_prompt_is_not_encoded_again(self, host: HostUnderTest, extension: WebUI, kind: str) -> None:
        host.load(kind)
        first = host.generate("a <'cat'>", "<'rain'>").c
        encoded = len(host.texts_encoded())
        assert host.generate("a <'cat'>", "<'rain'>").c is first
        assert len(host.texts_encoded()) == encoded
        assert host.generate("a <'dog'>", "<'rain'>").c is not first
        assert len(host.texts_encoded()) == encoded + self.ENCODED_FOR_ONE_CHANGE

    def test_the_key_is_the_host_s_with_what_it_does_not_look_at(self, host: HostUnderTest) -> None:
        p = host.processing("a cat")
        before = p.cached_params(["a cat"], 20, None, None)
        host.webui().start()
        assert p.cached_params(["a cat"], 20, None, None)[: len(before)] == before
        assert p.cached_params(["a cat"], 20, None, None) == p.cached_params(["a cat"], 20, None, None)
        assert p.cached_params(["a <'cat'>"], 20, None, None)[1 : len(before)] == before[1:]

    @pytest.mark.parametrize("prompt", ["a mystyle on a mat", "a <'mystyle'> on a mat"])
    def test_a_name_that_was_saved_is_used_by_the_same_prompt(
        self, host: HostUnderTest, extension: WebUI, prompt: str
    ) -> None:
        first = host.generate(prompt)
        assert host.generate(prompt).c is first.c
        for text in ("red house", "blue castle"):
            host.save_embedding("mystyle", host.rows(text))
            extension.host.refresh_embeddings()
            changed = self.parts(host.generate(prompt).c)
            assert same(changed, host.condition(prompt.replace("<'mystyle'>", text).replace("mystyle", text), steps=20))

    # However a name is written, the file is looked up by it; where it lies is another matter.
    @pytest.mark.parametrize(
        ("written", "folder"),
        [("mystyle", ""), ("mystyle", "sub"), ("MyStyle * 2", "sub"), ("'text' - 'a, mystyle'", "")],
    )
    def test_a_changed_file_of_an_embedding_is_noticed(
        self, host: HostUnderTest, extension: WebUI, written: str, folder: str
    ) -> None:
        prompt = f"a <{written}>" if "'" in written else f"a <'{written}'>"
        host.save_embedding("mystyle", host.rows("red house"), folder)
        host.reload_embeddings()
        first = host.generate(prompt)
        assert host.generate(prompt).c is first.c
        host.save_embedding("mystyle", host.rows("blue castle"), folder)
        second = self.parts(host.generate(prompt).c)
        assert not same(second, self.parts(first.c))
        assert same(second, host.condition(prompt.lower().replace("mystyle", "blue castle"), steps=20))

    def test_a_file_that_changes_before_it_is_first_used_is_noticed(
        self, host: HostUnderTest, extension: WebUI
    ) -> None:
        host.save_embedding("mystyle", host.rows("red house"), "sub")
        host.reload_embeddings()
        host.save_embedding("mystyle", host.rows("blue castle"), "sub")
        found = self.parts(host.generate("a <'mystyle'>").c)
        assert same(found, host.condition("a blue castle", steps=20))

    @pytest.mark.parametrize("name", ["my style", "bob's", "style-1", "ab.c"])
    def test_a_name_is_noticed_however_it_is_spaced_and_quoted(
        self, host: HostUnderTest, extension: WebUI, name: str
    ) -> None:
        spelled = {"my style": "My   Style", "style-1": "style -1", "ab.c": "ab . c"}.get(name, name).replace("'", "''")
        host.save_embedding(name, host.rows("red house"), "sub")
        host.reload_embeddings()
        host.generate(f"a <'{spelled}'>")
        host.save_embedding(name, host.rows("blue castle"), "sub")
        changed = self.parts(host.generate(f"a <'{spelled}'>").c)
        assert same(changed, host.condition("a blue castle", steps=20))

    def test_a_changed_setting_is_noticed(self, host: HostUnderTest, extension: WebUI) -> None:
        expression = host.generate("a {'cat'}").c
        host.opts.embmerge_curly_brackets = False
        assert not same(self.parts(host.generate("a {'cat'}").c), self.parts(expression))

    # The token counter

    COUNTED: Mapping[str, tuple[str, str]] = COUNTS

    @BOTH
    def test_the_counter_shows_what_the_words_would(self, host: HostUnderTest, extension: WebUI, kind: str) -> None:
        host.load(kind)
        before = host.registered()
        for what, (expression, plain) in self.COUNTED.items():
            assert host.count(expression) == host.count(plain), what
        assert host.registered() == before

    def test_the_counter_reads_no_table(self, host: HostUnderTest, extension: WebUI) -> None:
        host.tables()["clip_l"].to("meta")
        assert host.count("a <'red cat' + nearest('cat')>") == "3/75"

    @BOTH
    def test_the_counter_marks_a_broken_expression(self, host: HostUnderTest, extension: WebUI, kind: str) -> None:
        host.load(kind)
        before = host.registered()
        for what, (prompt, message) in BROKEN.items():
            shown = host.count(prompt)
            assert shown.startswith("<abbr class='embmerge-broken' title='"), what
            assert message in shown, what
            assert "⚠ " in shown, what
            title = shown.split("title='")[1].split("'>")[0]
            assert not set("<>'\"") & set(title), what
            assert host.count("a cat") == "2/75", what  # the mark goes away with the mistake
            assert host.registered() == before, what

    def test_a_marked_count_is_still_the_largest(self, host: HostUnderTest, extension: WebUI) -> None:
        nine, twelve = " ".join(["cat"] * 9), " ".join(["cat"] * 12)
        assert host.count(f"[{nine}:{twelve}:0.5] <'x' * 'y'>").endswith("⚠ 12</abbr>/75")

    def test_the_counter_takes_literal_brackets_as_text(self, host: HostUnderTest) -> None:
        literal = host.count("a <'cat' +> sun")
        host.webui().start()
        assert host.count("a \\<'cat' +> <'sun'>") == literal

    def test_the_counter_counts_expressions_in_styles(self, host: HostUnderTest, extension: WebUI) -> None:
        host.modules.shared.prompt_styles.styles = {"s": ("a photo of {prompt}, <'old house'>", "<'rain'>, x")}
        assert host.count("<'cat'>", ["s"]) == host.count("a photo of cat, old house")
        assert host.count("<'cat'>", ["s"], is_positive=False) == host.count("cat, rain, x")
        host.opts.include_styles_into_token_counters = False
        assert host.count("<'cat'>", ["s"]) == host.count("cat")

    def test_the_counter_marks_a_mistake_where_the_host_has_no_setting_for_styles(
        self, host: HostUnderTest, extension: WebUI
    ) -> None:
        del host.opts.include_styles_into_token_counters
        host.modules.shared.prompt_styles.styles = {"s": ("a photo of {prompt}, <'old house'>", "")}
        assert host.count("<'cat'>", ["s"]) == host.count("a photo of cat, old house")
        assert "embmerge-broken" in host.count("a <'cat' +>", ["s"])

    @pytest.mark.parametrize("typed", ["a cat", "a <'cat'>"])
    def test_a_mistake_that_the_counter_meets_itself_is_marked(
        self, host: HostUnderTest, extension: WebUI, typed: str
    ) -> None:
        """Another extension changes the text after us: what it puts there is read while the host counts."""
        callbacks = host.modules.script_callbacks
        if not hasattr(callbacks, "on_before_token_counter"):
            pytest.skip("the host asks no extension before it counts")
        callbacks.on_before_token_counter(lambda params: setattr(params, "prompt", f"{params.prompt} <'x' * 'y'>"))
        before = host.registered()
        assert re.search(r"(⚠ )?\d+(</abbr>)?/75$", host.count(typed))
        assert ("embmerge-broken" in host.count(typed)) == (typed == "a cat")
        assert host.registered() == before

    def test_a_counting_name_in_a_prompt_is_text(self, host: HostUnderTest) -> None:
        name = "embm9z0a0a0a0c"
        literal = host.condition(f"a {name}")
        host.webui().start()
        host.count("a <'red cat'>")
        assert same(host.condition(f"a {name}"), literal)
        assert same(host.condition(f"a {name} <'cat'>"), host.condition(f"a {name} cat"))

    # Helpers

    def embedding(self, host: HostUnderTest, text: str) -> Mapping[str, Tensor] | Tensor:
        """Give what a file of the loaded model's family with a text's vectors holds."""
        vectors = {name: host.rows(text, name) for name in host.tables()}
        return vectors if len(vectors) == 2 else next(iter(vectors.values()))

    def register(self, host: HostUnderTest, name: str, text: str) -> None:
        """Register an embedding as another extension does."""
        raise NotImplementedError

    def recorded(self, host: HostUnderTest) -> list[tuple[Sequence[Any], Mapping[str, Any]]]:
        """Record the arguments that reach the host's own `get_learned_conditioning`."""
        parser = host.modules.prompt_parser
        original, seen = parser.get_learned_conditioning, []

        def recording(*args: Any, **kwargs: Any) -> Any:
            seen.append((args, kwargs))
            return original(*args, **kwargs)

        parser.get_learned_conditioning = recording
        return seen

    def parts(self, learned: Any) -> Any:
        """Give the conditioning of a generation in the form of `host.condition`."""
        return [[(part.weight, list(part.schedules)) for part in parts] for parts in learned.batch]
