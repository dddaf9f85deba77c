"""Speech from text with Kokoro: small, quick, fifty voices in nine languages. The package kokoro
brings the network, and misaki, which turns letters into sounds.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from pretrained import quiet
from sentences import groups, sentences
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
ESPEAK = {"e": "es", "f": "fr-fr", "h": "hi", "i": "it", "p": "pt-br"}
"""By the first letter: the languages whose letters espeak-ng turns into sounds."""
JAPANESE = ("pyopenjtalk-plus", "fugashi", "jaconv", "mojimoji", "unidic-lite")
"""Packages, half a gigabyte for five voices: not among those that are installed by themselves."""
TAGGING = ("tok2vec", "tagger")
"""What of spaCy's pipeline tells a verb from a noun, and thereby how they are said."""
MOST = 510
"""Sounds that the network can say at once."""
RATE = 24_000
_PAUSE = re.compile(r"[,;:،、，；：—–।]\s*")
_SPACE = re.compile(r"\s+")


class Kokoro(BasePredictor):
    def setup(self, weights: str, parts: dict[str, str] | None = None) -> None:
        """`weights` is a folder with Kokoro's configuration, network and `voices`. The part
        `english` is one of spaCy's, which tells the kinds of English words.
        """
        import torch
        from kokoro import KModel, KPipeline
        from loguru import logger

        quiet()
        forget_lengths()
        logger.remove()
        self.folder = FilePath(weights)
        (network,) = self.folder.glob("*.pth")
        model = KModel("hexgrad/Kokoro-82M", str(self.folder / "config.json"), str(network))
        model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        # Of any language: what it would read with is made here, for its English is only on GitHub.
        self.pipeline = KPipeline("e", model.repo_id, model=model)
        self.english = (parts or {}).get("english", "")
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
        language = voice[0]
        if language not in self.readers:
            self.readers[language] = self._reader(language)
        making = SoundMaking(seed)
        said = self._said(language, text, str(file), speed)
        spoken: Path | None = making.file_of(said, RATE, "wav", "speech")
        if spoken is None:
            raise InvalidInput("Nothing in the text can be spoken by this voice: write some words.")
        return spoken

    def _said(self, language: str, text: str, voice: str, speed: float) -> Iterator[Any]:
        parts = ["".join(each) for each in groups(text)]
        for number, part in enumerate(parts, 1):
            lines = [line for line in part.splitlines() if line.strip()]
            for sounds in (each for line in lines for each in self._sounds(language, line)):
                for piece in self.pipeline.generate_from_tokens(sounds, voice, speed):
                    current_scope().progress(number - 1, len(parts), unit="part")
                    if piece.audio is not None:
                        yield piece.audio.float().cpu().numpy()
            current_scope().progress(number, len(parts), unit="part")

    def _sounds(self, language: str, text: str) -> Iterator[Any]:
        """The text as sounds, as many as can be said at once."""
        sounds, words = self.readers[language](text)
        if words:  # of English, which are counted where they are said
            yield words
        elif len(sounds) <= MOST or len(text) < 2:
            yield sounds[:MOST]
        else:
            for half in _halves(text):
                yield from self._sounds(language, half)

    def _reader(self, language: str) -> Any:
        """What turns letters into sounds: called with a text, it gives the sounds, and in English
        the words too.
        """
        from misaki import en, espeak

        if language in ESPEAK:
            return espeak.EspeakG2P(language=ESPEAK[language])
        if language == "z":
            import jieba
            from misaki import zh

            jieba.setLogLevel("WARNING")
            return zh.ZHG2P(version=None)
        if language == "j":
            return _japanese()
        # Not its `__init__`: that wants spaCy's pipeline as a package.
        reader = object.__new__(en.G2P)
        british = language == "b"
        reader.version, reader.british, reader.unk = None, british, ""
        reader.nlp = _tagger(self.english)
        reader.lexicon = en.Lexicon(british)
        reader.fallback = espeak.EspeakFallback(british=british)
        return reader


def _tagger(folder: str) -> Any:
    import spacy

    if not folder:
        raise InvalidInput(
            "Reading English needs spaCy's en_core_web_sm. Name it in this model's spec, as "
            "parts: {english: {repo: spacy/en_core_web_sm}}; or choose a voice of another "
            f"language: those that begin with {', '.join(ESPEAK)} or z."
        )
    named = spacy.util.load_config(FilePath(folder) / "config.cfg")["nlp"]["pipeline"]
    return spacy.load(folder, exclude=[each for each in named if each not in TAGGING])


def _japanese() -> Any:
    try:
        from misaki import ja

        return ja.JAG2P()
    except ImportError as error:
        raise InvalidInput(
            f"Reading Japanese needs packages of half a gigabyte, and the module {error.name} is "
            "not installed in this model's environment. To have them, add to `packages` in "
            f"model_registry/specs/audio/kokoro.yaml: {', '.join(JAPANESE)}. Or choose a voice of "
            f"another language: those that begin with a, b, {', '.join(ESPEAK)} or z."
        ) from error


def _halves(text: str) -> tuple[str, str]:
    """Parted near the middle: between sentences, else at a pause, a space, or anywhere."""
    middle = len(text) // 2
    ends = list(itertools.accumulate(map(len, sentences(text))))[:-1]
    for places in (ends, _ends(_PAUSE, text), _ends(_SPACE, text)):
        if places:
            cut = min(places, key=lambda place: abs(place - middle))
            return text[:cut], text[cut:]
    return text[:middle], text[middle:]


def _ends(mark: re.Pattern[str], text: str) -> list[int]:
    return [found.end() for found in mark.finditer(text, 1) if found.end() < len(text)]
