"""Speech in a voice that is taken from a recording: XTTS through coqui-tts, which lives in an
environment of its own. Nobody's agreement to its licence is given here: the files are those that a
person has agreed to download.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

from pretrained import quiet
from recording import sample
from sentences import groups
from sound_making import SoundMaking
from speaking import Counting, forget_lengths, refuse_nothing

from cog import BasePredictor, Input, Path, current_scope

LANGUAGES = (
    "en", "es", "fr", "de", "it", "pt", "pl", "tr", "ru", "nl", "cs", "ar", "zh", "hu", "ko", "hi",
)  # fmt: skip
CODES = {"zh": "zh-cn"}
"""What coqui-tts calls otherwise."""
HEARD = 22_050
"""Samples a second, of what it hears; it speaks with `SPOKEN`."""
SPOKEN = 24_000
LONGEST = 30
"""Seconds of the recording that are used."""
LOW, HIGH = 75, 8_000
"""Hertz, below and above which a voice is taken for noise, where it shall be cleaned."""


class VoiceCloning(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder with XTTS's configuration, network and vocabulary."""
        import torch
        from TTS.tts.configs.xtts_config import XttsConfig
        from TTS.tts.models.xtts import Xtts

        quiet()
        forget_lengths()
        config = XttsConfig()
        config.load_json(str(FilePath(weights) / "config.json"))
        self.model = Xtts.init_from_config(config)
        self.model.load_checkpoint(config, checkpoint_dir=weights, eval=True)
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")

    def predict(
        self,
        text: str = Input(
            default="Hi there, I'm your new voice clone. Try your best to upload quality audio",
            description="Text to synthesize",
        ),
        speaker: Path = Input(description="Original speaker audio (wav, mp3, m4a, ogg, or flv)"),
        language: str = Input(
            default="en",
            choices=list(LANGUAGES),
            description="Output language for the synthesised speech",
        ),
        cleanup_voice: bool = Input(
            default=False,
            description="Whether to apply denoising to the speaker audio (microphone recordings)",
        ),
        seed: int | None = Input(
            default=None, description="The same seed speaks alike; unset or -1, random."
        ),
    ) -> Path:
        """The text in the speaker's voice, a few sentences after the other."""
        import torch

        refuse_nothing(text)
        voice = sample(speaker, HEARD, LONGEST, 1, "speaker")
        if cleanup_voice:
            voice = cleaned(voice, HEARD)
        making = SoundMaking(seed)
        heard = torch.tensor(voice, dtype=torch.float32).clip(-1, 1).to(self.model.device)
        with torch.inference_mode():
            # Not `get_conditioning_latents`: it would read the file with a decoder of its own.
            meaning = self.model.get_gpt_cond_latents(heard, HEARD, length=30, chunk_length=6)
            sounding = self.model.get_speaker_embedding(heard, HEARD)
            said = (self._said(part, language, meaning, sounding) for part in _parts(text))
            file: Path = making.file_of(said, SPOKEN, "wav", "speech")
        return file

    def _said(self, text: str, language: str, meaning: Any, sounding: Any) -> Any:
        import torch

        spoken = self.model.inference(
            text,
            CODES.get(language, language),
            meaning,
            sounding,
            enable_text_splitting=True,
            stopping_criteria=[Counting()],
        )
        current_scope().record_metric("parts", 1, mode="incr")
        return torch.as_tensor(spoken["wav"]).float().cpu().numpy()


def _parts(text: str) -> list[str]:
    return ["".join(each) for each in groups(text)]


def cleaned(voice: Any, rate: int) -> Any:
    """Without what is lower and higher than speech, and the steady noise between words: what the
    quietest tenth of the moments has at each frequency is taken away.
    """
    import numpy as np
    from scipy.signal import istft, stft

    frequencies, _, spectrum = stft(voice, rate, nperseg=1024)
    size = np.abs(spectrum)
    noise = np.quantile(size, 0.1, axis=-1, keepdims=True)
    kept = np.maximum(size - 1.5 * noise, 0.05 * size) / np.maximum(size, 1e-9)
    spoken = (frequencies >= LOW) & (frequencies <= HIGH)
    _, clean = istft(spectrum * kept * spoken[:, None], rate, nperseg=1024)
    return clean[..., : voice.shape[-1]].astype(np.float32)
