"""The pane "Convert & check": where files load, what repairs them, and clean files made of them."""
