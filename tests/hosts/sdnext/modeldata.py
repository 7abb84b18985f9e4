"""The loaded model."""

from types import SimpleNamespace

model_data = SimpleNamespace(sd_model=None, sd_refiner=None)
