"""Forge Neo's packages, as far as they differ from Forge's.

Written for the tests after reading exo101/sd-webui-forge-neo-v3 5692d2d (release 2.26), as `tests/hosts/forge` is. A
file here stands for the whole module of the host; `backend.common.…` and `modules.common.…` are Forge's, for what they
share. `../neo_newest` lies over it for what the newest has renamed.
"""
