"""Forge Classic's packages, as far as they differ from reForge's.

Written for the tests after reading Haoming02/sd-webui-forge-classic 1f95d717 (branch `classic`, 2025-02-21), and what
its later copy fajarnnn/sd-webui-reforge-classic has changed (modules/sd_models.py at 133fc761: the model before is
taken apart). A file here stands for the whole module of the host; `modules.common.…` is the one of `tests/hosts/a1111`.
"""
