"""A SpeechT5 that speaks and its vocoder, tiny and random."""

from __future__ import annotations

from pathlib import Path


def speaker(folder: Path) -> None:
    import sentencepiece
    import torch
    from transformers import SpeechT5Config, SpeechT5ForTextToSpeech, SpeechT5Tokenizer

    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(["abcdefghijklmnopqrstuvwxyz .,?!'", "Good morning."] * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / "spm_char"), model_type="char",
        vocab_size=60, hard_vocab_limit=False, bos_id=0, pad_id=1, eos_id=2, unk_id=3,
        minloglevel=2,
    )  # fmt: skip
    corpus.unlink()
    (folder / "spm_char.vocab").unlink()
    tokenizer = SpeechT5Tokenizer(str(folder / "spm_char.model"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model = SpeechT5ForTextToSpeech(
        SpeechT5Config(
            vocab_size=len(tokenizer), hidden_size=16, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
            decoder_ffn_dim=16, num_mel_bins=8, speaker_embedding_dim=6, max_text_positions=450,
            speech_decoder_prenet_units=8, speech_decoder_postnet_units=8,
            speech_decoder_postnet_layers=2, max_speech_positions=500,
        )
    )  # fmt: skip
    # It would end at once by chance.
    torch.nn.init.constant_(model.speech_decoder_postnet.prob_out.bias, -5.0)
    model.save_pretrained(folder)


def vocoder(folder: Path) -> None:
    import torch
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    torch.manual_seed(0)
    SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=8, upsample_initial_channel=16, upsample_rates=[4, 4],
            upsample_kernel_sizes=[8, 8], resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1, 3]],
        )
    ).save_pretrained(folder)  # fmt: skip
