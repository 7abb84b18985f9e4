"""The pane "Build": what is written in the box while one types, the folds below it, and saving."""
