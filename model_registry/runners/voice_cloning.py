"""Speech in a voice that is taken from a recording: XTTS through coqui-tts, which lives in an
environment of its own. Nobody's agreement to its licence is given here: the files are those that a
person has agreed to download.
"""

from __future__ import annotations

import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from pretrained import quiet
from recording import sample
from sentences import sentences
from sound_making import SoundMaking
from speaking import forget_lengths, refuse_nothing

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

LANGUAGES = (
    "en", "es", "fr", "de", "it", "pt", "pl", "tr", "ru", "nl", "cs", "ar", "zh", "hu", "ko", "hi",
)  # fmt: skip
HEARD = 22_050
"""Samples a second, of what it hears; it speaks with `SPOKEN`."""
SPOKEN = 24_000
SHORTEST, LONGEST = 1 / 3, 30
"""Seconds of the recording that are needed, and that are used."""
SILENT = 0.001
"""Of full loudness: a recording in which nothing is louder has no voice."""
LOW, HIGH = 75, 8_000
"""Hertz, below and above which a voice is taken for noise, where it shall be cleaned."""


class VoiceCloning(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder with XTTS's configuration, network and vocabulary."""
        without_compiled_parts()
        import torch
        from TTS.tts.configs.xtts_config import XttsConfig
        from TTS.tts.models.xtts import Xtts

        quiet()
        forget_lengths()
        config = XttsConfig()
        config.load_json(str(FilePath(weights) / "config.json"))
        self.model = Xtts(config)
        with torch.serialization.safe_globals(_forms()):
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
        _refuse_no_voice(voice)
        if cleanup_voice:
            voice = cleaned(voice, HEARD)
        parts = list(self._parts(text, language))
        making = SoundMaking(seed)
        heard = torch.tensor(voice, dtype=torch.float32).clip(-1, 1).to(self.model.device)
        with torch.inference_mode():
            # Not `get_conditioning_latents`: it would read the file with a decoder of its own.
            meaning = self.model.get_gpt_cond_latents(heard, HEARD, length=30, chunk_length=6)
            sounding = self.model.get_speaker_embedding(heard, HEARD)
            said = self._said(parts, language, meaning, sounding)
            file: Path = making.file_of(said, SPOKEN, "wav", "speech")
        return file

    def _said(self, parts: list[str], language: str, meaning: Any, sounding: Any) -> Iterator[Any]:
        import torch

        for number, part in enumerate(parts):
            spoken = self.model.inference(
                part,
                language,
                meaning,
                sounding,
                # Its own splitting needs spaCy, and lets pass what has too many tokens.
                enable_text_splitting=False,
                stopping_criteria=[_Telling(number, len(parts), self.model.args)],
            )
            current_scope().record_metric("parts", 1, mode="incr")
            current_scope().progress(number + 1, len(parts), unit="part")
            yield torch.as_tensor(spoken["wav"]).float().cpu().numpy()

    def _parts(self, text: str, language: str) -> Iterator[str]:
        """The text in what the network can say at once: whole sentences, as far as they fit."""
        most = self.model.tokenizer.char_limits[language] - 1
        part = ""
        for sentence in sentences(text):
            if part and len(part) + len(sentence) > most:
                yield from self._sayable(part, language, most)
                part = ""
            part += sentence
        yield from self._sayable(part, language, most)

    def _sayable(self, part: str, language: str, most: int) -> Iterator[str]:
        """Numbers and signs are read out, so that few letters may be many tokens."""
        for line in textwrap.wrap(part.strip(), most, break_on_hyphens=False):
            count = len(self._tokens(line, language))
            if count < self.model.args.gpt_max_text_tokens or len(line) < 2:
                yield line
            else:
                yield from self._sayable(line, language, len(line) // 2 + 1)

    def _tokens(self, line: str, language: str) -> Any:
        try:
            return self.model.tokenizer.encode(line.lower(), lang=language)
        except (NotImplementedError, OverflowError, LookupError) as error:
            # Of num2words, which lacks some languages, some ordinals and what is very large.
            raise InvalidInput(
                f"A number in {textwrap.shorten(line, 80)!r} cannot be read out in this language "
                f"({language}). Write it in words."
            ) from error


class _Telling:
    """Tells of each token; in a list for `stopping_criteria`, where it stops nothing."""

    def __init__(self, before: int, parts: int, args: Any) -> None:
        self._before, self._parts = before, parts
        self._most = args.gpt_max_audio_tokens
        self._done = 0

    def __call__(self, tokens: Any, scores: Any, **others: Any) -> Any:
        import torch

        self._done += 1
        done = self._before + min(0.99, round(self._done / self._most, 2))
        current_scope().progress(done, self._parts, unit="part")
        return torch.zeros(tokens.shape[0], dtype=torch.bool, device=tokens.device)


def without_compiled_parts() -> None:
    """Before coqui-tts is imported: torchaudio then takes itself for one that was built without its
    compiled parts, which fit one build of torch and are needed by nothing here. Its spectrograms
    and its resampling are plain torch, on every device.
    """
    absent: Any = types.ModuleType("torchaudio._extension")
    absent._IS_TORCHAUDIO_EXT_AVAILABLE = absent._IS_ALIGN_AVAILABLE = False
    absent.fail_if_no_align = lambda function: function
    sys.modules.setdefault(absent.__name__, absent)


def _forms() -> list[Any]:
    """What the published weights hold besides numbers: their own configuration, of classes by the
    names that these once had. Where torch does not know them, coqui-tts would write the file anew.
    """
    from TTS.config.shared_configs import BaseDatasetConfig
    from TTS.tts.configs.xtts_config import XttsArgs, XttsAudioConfig, XttsConfig

    moved = [(each, f"TTS.tts.models.xtts.{each.__name__}") for each in (XttsArgs, XttsAudioConfig)]
    return [BaseDatasetConfig, XttsConfig, XttsArgs, XttsAudioConfig, *moved]


def _refuse_no_voice(voice: Any) -> None:
    import numpy as np

    if (seconds := voice.shape[-1] / HEARD) < SHORTEST:
        raise InvalidInput(
            f"speaker has {seconds:.2f} seconds of sound: too little to know a voice by. Give six "
            "seconds or more of somebody speaking."
        )
    if np.abs(voice).max() < SILENT:
        raise InvalidInput(
            f"speaker is silent in its first {LONGEST} seconds. Give a recording of somebody "
            "speaking."
        )


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
