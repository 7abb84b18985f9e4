"""Small faults put into the package's code, one at a time, and whether the tests see them."""
