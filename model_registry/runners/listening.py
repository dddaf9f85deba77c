"""Whisper over a recording of any length: stretch by stretch, where somebody speaks.

Around faster-whisper: it knows neither form nor files of subtitles.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, zip_longest
from pathlib import Path as FilePath
from typing import Any, TypedDict

from recording import Recording
from spoken_sound import RATE, Span, SpokenSound

from cog import Path, current_scope

STRETCH = 120
"""Seconds of sound that are held at once: bounds the memory, however long the file is."""
PAUSE = 160
"""Milliseconds of silence at which speech may be cut."""
MARGIN = 100
"""Milliseconds before and after speech that are taken for it."""
AROUND = 0.2
"""Seconds around speech that are listened to as well."""
EDGE = 1
"""Seconds before the end of a stretch in which what is said may not have ended."""
AT_ONCE = 8
"""Pieces between pauses that a GPU understands together, where nobody says how many."""


class Word(TypedDict):
    """One word, and when it is said, in seconds."""

    start: float
    end: float
    word: str


class _Said(TypedDict):
    start: float
    end: float
    text: str


class Segment(_Said, total=False):
    """A few words that belong together, and when they are said, in seconds.

    It has `words` if they were asked for; the last one brings the `subtitles`, if they were.
    """

    words: list[Word]
    subtitles: Path


class Listener:
    """Listens to a recording stretch by stretch, with one set of `options` for faster-whisper."""

    def __init__(
        self,
        batched: Any,
        skip: bool,
        at_pauses: bool,
        longest: int,
        remember: bool,
        at_once: int = 1,
        **options: Any,
    ) -> None:
        """`batched` is faster-whisper's pipeline. `skip`: what is no speech. `longest`: seconds to
        listen to at once. `remember`: what was written before. `at_once`: more than one piece is
        understood together, each by itself: nothing is remembered then, or tried again.
        """
        self._whisper = batched.model
        self._batched = batched
        self._skip = skip
        self._at_pauses = at_pauses
        self._longest = longest
        self._remember = remember and not at_pauses and at_once == 1
        self._at_once = at_once
        self._options = options
        self.language: str | None = options.pop("language")
        """A code; None until it was heard."""
        self.seconds = 0.0
        """How much was listened to."""

    def segments(self, path: FilePath) -> Iterator[Segment]:
        yield from (segment for segment, _ in self.heard(path))

    def heard(self, path: FilePath, turn: int = 0, turns: int = 1) -> Iterator[tuple[Segment, Any]]:
        """Each segment, and what faster-whisper says of it (its `start` is not the recording's, but
        `seek` is). Of so many `turns` through the recording this is the one numbered `turn`.
        """
        import numpy as np

        scope = current_scope()
        waiting = np.zeros(0, np.float32)
        begun = 0  # of what is waiting, in samples
        sound = SpokenSound()
        with Recording(path, RATE, max(STRETCH, self._at_once * self._longest)) as recording:
            length = recording.seconds
            total = length and turns * length
            before = turn * length if length else 0.0
            for part, ended in recording.parts():
                waiting = np.concatenate([waiting, part])
                speech, used = self._speech(waiting, ended)
                shorten = speech is not None and not self._at_pauses
                sound.add(waiting[:used], begun / RATE, speech or [], shorten)
                begun, waiting = begun + used, waiting[used:]
                clips = (
                    self._windows(sound.samples)
                    if speech is None
                    else self._clips(sound.spoken, sound.seconds)
                )
                understood, reached = sound.seconds, begun / RATE
                if shorten and speech and clips and not ended:
                    understood, _ = clips.pop()  # what is said next may fit in besides
                    reached = sound.time(understood)
                spoken = sound.recorded
                for segment, details in self._heard(sound, clips):
                    _fit(segment, spoken, self._at_pauses)
                    scope.progress(round(before + segment["end"], 3), total, "second")
                    yield segment, details
                sound.drop(understood)
                scope.progress(round(before + reached, 2), total, "second")
        self.seconds = round(begun / RATE, 3)
        scope.record_metric("audio_seconds", self.seconds)

    def _speech(self, sound: Any, ended: bool) -> tuple[list[Span] | None, int]:
        """When somebody speaks (None: nobody looked), and how many samples that uses up.

        Unless the recording has `ended`, speech that may go on is left for the next time.
        """
        if not self._skip:
            last = len(sound)
            return None, last if ended else _quietest(sound, last - 5 * RATE, last)
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        options = VadOptions(
            max_speech_duration_s=self._longest - 2 * AROUND,
            min_silence_duration_ms=PAUSE,
            speech_pad_ms=MARGIN,
        )
        found = get_speech_timestamps(sound, options, RATE)
        speech = [(each["start"] / RATE, each["end"] / RATE) for each in found]
        if ended or not speech or speech[-1][1] < len(sound) / RATE - EDGE:
            return speech, len(sound)
        going_on = round(max(0, speech[-1][0] - AROUND) * RATE)
        return (speech[:-1], going_on) if going_on else (speech, len(sound))

    def _clips(self, speech: list[Span], length: float) -> list[Span]:
        """What to listen to at once: speech that is near enough to fit, and a little around it."""
        clips: list[Span] = []
        silent = 0.0
        for (begin, end), following in zip_longest(speech, [begin for begin, _ in speech[1:]]):
            begin = max(silent, begin - AROUND)
            silent = length if following is None else (end + following) / 2
            end = min(silent, end + AROUND)
            if clips and not self._at_pauses and end - clips[-1][0] <= self._longest:
                clips[-1] = (clips[-1][0], end)
            else:
                clips.append((begin, end))
        return clips

    def _windows(self, sound: Any) -> list[Span]:
        """All of it: as a whole where Whisper may go on by its own timestamps, else in pieces."""
        ends = [0]
        while self._longest < 30 and len(sound) - ends[-1] > self._longest * RATE:
            furthest = ends[-1] + self._longest * RATE
            ends.append(_quietest(sound, furthest - self._longest * RATE // 4, furthest))
        ends.append(len(sound))
        return [(a / RATE, b / RATE) for a, b in pairwise(ends) if b > a]

    def _heard(self, sound: SpokenSound, clips: list[Span]) -> Iterator[tuple[Segment, Any]]:
        if not clips:
            return
        apart = self._at_pauses or self._at_once > 1
        listen = self._heard_apart if apart else self._heard_in_turn
        heard, about = listen(sound.samples[: round(clips[-1][1] * RATE)], clips)
        if self.language is None:
            self.language = about.language
            if self._whisper.model.is_multilingual:
                print(f"Language: {about.language} ({about.language_probability:.0%} sure)")
            current_scope().record_metric("language", about.language)
        tokens: list[int] = []
        for each in heard:
            tokens += each.tokens
            _keep_within(each, clips)
            segment = _segment(each, sound)
            each.seek = round(sound.time(each.seek / 100) * 100)
            yield segment, each
        if self._remember and tokens:
            # Of the tokens, those that are text come first; the end of the text comes after them.
            end = self._whisper.hf_tokenizer.token_to_id("<|endoftext|>")
            self._options["initial_prompt"] = [token for token in tokens if token < end]

    def _heard_in_turn(self, sound: Any, clips: list[Span]) -> tuple[Iterator[Any], Any]:
        heard, about = self._whisper.transcribe(
            sound,
            language=self.language,
            clip_timestamps=[second for clip in clips for second in clip],
            condition_on_previous_text=self._remember,
            **self._options,
        )
        return heard, about

    def _heard_apart(self, sound: Any, clips: list[Span]) -> tuple[Iterator[Any], Any]:
        self._batched.last_speech_timestamp = 0.0  # as it stays where a run was canceled
        on_gpu = self._whisper.model.device == "cuda"
        heard, about = self._batched.transcribe(
            sound,
            language=self.language,
            clip_timestamps=[{"start": begin, "end": end} for begin, end in clips],
            batch_size=(AT_ONCE if on_gpu else 1) if self._at_pauses else self._at_once,
            without_timestamps=self._at_pauses,
            **self._options,
        )
        return filter(self._is_speech, heard), about

    def _is_speech(self, heard: Any) -> bool:
        """faster-whisper asks this only where it listens in turn."""
        unlikely = heard.avg_logprob < self._options["log_prob_threshold"]
        silent = heard.no_speech_prob > self._options["no_speech_threshold"]
        return bool(heard.text.strip()) and not (silent and unlikely)


def _keep_within(heard: Any, clips: list[Span]) -> None:
    """Ends a segment, and its words, with the sound that they were heard in: Whisper may say times
    beyond it, after the next segment's.
    """
    at = heard.seek / 100 + 0.02  # it counts in hundredths, and is rounded
    last = next((end for begin, end in reversed(clips) if begin <= at), clips[0][1])
    for each in (heard, *(heard.words or [])):
        each.start, each.end = min(each.start, last), min(each.end, last)


def _quietest(sound: Any, first: int, last: int) -> int:
    """Where to cut between two samples, so that a word is rarely cut in two."""
    import numpy as np

    size = RATE // 20
    moments = [float(np.square(sound[at : at + size]).sum()) for at in range(first, last, size)]
    quietest: int = first + size * moments.index(min(moments)) + size // 2
    return quietest


def _fit(segment: Segment, speech: list[Span], at_pauses: bool) -> None:
    """Takes the pauses around words out of their times: Whisper gives them to one or the other.

    A segment that was cut `at_pauses` lasts until its pause, and so does its last word.
    """
    if not speech:
        return
    words = segment.get("words") or []
    for each in (segment, *words):
        each["start"], each["end"] = _without_pauses(each["start"], each["end"], speech)
    if words and at_pauses:
        last = words[-1]
        pauses = (_rounded(end - MARGIN / 1000) for _, end in speech)
        last["end"] = max(last["end"], next((at for at in pauses if at > last["start"]), 0.0))
    if words:
        segment["start"], segment["end"] = words[0]["start"], words[-1]["end"]


def _without_pauses(start: float, end: float, speech: list[Span]) -> tuple[float, float]:
    begins, ends = ([_rounded(each[side]) for each in speech] for side in (0, 1))
    following = next((at for at, each in enumerate(ends) if each > start), None)
    if following is not None and start < begins[following] < end:
        start = begins[following]
    previous = next((at for at in reversed(range(len(begins))) if begins[at] < end), None)
    if previous is not None and start < ends[previous] < end:
        end = ends[previous]
    return start, end


def _rounded(seconds: float) -> float:
    """To a thousandth, and no longer one of numpy's."""
    return round(float(seconds), 3)


def _segment(heard: Any, sound: SpokenSound) -> Segment:
    start, end = _span(heard, sound)
    segment: Segment = {"start": start, "end": end, "text": heard.text.strip()}
    if heard.words is not None:
        segment["words"] = [
            {"start": start, "end": end, "word": each.word}
            for each in heard.words
            for start, end in [_span(each, sound)]
        ]
    return segment


def _span(heard: Any, sound: SpokenSound) -> Span:
    return _rounded(sound.time(heard.start)), _rounded(sound.time(heard.end, ends=True))
