"""What the parts of the backend tell each other while they run."""


class dynamic_args:  # noqa: N801  # the host's name
    last_extra_generation_params: dict[str, str] = {}  # noqa: RUF012  # the host shares it too
