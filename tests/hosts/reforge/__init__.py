"""reForge's packages `modules` and `modules_forge`, as far as they differ from AUTOMATIC1111's.

Written for the tests after reading commit 3b56b268, as `tests/hosts/a1111` is. A file here stands for the whole module
of the host; `modules.common.…` is the one of `tests/hosts/a1111`, for what they share.
"""
