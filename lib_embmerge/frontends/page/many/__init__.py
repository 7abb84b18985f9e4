"""The pane "Many at once": a list or a sweep becomes one file a line."""
