"""What each program does with an embedding file: a module for each, with its program's source."""
