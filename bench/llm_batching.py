"""Eight chats at once on one instance against the same eight one after another, through the app;
and against the library's own two ways of batching, in a process alone.

    python -m bench.llm_batching

The model is a random Llama made on the spot: 134 million parameters in float32, as many as
SmolLM2-135M has. Every chat has 32 tokens in and 48 out. The library's ways are its static batch,
which all must enter and leave together, and its continuous one, as it comes and with what it
prepares in advance kept out of the time.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from bench.serving import ROOT, atelier

CHATS = 8
ASKED = 32
WRITTEN = 48
ROUNDS = 3
GOAL = 3.0
PATH = "/v1/models/local/llama/predictions"

# A runner of ours over weights of its own: what a spec says in the catalogue, `setup` says here.
RUNNER = """
import sys
sys.path.insert(0, {runners!r})
from text_generation import TextGeneration

class Llama(TextGeneration):
    def setup(self) -> None:
        super().setup({weights!r})
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "weights")
        run_apart("make", weights)
        model = Path(folder, "models", "llama")
        model.mkdir(parents=True)
        (model / "cog.yaml").write_text("predict: predict.py:Llama\n")
        runners = str(ROOT / "model_registry" / "runners")
        (model / "predict.py").write_text(RUNNER.format(runners=runners, weights=str(weights)))
        with atelier("--models", str(model.parent)) as (address, _):
            asyncio.run(measured(address, CHATS))  # loads it
            rounds = [asyncio.run(both(address)) for _ in range(ROUNDS)]
        one_by_one, together = (min(times) for times in zip(*rounds, strict=True))
        library = run_apart("library", weights)
    ratio = one_by_one / together
    print(f"{CHATS} chats one after another: {rate(one_by_one):.1f} tokens/s in all")
    print(f"{CHATS} chats at once: {rate(together):.1f} tokens/s in all, ratio {ratio:.2f}")
    print(f"  goal: at least {GOAL} times the speed of one after another")
    for name, seconds in library.items():
        print(f"library alone, {name}: {rate(seconds):.1f} tokens/s, ours {seconds / together:.2f}")
    if ratio < GOAL:
        sys.exit("missed its goal")


def rate(seconds: float) -> float:
    return CHATS * WRITTEN / seconds


async def both(address: str) -> tuple[float, float]:
    """Seconds for all chats one after another, and at once."""
    return await measured(address, 1), await measured(address, CHATS)


async def measured(address: str, at_once: int) -> float:
    """Seconds for all chats, so many of them at a time."""
    left = iter(range(CHATS))
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=120) as client:

        async def worker() -> None:
            for number in left:
                prediction = await predicted(client, {"input": chat(number)})
                assert prediction["status"] == "succeeded", prediction
                assert prediction["metrics"]["output_token_count"] == WRITTEN, prediction

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(at_once)))
        return time.perf_counter() - began


async def predicted(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    """The prediction, ended."""
    answer = await client.post(PATH, json=body, headers={"Prefer": "wait=60"})
    prediction: dict[str, Any] = answer.raise_for_status().json()
    while prediction["status"] in ("starting", "processing"):
        await asyncio.sleep(0.05)
        answer = await client.get(f"/v1/predictions/{prediction['id']}")
        prediction = answer.raise_for_status().json()
    return prediction


def chat(number: int) -> dict[str, Any]:
    """Every letter is a token."""
    prompt = "".join(chr(ord("a") + (number * 3 + place * 7) % 26) for place in range(ASKED))
    return {"prompt": prompt, "max_tokens": WRITTEN, "min_tokens": WRITTEN, "seed": number}


def run_apart(step: str, weights: Path) -> Any:
    """What a step of this file gives, in a process of its own: this one never imports torch."""
    command = [sys.executable, "-m", "bench.llm_batching", step, str(weights)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{step} has failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def make(weights: Path) -> None:
    """A random Llama whose tokens are bytes, and many that are nothing."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({each: i for i, each in enumerate([*letters, "<end>"])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(weights)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=2048,
        tie_word_embeddings=True, eos_token_id=256, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(weights)
    print("{}")


def library(weights: Path) -> None:
    """Prints the best seconds of each of the library's ways."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(weights)
    asked = [tokenizer.encode(chat(number)["prompt"]) for number in range(CHATS)]
    static = min(static_batch(model, asked) for _ in range(ROUNDS))
    continuous = [continuous_batch(model, asked) for _ in range(2)]
    print(
        json.dumps(
            {
                "static batch": static,
                "continuous batching with its set-up": min(each[0] for each in continuous),
                "continuous batching without": min(each[1] for each in continuous),
            }
        )
    )


def static_batch(model: Any, asked: list[list[int]]) -> float:
    import torch

    began = time.perf_counter()
    with torch.no_grad():
        model.generate(
            torch.tensor(asked),
            attention_mask=torch.ones(len(asked), ASKED, dtype=torch.int64),
            min_new_tokens=WRITTEN,
            max_new_tokens=WRITTEN,
            do_sample=True,
            top_k=50,
            top_p=0.9,
            temperature=0.6,
        )
    return time.perf_counter() - began


def continuous_batch(model: Any, asked: list[list[int]]) -> tuple[float, float]:
    """Seconds with and without what is prepared in advance."""
    from transformers import GenerationConfig

    settings = GenerationConfig(
        max_new_tokens=WRITTEN, do_sample=False, eos_token_id=-1, pad_token_id=0
    )
    began = time.perf_counter()
    with model.continuous_batching_context_manager(generation_config=settings) as manager:
        ready = time.perf_counter()
        manager.add_requests(asked)
        left = len(asked)
        while left:
            result = manager.get_result(timeout=1)
            left -= result is not None and result.is_finished()
        ended = time.perf_counter()
    model.set_attn_implementation("sdpa")
    return ended - began, ended - ready


if __name__ == "__main__":
    steps = {"make": make, "library": library}
    if len(sys.argv) > 1:
        steps[sys.argv[1]](Path(sys.argv[2]))
    else:
        main()
