"""Speech from text with Kokoro: small, quick, fifty voices in nine languages. The package kokoro
brings the network, and misaki, which turns letters into sounds.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from pretrained import quiet
from sentences import groups
from sound_making import SoundMaking
from speaking import forget_lengths, refuse_nothing

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

VOICES = (
    "af_alloy", "af_aoede", "af_bella", "af_heart", "af_jessica", "af_kore", "af_nicole",
    "af_nova", "af_river", "af_sarah", "af_sky", "am_adam", "am_echo", "am_eric", "am_fenrir",
    "am_liam", "am_michael", "am_onyx", "am_puck", "am_santa", "bf_alice", "bf_emma",
    "bf_isabella", "bf_lily", "bm_daniel", "bm_fable", "bm_george", "bm_lewis", "ef_dora",
    "em_alex", "em_santa", "ff_siwis", "hf_alpha", "hf_beta", "hm_omega", "hm_psi", "if_sara",
    "im_nicola", "jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo", "pf_dora",
    "pm_alex", "pm_santa", "zf_xiaobei", "zf_xiaoni", "zf_xiaoxiao", "zf_xiaoyi", "zm_yunjian",
    "zm_yunxi", "zm_yunxia", "zm_yunyang",
)  # fmt: skip
"""The first letter says the language, the second whether it is a woman or a man."""
NEEDED = {
    "a": ("en_core_web_sm", "American English"),
    "b": ("en_core_web_sm", "British English"),
    "j": ("pyopenjtalk", "Japanese"),
    "z": ("jieba", "Mandarin"),
}
"""By the language of a voice: the package without which its letters cannot be read."""
RATE = 24_000


class Kokoro(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder with Kokoro's configuration, network and `voices`."""
        import torch
        from kokoro import KModel
        from loguru import logger

        quiet()
        forget_lengths()
        logger.remove()
        self.folder = FilePath(weights)
        (network,) = self.folder.glob("*.pth")
        model = KModel("hexgrad/Kokoro-82M", str(self.folder / "config.json"), str(network))
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.readers: dict[str, Any] = {}

    def predict(
        self,
        text: str = Input(description="Text input (long text is automatically split)"),
        voice: str = Input(
            default="af_bella", choices=list(VOICES), description="Voice to use for synthesis"
        ),
        speed: float = Input(
            default=1,
            ge=0.1,
            le=5,
            description="Speech speed multiplier (0.5 = half speed, 2.0 = double speed)",
        ),
        seed: int | None = Input(
            default=None, description="The same seed speaks alike; unset or -1, random."
        ),
    ) -> Path:
        """The text as speech, a few sentences after the other."""
        refuse_nothing(text)
        file = self.folder / "voices" / f"{voice}.pt"
        if not file.is_file():
            there = ", ".join(sorted(path.stem for path in file.parent.glob("*.pt")))
            raise InvalidInput(f"There is no voice {voice!r} here. There are: {there or 'none'}.")
        reader = self._reader(voice[0])
        making = SoundMaking(seed)
        said = self._said(reader, text, str(file), speed)
        spoken: Path | None = making.file_of(said, RATE, "wav", "speech")
        if spoken is None:
            raise InvalidInput("Nothing in the text can be spoken by this voice: write some words.")
        return spoken

    def _said(self, reader: Any, text: str, voice: str, speed: float) -> Iterator[Any]:
        parts = ["".join(each) for each in groups(text)]
        for number, part in enumerate(parts, 1):
            for piece in reader(part, voice=voice, speed=speed):
                if piece.audio is not None:
                    yield piece.audio.float().cpu().numpy()
                current_scope().progress(number - 1, len(parts), unit="part")
            current_scope().progress(number, len(parts), unit="part")

    def _reader(self, language: str) -> Any:
        from kokoro import KPipeline

        package, name = NEEDED.get(language, ("kokoro", ""))
        if importlib.util.find_spec(package) is None:
            raise InvalidInput(
                f"Reading {name} needs the package {package}, which is not installed in this "
                "model's environment. Choose a voice of another language: those that begin with "
                "e, f, h, i or p."
            )
        if language not in self.readers:
            self.readers[language] = KPipeline(language, self.model.repo_id, model=self.model)
        return self.readers[language]
