"""LoRA weights in a folder of their own, laid over a model when it is set up. No runner: that of
language models imports it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def tokenizer_folder(weights: str, adapter: str) -> str:
    """The folder whose tokenizer is to be taken: the adapter's, where it brings one along."""
    return adapter if adapter and Path(adapter, "tokenizer_config.json").is_file() else weights


def adapted(model: Any, adapter: str, tokenizer: Any) -> Any:
    """The model with the weights in the folder `adapter` added to its own."""
    from peft import PeftModel

    if len(tokenizer) > len(model.get_input_embeddings().weight):
        model.resize_token_embeddings(len(tokenizer))  # it was taught tokens of its own
    model = PeftModel.from_pretrained(model, adapter).merge_and_unload().eval()
    print("Its LoRA weights are added to those of its base.")
    return model
