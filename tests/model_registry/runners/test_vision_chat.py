from __future__ import annotations

import threading

import pytest
from PIL import Image

from cog import CancelationException
from tests.model_registry.runners.conftest import Model
from tests.tiny import vision

FAMILIES = {"llama": vision.llama_vision, "qwen": vision.qwen3_vl, "smolvlm": vision.smolvlm2}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {}

    def model(family):
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            FAMILIES[family](folder)
            made[family] = Model("vision_chat.py:VisionChat", folder)
        return made[family]

    return model


@pytest.fixture(params=FAMILIES)
def chat(request, models):
    return models(request.param)


@pytest.fixture
def qwen(models):
    return models("qwen")


@pytest.fixture
def picture(tmp_path):
    return saved(Image.radial_gradient("L").convert("RGB"), tmp_path / "picture.png")


def saved(image, path):
    image.save(path)
    return str(path)


def said(model, **inputs):
    asked = {"prompt": "What is this?", "max_tokens": 12, "seed": 1}
    return "".join(model.run(**asked | inputs))


def test_an_answer_comes_with_its_figures(chat, picture):
    said(chat, image=picture)
    metrics = chat.told.metrics
    assert 1 <= metrics["output_token_count"] <= 12
    assert metrics["input_token_count"] > 10
    assert metrics["time_to_first_token"] > 0 and metrics["tokens_per_second"] > 0


def test_the_picture_is_looked_at(chat, tmp_path):
    dark = saved(Image.new("RGB", (60, 60)), tmp_path / "dark.png")
    light = saved(Image.new("RGB", (60, 60), "white"), tmp_path / "light.png")
    answers = {said(chat, image=image, temperature=0) for image in (dark, light)}
    assert len(answers) == 2


def test_the_same_seed_gives_the_same_text_and_another_one_another(chat, picture):
    assert said(chat, image=picture, temperature=2, top_p=1) == said(
        chat, image=picture, temperature=2, top_p=1
    )
    assert said(chat, image=picture, temperature=2, top_p=1) != said(
        chat, image=picture, temperature=2, top_p=1, seed=2
    )


def test_no_picture_is_needed(chat):
    assert said(chat, system_prompt="Be brief.")


def test_a_picture_without_a_chat_template_is_asked_about_too(models, tmp_path, picture):
    vision.qwen3_vl(tmp_path)
    (tmp_path / "chat_template.json").unlink()
    assert said(Model("vision_chat.py:VisionChat", tmp_path), image=picture)


def test_a_system_prompt_that_does_not_go_with_a_picture_is_put_before_the_prompt(
    models, picture, capsys
):
    """As the template of Llama 3.2 Vision has it."""
    llama = models("llama")
    processor = llama.runner.processor
    usual = processor.chat_template
    processor.chat_template = (
        "{%- if messages[0].role == 'system' and messages[1].content[0].type == 'image' %}"
        "{{- raise_exception('Prompting with images is incompatible with system messages.') }}"
        "{%- endif %}" + usual
    )
    try:
        answer = said(llama, image=picture, system_prompt="Be brief.")
        assert "it is put before the prompt" in capsys.readouterr().out
        assert answer == said(llama, image=picture, prompt="Be brief.\n\nWhat is this?")
        said(llama, system_prompt="Be brief.")
        assert "it is put before the prompt" not in capsys.readouterr().out
    finally:
        processor.chat_template = usual


@pytest.mark.parametrize("size", [(1, 1), (1, 100), (3, 50), (900, 700)])
def test_pictures_of_any_size_are_seen(chat, tmp_path, size):
    path = saved(Image.new("RGB", size, "red"), tmp_path / "picture.png")
    assert said(chat, image=path, max_tokens=2, temperature=0) is not None


def test_a_picture_that_the_model_cannot_take_is_refused_in_a_sentence(qwen, tmp_path):
    path = saved(Image.new("RGB", (8, 4000)), tmp_path / "line.png")
    with pytest.raises(ValueError, match="cannot read this: .*aspect ratio"):
        said(qwen, image=path)


def test_what_is_no_picture_is_refused(qwen, tmp_path):
    path = tmp_path / "picture.png"
    path.write_text("not a picture")
    with pytest.raises(ValueError, match="image is no picture"):
        said(qwen, image=str(path))


def test_a_picture_of_far_too_many_pixels_is_refused(qwen, tmp_path):
    path = saved(Image.new("1", (12_000, 12_000)), tmp_path / "huge.png")
    with pytest.raises(ValueError, match="12000 × 12000 pixels; allowed are 64 million"):
        said(qwen, image=path)


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_refused(chat, prompt):
    with pytest.raises(ValueError, match="prompt is empty"):
        said(chat, prompt=prompt)


def test_a_prompt_that_leaves_no_room_is_refused(chat):
    with pytest.raises(ValueError, match=r"have 20\d{4} tokens; this model holds \d+ in all"):
        said(chat, prompt="x" * 200_000)


def test_words_that_stand_for_pictures_are_refused_where_there_is_none(models, picture):
    with pytest.raises(ValueError, match="cannot read this"):
        said(models("smolvlm"), prompt="<image> <image>", image=picture)


def test_penalties_keep_from_repeating(qwen, picture):
    plain = said(qwen, image=picture, temperature=0, max_tokens=30)
    varied = said(
        qwen, image=picture, temperature=0, max_tokens=30, presence_penalty=2, frequency_penalty=2
    )
    assert len(set(varied)) > len(set(plain))


def test_a_stop_sequence_ends_the_answer_before_it(qwen):
    whole = said(qwen, temperature=2, top_p=1, max_tokens=40)
    stop = whole[10:12]
    assert (
        said(qwen, temperature=2, top_p=1, max_tokens=40, stop_sequences=stop)
        == whole.partition(stop)[0]
    )
    assert qwen.told.metrics["output_token_count"] < 40


def test_a_cancel_ends_the_writing(qwen, picture):
    running = threading.active_count()
    arguments = qwen.loaded.arguments(
        {"prompt": "Hi", "image": picture, "max_tokens": 2000, "temperature": 0}
    )
    pieces = qwen.loaded.call(**arguments)
    next(pieces)
    with pytest.raises(CancelationException):
        pieces.throw(CancelationException())
    assert threading.active_count() == running


def test_a_context_that_is_full_ends_the_answer_and_is_said(qwen, capsys):
    said(qwen, prompt="x" * 4060, max_tokens=100, temperature=0)
    assert "context of 4096 tokens is full" in capsys.readouterr().out
