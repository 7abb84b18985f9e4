"""A picture's passes; each gives its prompts to the prompt parser or, as text, to the pipeline."""

from modules import prompt_parser_diffusers, shared


def set_prompt(p, args, cls, prompt_attention, steps, clip_skip, prompts, negative_prompts):
    prompt_attention = prompt_attention or shared.opts.prompt_attention
    prompt_parser_diffusers.embedder = None
    if prompt_attention != "fixed" and "prompt" not in p.task_args and ("StableDiffusion" in cls or "Flux" in cls):
        try:
            prompt_parser_diffusers.embedder = prompt_parser_diffusers.PromptEmbedder(
                prompts, negative_prompts, steps, clip_skip, p, prompt_attention=prompt_attention
            )
        except Exception as e:  # noqa: BLE001  # the host goes on with the text
            print(f"Prompt parser encode: {e}")
    if prompt_parser_diffusers.embedder is not None:
        args["prompt_embeds"] = prompt_parser_diffusers.embedder("prompt_embeds")
    else:
        args["prompt"] = prompts
        args["negative_prompt"] = negative_prompts
    return args


def set_pipeline_args(
    p,
    model,
    prompts,
    negative_prompts,
    prompts_2=None,
    negative_prompts_2=None,
    prompt_attention=None,
    desc="",
    **kwargs,
):
    cls = type(model).__name__
    steps, clip_skip = kwargs.get("num_inference_steps"), kwargs.pop("clip_skip", 1)
    args = set_prompt(p, {}, cls, prompt_attention, steps, clip_skip, prompts, negative_prompts)
    args.update(p.task_args)
    p.embedder = prompt_parser_diffusers.embedder
    return args


def process_base(p):
    args = set_pipeline_args(
        p=p,
        model=shared.sd_model,
        prompts=p.prompts,
        negative_prompts=p.negative_prompts,
        prompts_2=[p.refiner_prompt] if p.refiner_prompt else p.prompts,
        negative_prompts_2=p.negative_prompts,
        num_inference_steps=p.steps,
        clip_skip=1,
        prompt_attention=p.prompt_attention,
        desc="Base",
    )
    return shared.sd_model(**args)


def process_hires(p, output):
    if not p.enable_hr:
        return output
    args = set_pipeline_args(
        p=p,
        model=shared.sd_model,
        prompts=[p.refiner_prompt] if p.refiner_prompt else p.prompts,
        negative_prompts=p.negative_prompts,
        prompts_2=p.prompts,
        negative_prompts_2=p.negative_prompts,
        num_inference_steps=p.steps,
        clip_skip=1,
        prompt_attention=p.prompt_attention,
        desc="Hires",
    )
    return shared.sd_model(**args)


def process_refine(p, output):
    refiner = p.sd_refiner
    if refiner is None:
        return output
    args = set_pipeline_args(
        p=p,
        model=refiner,
        prompts=p.prompts[0],
        negative_prompts=p.negative_prompts[0],
        num_inference_steps=p.steps,
        clip_skip=1,
        prompt_attention="fixed",
        desc="Refiner",
    )
    return refiner(**args)


def process_diffusers(p):
    return process_refine(p, process_hires(p, process_base(p)))
