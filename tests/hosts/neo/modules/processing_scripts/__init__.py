"""A package of the host."""
