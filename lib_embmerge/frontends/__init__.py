"""What people and programs use: the command line, and what the WebUI shows. Each part stands alone."""
