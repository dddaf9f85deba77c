"""The starters without the app: each as a bare call of its library, in a process of its own. Other
benchmarks hold the app against it: `with alone("shapes", inputs) as run: seconds, digest = run()`.

A starter that no library runs (its whole code is its runner) is called through its runner, still
without the app.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

REGISTRY = Path(__file__).resolve().parent.parent / "model_registry"
Run = Callable[[], bytes]
Timed = Callable[[], tuple[float, str]]
"""Runs once; gives the seconds it took, and a hash of what came out."""


@contextlib.contextmanager
def alone(name: str, given: Mapping[str, Any], weights: str = "") -> Iterator[Timed]:
    """A process in which the starter is loaded, with other `weights` than its own if named."""
    command = [sys.executable, "-m", "bench.bare_starters", name, weights]
    process = subprocess.Popen(
        command,
        cwd=REGISTRY.parent,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # as the app's: Linux shares a busy processor among sessions
    )
    assert process.stdin is not None and process.stdout is not None
    asked, answered = process.stdin, process.stdout

    def say(line: str) -> None:
        asked.write(line + "\n")
        asked.flush()

    def run() -> tuple[float, str]:
        say("run")
        while not (line := answered.readline()).startswith("took "):
            if not line:
                sys.exit(f"{name} alone cannot be run.")
        _, seconds, digest = line.split()
        return float(seconds), digest

    say(json.dumps(given))
    try:
        yield run
    finally:
        process.kill()
        process.wait()


def shapes(folder: Path, given: Mapping[str, Any]) -> Run:
    import torch
    from diffusers import StableDiffusionPipeline

    torch.set_num_threads(1)
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)

    def run() -> bytes:
        picture = pipeline(
            given["prompt"],
            num_inference_steps=given["num_inference_steps"],
            guidance_scale=given["guidance_scale"],
            generator=torch.Generator("cpu").manual_seed(given["seed"]),
        ).images[0]
        written = io.BytesIO()
        picture.save(written, "PNG")
        return written.getvalue()

    return run


def motion(folder: Path, given: Mapping[str, Any]) -> Run:
    import torch
    from diffusers import AnimateDiffPipeline

    sys.path.append(str(REGISTRY / "runners"))
    import video_writing  # type: ignore[import-not-found]

    torch.set_num_threads(1)
    pipeline = AnimateDiffPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)

    def run() -> bytes:
        frames = pipeline(
            given["prompt"],
            num_frames=8,  # as many as it was taught
            num_inference_steps=given["num_inference_steps"],
            guidance_scale=given["guidance_scale"],
            generator=torch.Generator("cpu").manual_seed(given["seed"]),
        ).frames[0]
        path = Path("/dev/shm" if Path("/dev/shm").is_dir() else ".") / "bare.mp4"
        video_writing.write(frames, path, given["fps"], given["enlarge"])
        return path.read_bytes()

    return run


def story(folder: Path, given: Mapping[str, Any]) -> Run:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    chat = [{"role": "user", "content": given["prompt"]}]

    def run() -> bytes:
        asked = tokenizer.apply_chat_template(
            chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        made = model.generate(**asked, max_new_tokens=given["max_tokens"], do_sample=False)
        answer = made[0, asked["input_ids"].shape[1] :]
        return tokenizer.decode(answer, skip_special_tokens=True).encode()

    return run


def listen(folder: Path, given: Mapping[str, Any]) -> Run:
    """What is between two pauses by itself, as the starter is asked to: in longer pieces it writes
    nonsense, in another time each time.
    """
    from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    whisper = WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=1)
    pipeline = BatchedInferencePipeline(whisper)
    heard = _content(given["audio"])
    pauses = VadOptions(
        max_speech_duration_s=given["chunk_length"], min_silence_duration_ms=160, speech_pad_ms=300
    )

    def run() -> bytes:
        sound = decode_audio(io.BytesIO(heard))
        clips = [
            {side: at / 16_000 for side, at in each.items()}
            for each in get_speech_timestamps(sound, pauses)
        ]
        segments, _ = pipeline.transcribe(
            sound,
            language="en",
            clip_timestamps=clips,
            batch_size=1,
            beam_size=given["beam_size"],
            word_timestamps=given["word_timestamps"],
        )
        return " ".join(segment.text.strip() for segment in segments).encode()

    return run


def caption(folder: Path, given: Mapping[str, Any]) -> Run:
    import torch
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoTokenizer, BlipImageProcessorPil

    torch.set_num_threads(1)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    processor = BlipImageProcessorPil.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    picture = _content(given["image"])

    def run() -> bytes:
        image = Image.open(io.BytesIO(picture)).convert("RGB")
        seen = processor(images=image, return_tensors="pt")
        made = model.generate(**seen, max_new_tokens=given["max_tokens"], do_sample=False)
        return tokenizer.decode(made[0], skip_special_tokens=True).encode()

    return run


def enlarge(folder: Path, given: Mapping[str, Any]) -> Run:
    import numpy as np
    import onnxruntime
    from PIL import Image

    (path,) = folder.glob(f"*{given['scale']:g}*.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    network = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    name = network.get_inputs()[0].name
    picture = _content(given["image"])

    def run() -> bytes:
        pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), np.float32) / 255
        made = network.run(None, {name: pixels.transpose(2, 0, 1)[None]})[0][0]
        drawn = (made.transpose(1, 2, 0).clip(0, 1) * 255 + 0.5).astype(np.uint8)
        written = io.BytesIO()
        Image.fromarray(drawn).save(written, "PNG")
        return written.getvalue()

    return run


def by_runner(name: str, folder: Path, given: Mapping[str, Any]) -> Run:
    """The runner's own class, called as a child of the app calls it."""
    from cog.loading import load

    (spec,) = REGISTRY.glob(f"specs/*/starter-{name}.yaml")
    file, _, class_name = yaml.safe_load(spec.read_text())["runner"].partition(":")
    runner = load(str(REGISTRY / "runners"), f"{file}.py:{class_name}")
    runner.setup(str(folder) if folder.is_dir() else None)
    files = {key: _written(value) for key, value in given.items() if _is_file(value)}

    def run() -> bytes:
        output = runner.call(**runner.arguments({**given, **files}))
        pieces = list(output) if runner.is_iterator else [output]
        return b"".join(Path(each).read_bytes() for each in pieces)

    return run


BARE: Mapping[str, Callable[[Path, Mapping[str, Any]], Run]] = {
    "shapes": shapes,
    "story": story,
    "listen": listen,
    "motion": motion,
    "enlarge": enlarge,
    "caption": caption,
}
"""Those that a library runs as it is."""


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("data:")


def _content(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


def _written(uri: str) -> str:
    kind = uri[len("data:") :].partition(";")[0].rpartition("/")[2]
    path = Path("/dev/shm" if Path("/dev/shm").is_dir() else ".") / f"bare-input.{kind}"
    path.write_bytes(_content(uri))
    return str(path)


def main() -> None:
    name, weights, given = sys.argv[1], sys.argv[2], json.loads(sys.stdin.readline())
    folder = Path(weights) if weights else REGISTRY / "starter" / name
    run = BARE[name](folder, given) if name in BARE else by_runner(name, folder, given)
    for _ in sys.stdin:
        began = time.perf_counter()
        made = run()
        seconds = time.perf_counter() - began
        print("took", seconds, hashlib.sha256(made).hexdigest(), flush=True)


if __name__ == "__main__":
    main()
