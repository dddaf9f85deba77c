"""What repositories of the Hub are for, and which runner does it: one row a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """`tags` are the Hub's names for it (pipeline tags). `mappings` are transformers' automatic
    classes whose models the runner loads, `kinds` the only kinds (`model_type`) of those, where not
    all are. `setup` and `inputs` go into the spec. `trusts`: it can run a repository's own code.
    """

    name: str
    runner: str
    category: str
    tags: tuple[str, ...]
    mappings: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    setup: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    trusts: bool = True
    large: bool = False
    """Has a ladder down to 4 bits."""


CAPTIONERS = frozenset({"blip", "blip-2", "git", "vision-encoder-decoder", "pix2struct"})
TRANSLATORS = frozenset({"marian", "m2m_100", "nllb-moe"})
TONGUES = frozenset({"m2m_100", "nllb-moe", "mbart"})
"""Kinds that translate between any two of many languages."""

OF_TRANSFORMERS: tuple[Task, ...] = (
    Task(
        "captioning",
        "image_to_text:ImageToText",
        "vision",
        ("image-to-text",),
        ("MODEL_FOR_IMAGE_TEXT_TO_TEXT",),
        CAPTIONERS,
    ),
    Task(
        "questions about pictures",
        "visual_question_answering:VisualQuestionAnswering",
        "vision",
        ("visual-question-answering",),
        ("MODEL_FOR_VISUAL_QUESTION_ANSWERING",),
        frozenset({"blip", "vilt"}),
    ),
    Task(
        "chat about pictures",
        "vision_chat:VisionChat",
        "vision",
        ("image-text-to-text", "any-to-any"),
        ("MODEL_FOR_IMAGE_TEXT_TO_TEXT",),
        large=True,
    ),
    Task(
        "text generation",
        "text_generation:TextGeneration",
        "language",
        ("text-generation", "conversational"),
        ("MODEL_FOR_CAUSAL_LM",),
        large=True,
    ),
    Task(
        "translation",
        "text_to_text:TextToText",
        "language",
        ("translation",),
        ("MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM",),
        setup={"by_sentence": True},
    ),
    Task(
        "text from text",
        "text_to_text:TextToText",
        "language",
        ("summarization", "text2text-generation"),
        ("MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM",),
    ),
    Task(
        "speech recognition",
        "speech_recognition:SpeechRecognition",
        "audio",
        ("automatic-speech-recognition",),
        ("MODEL_FOR_SPEECH_SEQ_2_SEQ", "MODEL_FOR_CTC"),
    ),
    Task(
        "music",
        "music_generation:MusicGeneration",
        "audio",
        ("text-to-audio",),
        ("MODEL_FOR_TEXT_TO_WAVEFORM",),
        frozenset({"musicgen", "musicgen_melody"}),
        inputs={"model_version": None},
        trusts=False,
    ),
    Task(
        "speech",
        "voice_vits:Vits",
        "audio",
        ("text-to-speech", "text-to-audio"),
        ("MODEL_FOR_TEXT_TO_WAVEFORM",),
        frozenset({"vits"}),
        trusts=False,
    ),
    Task(
        "speech in a conversation",
        "voice_csm:Csm",
        "audio",
        ("text-to-speech", "text-to-audio"),
        ("MODEL_FOR_TEXT_TO_WAVEFORM",),
        frozenset({"csm"}),
        trusts=False,
    ),
    Task(
        "segmentation",
        "image_segmentation:ImageSegmentation",
        "vision",
        ("image-segmentation",),
        (
            "MODEL_FOR_UNIVERSAL_SEGMENTATION",
            "MODEL_FOR_INSTANCE_SEGMENTATION",
            "MODEL_FOR_SEMANTIC_SEGMENTATION",
            "MODEL_FOR_IMAGE_SEGMENTATION",
        ),
        frozenset({
            "beit", "data2vec-vision", "detr", "dpt", "eomt", "eomt_dinov3", "mask2former",
            "maskformer", "mobilenet_v2", "mobilevit", "mobilevitv2", "segformer", "upernet",
        }),
    ),
    Task(
        "depth",
        "depth_estimation:DepthEstimation",
        "vision",
        ("depth-estimation",),
        ("MODEL_FOR_DEPTH_ESTIMATION",),
        frozenset({"depth_anything", "depth_pro", "dpt", "glpn", "zoedepth"}),
    ),
    Task(
        "embeddings",
        "embeddings:Embeddings",
        "language",
        ("feature-extraction", "sentence-similarity"),
        ("MODEL", "MODEL_FOR_TEXT_ENCODING"),
    ),
)  # fmt: skip

WHISPER = Task(
    "speech recognition in CTranslate2's form",
    "speech_to_text:SpeechToText",
    "audio",
    ("automatic-speech-recognition",),
    trusts=False,
)
"""In CTranslate2's form."""
