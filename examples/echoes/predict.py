"""Sound in, sound out, and figures about it: a recording comes back with its echoes."""

import tempfile

import numpy
import soundfile

from cog import BaseModel, BasePredictor, Input, Path


class Output(BaseModel):
    """Each field is shown by its type: the file as a player, the numbers as text."""

    sound: Path
    seconds: float
    loudest: float


class Predictor(BasePredictor):
    def predict(
        self,
        sound: Path = Input(description="A recording: WAV, FLAC, OGG or MP3", accept="audio/*"),
        delay: float = Input(description="Seconds until each echo", default=0.3, ge=0.02, le=3),
        echoes: int = Input(description="How many come back", default=4, ge=1, le=20),
        decay: float = Input(description="What is left each time", default=0.5, ge=0, le=0.95),
        spread: bool = Input(description="Echoes from left and right in turn", default=True),
    ) -> Output:
        try:
            samples, rate = soundfile.read(str(sound), always_2d=True, dtype="float32")
        except soundfile.SoundFileError:
            raise ValueError("The sound is no recording that can be read.") from None
        if samples.shape[1] == 1:
            samples = numpy.repeat(samples, 2, axis=1)
        step = int(delay * rate)
        made = numpy.zeros((len(samples) + echoes * step, samples.shape[1]), numpy.float32)
        made[: len(samples)] = samples
        for number in range(1, echoes + 1):
            heard = samples * decay**number
            if spread:
                heard = (
                    heard * numpy.eye(2, dtype=numpy.float32)[number % 2][: heard.shape[1]] * 1.4
                )
            made[number * step : number * step + len(samples)] += heard
        loudest = float(numpy.abs(made).max(initial=0))
        if loudest > 1:
            print(f"turned down from {loudest:.2f}, to stay whole")
            made /= loudest
        path = Path(tempfile.mkdtemp()) / "echoes.wav"
        soundfile.write(str(path), made, rate)
        return Output(sound=path, seconds=len(made) / rate, loudest=min(loudest, 1.0))
