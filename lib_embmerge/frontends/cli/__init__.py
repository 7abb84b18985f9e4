"""The command line: `embmerge COMMAND …`.

arguments     the commands and their options
inputs        what an argument stands for: a file, an expression, a prompt, a model
report        what a command found, as text or JSON
functions     `functions`
counting      `count`
looking       `inspect`, `nearest`
explaining    `explain`, `carry`
comparing     `compare`
writing       `save`, `rebuild`, `batch`
converting    `convert`, `check`
serving       `app`
help/         what `--help` prints

`run_command` imports nothing but the standard library; each command brings what it needs.
"""

from .run import run_command

__all__ = ["run_command"]
