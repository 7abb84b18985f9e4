"""What the page shows, without gradio: figures become HTML, and the page's questions get their answers.

answers      the page's one channel: a question in JSON, its answer in JSON
preview      what is written in the box: counts, tokens, warnings, a mistake with its caret
nearest      the second answer: nearest words, norms against the vocabulary's
html         templates/ drawn from dataclasses, everything escaped
"""
