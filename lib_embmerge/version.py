"""The version; pyproject.toml has it a second time, for registries that read only that file."""

__all__ = ["__version__"]

__version__ = "1.0.0"
