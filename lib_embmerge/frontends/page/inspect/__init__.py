"""The pane "Inspect & compare": figures of one source, two compared, and files made again from their recipes."""
