"""What the page shows, without gradio: figures become HTML, and the page's questions get their answers.

answers      the page's one channel: a question in JSON, its answer in JSON
preview      what is written in the box: counts, tokens, warnings, a mistake with its caret
prompt_view  a whole prompt in the box: its chunks, a line for each expression
prompt_lines those lines under a WebUI's prompt boxes
nearest      the second answer: nearest words, norms against the vocabulary's
help         how expressions are written, and the table of functions
html         templates/ drawn from dataclasses, everything escaped
"""
