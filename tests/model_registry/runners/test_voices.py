from __future__ import annotations

import numpy as np
import pytest
import soundfile

from cog.loading import load
from model_registry.spec_files import RUNNERS
from tests.model_registry.runners.conftest import Model
from tests.tiny import voices

# EnCodec and DAC still ask torch for its old weight norm; Dia's tokenizer is told a length that
# only counts where texts are cut.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning"),
    pytest.mark.filterwarnings("ignore:`max_length` is ignored:UserWarning"),
]
VOICE = str(RUNNERS.parent / "starter" / "listen" / "lights.wav")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    def made(family, kind):
        folder = tmp_path_factory.mktemp(family)
        getattr(voices, family)(folder)
        return Model(f"voice_{family}.py:{kind}", folder)

    return made


@pytest.fixture(scope="module")
def vits(made):
    return made("vits", "Vits")


@pytest.fixture(scope="module")
def bark(made):
    return made("bark", "Bark")


@pytest.fixture(scope="module")
def csm(made):
    return made("csm", "Csm")


@pytest.fixture(scope="module")
def dia(tmp_path_factory):
    folder, codec = tmp_path_factory.mktemp("dia"), tmp_path_factory.mktemp("dac")
    voices.dia(folder)
    voices.dac(codec)
    model = Model.__new__(Model)
    model.loaded = load(str(RUNNERS), "voice_dia.py:Dia")
    model.runner = model.loaded._owner
    model.loaded.setup(str(folder), "", {"parts": {"codec": str(codec)}})
    return model


def seconds(path):
    return soundfile.info(path).duration


def test_words_become_sound(vits):
    path = vits.run(text="hello there")
    assert seconds(path) > 0.2 and soundfile.info(path).samplerate == 16_000
    assert vits.told.metrics["audio_seconds"] == pytest.approx(seconds(path), abs=0.01)


def test_more_speed_takes_less_time_and_long_texts_come_in_parts(vits):
    text = "This is one of many sentences. " * 8
    plain = vits.run(text=text, seed=1)
    done = [(step, total) for step, total, unit in vits.told.steps if unit == "part"]
    assert len(done) > 1 and done[-1][0] == done[-1][1]
    assert seconds(vits.run(text=text, seed=1, speed=2)) < 0.8 * seconds(plain)


def test_a_text_without_a_known_letter_is_refused(vits):
    with pytest.raises(ValueError, match="Nothing in the text"):
        vits.run(text="日本語")


@pytest.mark.parametrize("name", ["vits", "bark", "csm", "dia"])
def test_an_empty_text_is_refused(name, request):
    model = request.getfixturevalue(name)
    with pytest.raises(ValueError, match="empty"):
        model.run(**{"prompt" if name == "bark" else "text": " \n"})


def test_bark_speaks_in_the_voice_it_gave(bark):
    first = bark.run(prompt="hello", history_prompt="en_speaker_0", output_full=True, seed=1)
    with np.load(first.prompt_npz) as voice:
        shapes = {part: voice[part].ndim for part in voice.files}
    assert shapes == {"semantic_prompt": 1, "coarse_prompt": 2, "fine_prompt": 2}
    again = bark.run(prompt="hello", custom_history_prompt=str(first.prompt_npz), seed=1)
    assert again.audio_out.read_bytes() != first.audio_out.read_bytes()
    assert again.prompt_npz is None


def test_bark_says_it_when_it_falls_silent_at_once(bark):
    with pytest.raises(ValueError, match="another seed"):
        bark.run(prompt="a", text_temp=1.0, seed=39)


def test_bark_names_the_voices_that_there_are(bark):
    with pytest.raises(ValueError, match="no voice 'de_speaker_3'. It has: en_speaker_0"):
        bark.run(prompt="hello", history_prompt="de_speaker_3")


def test_what_is_no_voice_of_bark_is_refused(bark, tmp_path):
    path = tmp_path / "voice.npz"
    for content in (b"", b"not a voice"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no voice of Bark"):
            bark.run(prompt="hello", custom_history_prompt=str(path))
    np.savez(path, semantic_prompt=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="no voice of Bark"):
        bark.run(prompt="hello", custom_history_prompt=str(path))
    parts = {part: np.zeros((2, 2)) for part in bark.module.HISTORY}
    np.savez(path, **parts)
    with pytest.raises(ValueError, match="semantic_prompt must have 1 dimension of whole"):
        bark.run(prompt="hello", custom_history_prompt=str(path))


def test_bark_says_what_it_does_not_read(bark, capsys):
    bark.run(prompt="hello " * 2_000)
    assert "the first 256 are read" in capsys.readouterr().out


def test_csm_ends_at_the_maximum(csm):
    assert seconds(csm.run(text="hello", max_audio_length_ms=800)) <= 0.8
    done = [step for step, total, unit in csm.told.steps if (total, unit) == (10, "token")]
    assert done and done == sorted(done)
    with pytest.raises(ValueError, match="Shorten one of them"):
        csm.run(text="x" * 200_000)


def test_csm_says_it_when_it_falls_silent_at_once(csm, monkeypatch):
    heads = csm.runner.model.lm_head, csm.runner.model.depth_decoder.codebooks_head
    for head in heads:  # what is likeliest of all alike is token 0, the end
        monkeypatch.setattr(head.weight, "data", head.weight.data * 0)
    with pytest.raises(ValueError, match="CSM fell silent"):
        csm.run(text="hello", temperature=0)


def test_dia_says_it_when_it_falls_silent_at_once(dia, monkeypatch):
    model = dia.runner.model
    forward = model.forward

    def ends(*given, **named):
        answer = forward(*given, **named)
        answer.logits[..., model.generation_config.eos_token_id] = 1e4
        return answer

    monkeypatch.setattr(model, "forward", ends)
    for heard in ({}, {"audio_prompt": VOICE, "audio_prompt_text": "[S1] Turn on the light."}):
        with pytest.raises(ValueError, match="Dia fell silent"):
            dia.run(text="[S1] Hi.", max_new_tokens=500, **heard)


def test_dia_speaks_after_a_voice_without_repeating_it(dia):
    asked = {"text": "[S1] Hi.", "max_new_tokens": 60, "speed_factor": 1, "seed": 1}
    plain = seconds(dia.run(**asked))
    after = dia.run(**asked, audio_prompt=VOICE, audio_prompt_text="[S1] Turn on the red light.")
    assert seconds(after) == pytest.approx(plain, abs=0.3)
    slow = seconds(dia.run(**asked | {"speed_factor": 0.5}))
    assert slow == pytest.approx(2 * plain, rel=0.01)


def test_dia_refuses_what_it_cannot_read(dia):
    with pytest.raises(ValueError, match="belong together"):
        dia.run(text="[S1] Hi.", audio_prompt=VOICE)
    with pytest.raises(ValueError, match="Dia reads 1024. Shorten it"):
        dia.run(text="x" * 200_000)


def test_what_is_said_is_written_piece_by_piece_and_makes_the_same_bytes(vits):
    from sound_making import SoundMaking

    noise = np.random.default_rng(0).normal(0, 0.2, 40_000)
    for kind in ("wav", "flac"):
        whole = SoundMaking(1).file(noise, 16_000, kind)
        pieces = SoundMaking(1).file_of(iter(np.split(noise, 4)), 16_000, kind)
        assert whole.read_bytes() == pieces.read_bytes()
    assert SoundMaking(1).file_of(iter(()), 16_000) is None
