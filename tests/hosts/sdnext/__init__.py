"""SD.Next's package `modules`, in small: what stands between a prompt and its conditioning.

Written for the tests after reading 058a7f0c; it is not the host's code, but has its names, its call structure and the
behaviours that HOSTS.md section 8 lists, the host's slips included. `tests/hosts/fake_sdnext.py` puts it into
`sys.modules`, anew for each test.
"""
