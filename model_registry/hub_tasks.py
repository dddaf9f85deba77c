"""What repositories of the Hub are for, and which runner does it: one row a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """`tags` are the Hub's names for it (pipeline tags). `mappings` are transformers' automatic
    classes whose models the runner loads, `kinds` the only kinds (`model_type`) of those, where not
    all are. Where a tag says so, it also takes classes whose names have one of the endings `also`:
    their last layer is left out, or is one more than is needed. `setup` and `inputs` go into the
    spec. `trusts`: it can run a repository's own code.
    """

    name: str
    runner: str
    category: str
    tags: tuple[str, ...]
    mappings: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()
    setup: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    trusts: bool = True
    large: bool = False
    """Has a ladder down to 4 bits."""


CAPTIONERS = frozenset({
    "blip", "blip-2", "florence2", "git", "pix2struct", "vision-encoder-decoder",
})  # fmt: skip
"""Kinds that say what they see without being asked, and hold no chat."""
TRANSLATORS = frozenset({"marian", "m2m_100", "nllb-moe"})
TONGUES = frozenset({"m2m_100", "nllb-moe", "mbart"})
"""Kinds that translate between any two of many languages."""
REWRITERS = frozenset({
    "bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "encoder-decoder", "fsmt", "led",
    "longt5", "m2m_100", "marian", "mbart", "mt5", "mvp", "nllb-moe", "pegasus", "pegasus_x",
    "plbart", "prophetnet", "switch_transformers", "t5", "t5gemma", "umt5",
})  # fmt: skip
"""Kinds that read nothing but text: others of their automatic class listen."""

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
        REWRITERS,
        setup={"by_sentence": True},
    ),
    Task(
        "text from text",
        "text_to_text:TextToText",
        "language",
        ("summarization", "text2text-generation"),
        ("MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM",),
        REWRITERS,
    ),
    Task(
        "speech recognition",
        "speech_recognition:SpeechRecognition",
        "audio",
        ("automatic-speech-recognition",),
        ("MODEL_FOR_CTC",),
    ),
    Task(
        "speech recognition",
        "speech_recognition:SpeechRecognition",
        "audio",
        ("automatic-speech-recognition",),
        ("MODEL_FOR_SPEECH_SEQ_2_SEQ",),
        frozenset({
            "moonshine", "speech-encoder-decoder", "speech_to_text", "speecht5", "whisper",
        }),
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
        "speech with laughter",
        "voice_bark:Bark",
        "audio",
        ("text-to-speech", "text-to-audio"),
        ("MODEL_FOR_TEXT_TO_WAVEFORM",),
        frozenset({"bark"}),
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
        "cutting out of pictures",
        "mask_generation:MaskGeneration",
        "vision",
        ("mask-generation", "image-segmentation"),
        ("MODEL_FOR_MASK_GENERATION",),
        frozenset({"sam", "sam2", "sam2_video"}),
        also=("VideoModel",),
        trusts=False,
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
        also=("MaskedLM", "CausalLM", "PreTraining"),
    ),
    Task(
        "kinds of texts",
        "text_classification:TextClassification",
        "language",
        ("text-classification",),
        ("MODEL_FOR_SEQUENCE_CLASSIFICATION",),
    ),
    Task(
        "texts in order",
        "text_ranking:TextRanking",
        "language",
        ("text-ranking",),
        ("MODEL_FOR_SEQUENCE_CLASSIFICATION",),
    ),
    Task(
        "your own kinds of texts",
        "zero_shot_classification:ZeroShotClassification",
        "language",
        ("zero-shot-classification",),
        ("MODEL_FOR_SEQUENCE_CLASSIFICATION",),
    ),
    Task(
        "names in texts",
        "token_classification:TokenClassification",
        "language",
        ("token-classification",),
        ("MODEL_FOR_TOKEN_CLASSIFICATION",),
    ),
    Task(
        "answers in texts",
        "question_answering:QuestionAnswering",
        "language",
        ("question-answering",),
        ("MODEL_FOR_QUESTION_ANSWERING",),
    ),
    Task(
        "hidden words",
        "fill_mask:FillMask",
        "language",
        ("fill-mask",),
        ("MODEL_FOR_MASKED_LM",),
        also=("PreTraining",),
    ),
    Task(
        "embeddings of pictures",
        "image_embeddings:ImageEmbeddings",
        "vision",
        ("image-feature-extraction",),
        ("MODEL_FOR_IMAGE",),
        frozenset({
            "beit", "bit", "convnext", "convnextv2", "data2vec-vision", "deit", "dinov2",
            "dinov2_with_registers", "dinov3_convnext", "dinov3_vit", "efficientnet",
            "mobilenet_v1", "mobilenet_v2", "regnet", "resnet", "vit", "vit_msn",
        }),
    ),
    Task(
        "kinds of pictures",
        "image_classification:ImageClassification",
        "vision",
        ("image-classification",),
        ("MODEL_FOR_IMAGE_CLASSIFICATION",),
    ),
    Task(
        "your own kinds of pictures",
        "zero_shot_image_classification:ZeroShotImageClassification",
        "vision",
        ("zero-shot-image-classification",),
        ("MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION",),
        frozenset({"align", "altclip", "chinese_clip", "clip", "metaclip_2", "siglip"}),
    ),
    Task(
        "things in pictures",
        "object_detection:ObjectDetection",
        "vision",
        ("object-detection",),
        ("MODEL_FOR_OBJECT_DETECTION",),
        frozenset({
            "conditional_detr", "d_fine", "dab-detr", "deformable_detr", "detr", "lw_detr",
            "rf_detr", "rt_detr", "rt_detr_v2", "table-transformer", "yolos",
        }),
    ),
    Task(
        "your own things in pictures",
        "zero_shot_object_detection:ZeroShotObjectDetection",
        "vision",
        ("zero-shot-object-detection",),
        ("MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION",),
        frozenset({"grounding-dino", "mm-grounding-dino", "owlv2", "owlvit"}),
    ),
    Task(
        "kinds of sounds",
        "audio_classification:AudioClassification",
        "audio",
        ("audio-classification",),
        ("MODEL_FOR_AUDIO_CLASSIFICATION",),
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
