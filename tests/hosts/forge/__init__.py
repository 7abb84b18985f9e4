"""Forge's packages, in small: what stands between a prompt and its conditioning.

Written for the tests after reading dfdcbab6; it is not the host's code, but has its names, its call structure and the
behaviours that matter here, the host's slips included. What Forge has kept of AUTOMATIC1111 is that one's fake
(`../a1111/`). `tests/hosts/fake_forge.py` puts it into `sys.modules`, anew for each test.
"""
