"""Random weights, as small as they go, of what only packages outside the app's can make: the same
classes and files as the repositories have. Made with the interpreter of the model's
own environment: `tests/apart.py`.
"""

from __future__ import annotations

from pathlib import Path

from tests.tiny.music import FILE

WORDS = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 16,
    "depth": 2,
    "embed_size": 300,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-"
LANGUAGES = (
    "en", "es", "fr", "de", "it", "pt", "pl", "tr", "ru", "nl", "cs", "ar", "zh-cn", "hu", "ko",
    "ja", "hi",
)  # fmt: skip


def xtts(folder: Path) -> None:
    """XTTS v2. The decoder's sizes are fixed in its code: of 80 MB it takes nearly all."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from TTS.tts.configs.xtts_config import XttsArgs, XttsAudioConfig, XttsConfig
    from TTS.tts.models.xtts import Xtts

    words = ["[STOP]", "[UNK]", "[SPACE]", "[START]", *(f"[{each}]" for each in LANGUAGES)]
    vocabulary = {each: at for at, each in enumerate([*words, *LETTERS])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(words)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "vocab.json"))
    sounds, wide = 32, 64
    config = XttsConfig(
        model_args=XttsArgs(
            gpt_layers=1,
            gpt_n_heads=2,
            gpt_n_model_channels=wide,
            gpt_num_audio_tokens=sounds + 2,
            gpt_start_audio_token=sounds,
            gpt_stop_audio_token=sounds + 1,
            gpt_number_text_tokens=len(vocabulary),
            gpt_start_text_token=vocabulary["[START]"],
            gpt_stop_text_token=vocabulary["[STOP]"],
            gpt_max_audio_tokens=60,
            gpt_use_perceiver_resampler=True,
            decoder_input_dim=wide,
        )
    )
    config.save_json(str(folder / "config.json"))
    torch.manual_seed(0)
    model = Xtts(config)
    # As the published file has it: beside the weights their form, of classes that lay elsewhere.
    XttsArgs.__module__ = XttsAudioConfig.__module__ = "TTS.tts.models.xtts"
    torch.save({"model": model.state_dict(), "config": config}, folder / "model.pth")
    speaker = {
        "gpt_cond_latent": torch.randn(1, 32, wide),
        "speaker_embedding": torch.randn(1, 512, 1),
    }
    torch.save({"Claribel Dervla": speaker}, folder / "speakers_xtts.pth")


def english(folder: Path) -> None:
    """spaCy's pipeline, taught to tell "read" from "read"; with a part that is of no use here."""
    import spacy
    from spacy.training import Example

    model = spacy.blank("en")
    words = model.add_pipe("tok2vec", config={"model": WORDS})
    listens = {"@architectures": "spacy.Tok2VecListener.v1", "width": words.model.get_dim("nO")}
    model.add_pipe("tagger", config={"model": {"tok2vec": listens}})
    model.add_pipe("sentencizer")
    taught = [
        Example.from_dict(model.make_doc(text), {"tags": tags.split()})
        for text, tags in (
            ("I will read it now .", "PRP MD VB PRP RB ."),
            ("You can read them today .", "PRP MD VB PRP NN ."),
            ("I had read it before .", "PRP VBD VBN PRP RB ."),
            ("She had read them once .", "PRP VBD VBN PRP RB ."),
        )
    ]
    spacy.util.fix_random_seed(0)
    learning = model.initialize(lambda: taught)
    for _ in range(30):
        model.update(taught, sgd=learning)
    model.to_disk(folder)


TINY = {"coqui/XTTS-v2": xtts, "spacy/en_core_web_sm": english}
SMALL = {"lucataco/xtts-v2": {"text": "Hello there.", "speaker": FILE}}
