"""An extension for developers: measures embmerge inside a running WebUI.

Link this folder's parent (`benchmarks/webui`) into the WebUI's `extensions` beside embmerge, and beside the extension
that came before it if the two are to be compared; then `GET /embmerge-benchmark`. All figures are medians in
milliseconds of the same process and the same model; compare them with each other, not with another machine's.
"""

import statistics
import time
from types import SimpleNamespace

from modules import script_callbacks, scripts, shared, ui
from modules.processing import StableDiffusionProcessingTxt2Img, process_images
from modules.sd_hijack import model_hijack

WORDS = [
    *("cat", "dog", "bird", "fish", "horse", "tree", "river", "stone", "cloud", "rain", "summer", "winter"),
    *("castle", "bridge", "knight", "dragon", "flower", "garden", "window", "mirror", "candle", "shadow"),
    *("forest", "desert", "ocean", "island", "mountain", "valley", "village", "temple", "market", "street"),
    *("painter", "singer", "dancer", "farmer", "sailor", "soldier", "wizard", "witch", "queen", "king", "child"),
    *("adult", "woman", "man", "young", "old", "red", "blue", "green", "yellow", "black", "white", "golden"),
    *("silver", "wooden", "glass", "paper", "metal", "water", "fire", "earth", "wind", "snow", "ice", "sand"),
    *("grass", "moss", "leaf", "root", "seed", "apple", "orange", "cherry", "lemon", "bread", "honey", "milk"),
    *("wine", "table", "chair", "lamp", "clock", "door", "wall", "roof", "tower", "road", "path", "field"),
    *("hill", "lake", "beach", "wave", "storm", "thunder", "night", "morning", "evening", "spring", "autumn"),
    *("sun", "moon", "star", "planet", "rocket", "train", "ship", "boat", "car", "wheel", "engine", "robot"),
    *("machine", "camera", "picture", "portrait", "sketch", "drawing", "photo", "poster", "book", "letter"),
    *("music", "piano", "guitar", "violin", "drum", "dance", "song", "poem", "story", "dream", "smile", "hand"),
    *("eye", "face", "hair", "dress", "coat", "hat", "shoe", "ring", "crown", "sword", "shield", "armor", "horn"),
    *("wing", "feather", "tail", "wolf", "bear", "lion", "tiger"),
]
ROUNDS = 15


def expressions(count, seed=0):
    """Give `count` different expressions of three words each; no word comes twice before all have come."""
    words = [WORDS[(seed + i) % len(WORDS)] for i in range(3 * count)]
    return [f"'{a}' - '{b}' + '{c}'" for a, b, c in zip(words[::3], words[1::3], words[2::3], strict=True)]


def median_ms(run):
    """Time `run(round)` and give the median."""
    times = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        run(number)
        times.append(1000 * (time.perf_counter() - start))
    return round(statistics.median(times[2:]), 4)


def find_script(module_attribute):
    """Give the module globals of the loaded script that defines a name, or None."""
    for data in scripts.scripts_data:
        names = vars(data.module) if not isinstance(data.module, str) else {}
        if module_attribute in names:
            return names
    return None


def measure_ours(hooks, count):
    """Parse, evaluate, name, register and unregister; the host's own encoding is left out."""
    from lib_embmerge import merge

    def run(number):
        merge._kept_parse.cache_clear()
        prompt = " ".join(f"<{e}>" for e in expressions(count, number))
        hooks.encode(lambda *_: None, shared.sd_model, [prompt])

    def run_warm(_):
        prompt = " ".join(f"<{e}>" for e in expressions(count))
        hooks.encode(lambda *_: None, shared.sd_model, [prompt])

    return median_ms(run), median_ms(run_warm)


def measure_floor(hooks, count):
    """Nothing but the host's tokenizer, the table's rows and the arithmetic."""
    encoders = hooks.host.text_model(shared.sd_model).encoders

    def run(number):
        for expression in expressions(count, number):
            texts = expression.split("'")[1::2]
            for encoder in encoders:
                a, b, c = (encoder.rows(ids) for ids in encoder.tokenize(texts))
                longest = max(len(a), len(b), len(c))
                total = a.new_zeros((longest, encoder.width))
                total[: len(a)] += a
                total[: len(b)] -= b
                total[: len(c)] += c

    return median_ms(run)


def measure_predecessor(module, count):
    """The other extension's own `process`."""
    script = module["EmbeddingMergeExtension"]()

    def run(number):
        p = StableDiffusionProcessingTxt2Img(sd_model=shared.sd_model, do_not_save_samples=True)
        p.prompt = " ".join(f"<{e}>" for e in expressions(count, number))
        p.all_prompts, p.all_negative_prompts = [p.prompt], [""]
        script.process(p)

    return median_ms(run)


def measure_counter():
    """The page's token counter: plain words, ten expressions cold, and ten of which one has changed."""
    from lib_embmerge import merge

    def prompt(number):
        changed = [*expressions(9), *expressions(1, number + 100)]
        return " ".join(f"<{e}>" for e in changed)

    def plain(number):
        words = prompt(number)
        for character in "<>'+-":
            words = words.replace(character, " ")
        ui.update_token_counter(words, 20, [])

    def cold(number):
        merge._kept_parse.cache_clear()
        ui.update_token_counter(prompt(number), 20, [])

    def one_changed(number):
        ui.update_token_counter(prompt(number), 20, [])

    return {"plain": median_ms(plain), "one_changed": median_ms(one_changed), "cold": median_ms(cold)}


def measure_scan(hooks):
    """What a prompt of 1,000 characters without expressions costs, beyond the original function."""
    prompt = ("a photo of a cat, (old:1.2), [day:night:0.5], <lora:x:1>, masterpiece, " * 20)[:1000]

    def run(_):
        for _ in range(100):
            hooks.encode(lambda *_: None, shared.sd_model, [prompt])

    return median_ms(run) / 100


def count_encoded():
    """Make one picture twice and count what the model encodes each time: prompt and negative, then nothing."""
    model, calls = shared.sd_model, []
    original = model.get_learned_conditioning

    def counted(texts):
        calls.append(len(texts))
        return original(texts)

    model.get_learned_conditioning = counted
    try:
        seen = []
        for _ in range(2):
            p = StableDiffusionProcessingTxt2Img(sd_model=model, prompt="a <'cat' - 'dog' + 'bird'> for the cache")
            p.steps, p.width, p.height, p.seed = 1, 64, 64, 1
            p.do_not_save_samples = p.do_not_save_grid = True
            process_images(p)
            seen.append(len(calls))
        return [seen[0], seen[1] - seen[0]]
    finally:
        del model.get_learned_conditioning


def report():
    """Measure everything."""
    ours = find_script("EmbeddingMerge")
    if ours is None:
        return {"error": "embmerge is not among the loaded scripts"}
    hooks = next(part for part in ours["webui"].parts if hasattr(part, "encode"))
    theirs = find_script("EmbeddingMergeExtension")
    result = {"model": shared.sd_model.sd_checkpoint_info.name_for_extra}
    for count in (1, 10, 50):
        cold, warm = measure_ours(hooks, count)
        row = SimpleNamespace(cold=cold, warm=warm, floor=measure_floor(hooks, count), predecessor=None)
        if theirs is not None:
            row.predecessor = measure_predecessor(theirs, count)
        result[f"{count} expressions"] = vars(row)
    result["token counter"] = measure_counter()
    result["scan of 1,000 characters"] = measure_scan(hooks)
    result["encoded for two equal pictures"] = count_encoded()
    result["registered"] = len(model_hijack.embedding_db.word_embeddings)
    return result


def add_route(_demo, app):
    """Offer the report."""
    app.add_api_route("/embmerge-benchmark", report, methods=["GET"])


script_callbacks.on_app_started(add_route)
