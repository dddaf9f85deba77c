"""A trainer that is a class, is set up and gives an object."""

import pathlib
import tempfile

from cog import BaseModel, BaseRunner, Input, Path


class Trained(BaseModel):
    weights: Path
    steps: int


class Trainer(BaseRunner):
    def setup(self) -> None:
        self.base = 10

    async def train(self, factor: int = Input(ge=0, le=9)) -> Trained:
        path = pathlib.Path(tempfile.mkdtemp(), "factor.bin")
        path.write_text(str(self.base * factor))
        return Trained(weights=Path(path), steps=factor)
