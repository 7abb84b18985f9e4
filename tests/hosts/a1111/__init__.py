"""AUTOMATIC1111's package `modules`, in small: what stands between a prompt and its conditioning.

Written for the tests after reading v1.10.1; it is not the host's code, but has its names, its call structure and the
behaviours that HOSTS.md section 3 lists, the host's slips included. `tests/hosts/fake_a1111.py` puts it into
`sys.modules`, anew for each test.
"""
