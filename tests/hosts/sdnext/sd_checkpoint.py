"""The list of checkpoints."""

from pathlib import Path

checkpoints_list = {}


class CheckpointInfo:
    def __init__(self, filename):
        self.filename = str(filename)
        self.name = str(Path(filename).with_suffix("")).split("checkpoints/")[-1]
        self.model_name = Path(self.name).name
        self.sha256 = None
        self.title = self.name

    def register(self):
        checkpoints_list[self.title] = self
