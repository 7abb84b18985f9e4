"""What the hosts under test are put together from.

Each is written from what a host is known to do: what goes in, what comes out, which attributes extensions use. The
tables in `fake_*.py` say which of them a host has, under which name and in which module.
"""
