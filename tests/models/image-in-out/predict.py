import tempfile

from cog import BasePredictor, Input, Path
from PIL import Image, ImageOps


class Predictor(BasePredictor):
    def predict(self, image: Path = Input(description="A picture", accept="image/*")) -> Path:
        target = Path(tempfile.mkdtemp()) / "inverted.png"
        ImageOps.invert(Image.open(image).convert("RGB")).save(target)
        return target
