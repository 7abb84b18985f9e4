"""Where will an embedding load? What the programs look at in a file (facts), what each does with it (rules), and the
verdicts as lines and tables (view)."""
