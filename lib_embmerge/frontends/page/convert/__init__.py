"""The pane "Convert & check": where files load, what mends them, and clean files made of them."""
