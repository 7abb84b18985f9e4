"""What the page shows, without gradio: figures become HTML, and the page's questions get their answers.

answers    the page's one channel: a question in JSON, its answer in JSON
question   both as values
source     what a person has chosen to look at: an expression, a file in the folder, an upload
repairs    the buttons that repair a mistake or follow a remark
jobs       long work with its progress, and stopping it
html       templates drawn from dataclasses, everything escaped
help       how expressions are written, and the table of functions

Each feature has a folder with its templates beside it: build, inspect, many, convert, prompt. What several of them
show stands here.
"""
