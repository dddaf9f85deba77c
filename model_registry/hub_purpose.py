"""What a repository of the Hub is for and who runs it; or why nothing does, and what would do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from model_registry import hub_lacks, hub_pipelines, hub_rankers, hub_tasks, known_classes
from model_registry.hub_facts import Facts
from model_registry.hub_tasks import Task

_AUTO = {
    "text generation": ("AutoModelForCausalLM",),
    "translation": ("AutoModelForSeq2SeqLM",),
    "text from text": ("AutoModelForSeq2SeqLM",),
    "chat about pictures": ("AutoModelForImageTextToText", "AutoModelForVision2Seq"),
    "captioning": ("AutoModelForImageTextToText", "AutoModelForVision2Seq"),
    "segmentation": ("AutoModelForImageSegmentation",),
    "depth": ("AutoModelForDepthEstimation",),
    "speech recognition": ("AutoModelForSpeechSeq2Seq", "AutoModelForCTC"),
    "kinds of texts": ("AutoModelForSequenceClassification",),
    "texts in order": ("AutoModelForSequenceClassification",),
    "your own kinds of texts": ("AutoModelForSequenceClassification",),
    "names in texts": ("AutoModelForTokenClassification",),
    "answers in texts": ("AutoModelForQuestionAnswering",),
    "hidden words": ("AutoModelForMaskedLM",),
    "kinds of pictures": ("AutoModelForImageClassification",),
    "things in pictures": ("AutoModelForObjectDetection",),
    "kinds of sounds": ("AutoModelForAudioClassification",),
    "embeddings": ("AutoModel",),
    "embeddings of pictures": ("AutoModel",),
}
"""As what a task loads the code that a repository brings."""

_NAMES = ", ".join(
    sorted(
        {task.name for task in hub_tasks.OF_TRANSFORMERS}
        | {each.name for each in hub_pipelines.OF_DIFFUSERS} - {""}
    )
)
"""All that can be added, for people."""


def task_of(facts: Facts, trusted: bool) -> tuple[Task, bool]:
    """The task, and whether it takes the repository's own code. `trusted`: a person has agreed to
    run the code of this very commit. Raises `BrokenModel`.
    """
    if "model_index.json" in facts.json:
        return _pipeline(facts), False
    if "adapter_config.json" in facts.json:
        said = facts.part_of("adapter_config.json").get("base_model_name_or_path")
        base = said or facts.base or "its base model"
        raise facts.refusal(
            f"it is a LoRA for {base}, no model of its own. Add {base}, and give this as "
            "lora_weights where that has such an input."
        )
    if facts.has(r"model\.bin") and facts.has(r"vocabulary\.(json|txt)"):
        return hub_tasks.WHISPER, False
    if not facts.config:
        raise facts.refusal(hub_lacks.without_config(facts))
    if not _is_known(facts) and (
        facts.config.get("_class_name") or not (facts.kind or facts.architectures)
    ):
        raise facts.refusal(hub_lacks.without_kind(facts))
    hub_lacks.check_kind(facts)
    hub_lacks.check_packages(facts)
    if "modules.json" in facts.json and not hub_rankers.ranks(facts):
        return _sentence_encoder(facts, trusted)
    if (task := _of_transformers(facts)) is not None:
        return task, False
    return _of_own_code(facts, trusted), True


def _pipeline(facts: Facts) -> Task:
    kind = facts.json["model_index.json"].get("_class_name")
    if isinstance(kind, list):
        raise facts.refusal(f"it brings code of its own for its pipeline ({kind[0]}.py).")
    installed = f"diffusers {known_classes.version('diffusers')}"
    if kind not in known_classes.pipelines():
        raise facts.refusal(f"{installed} has no {kind}; a newer release may.")
    try:
        return hub_pipelines.task_of(kind)
    except hub_pipelines.NoRunner as error:
        raise facts.refusal(f"its pipeline is a {kind}, and {error}.") from None


def _sentence_encoder(facts: Facts, trusted: bool) -> tuple[Task, bool]:
    """The task of what is in sentence-transformers' form."""
    modules = facts.json["modules.json"]
    kinds = [str(each.get("type")) for each in modules if isinstance(each, dict)]
    layers = [kind.rpartition(".")[2] for kind in kinds]
    own = [kind for kind in kinds if not kind.startswith("sentence_transformers.")]
    if any(kind.startswith("pylate.") for kind in own):
        raise facts.refusal(
            "it gives numbers for each word of a text (ColBERT, by PyLate), for which there is no "
            "runner. The one for embeddings gives one row for a text."
        )
    if own:
        raise facts.refusal(
            f"its modules.json asks for {own[0]}, which is code of its own, for which the runner "
            "for embeddings has no place. A copy in transformers' form may be there: its name may "
            "end in -hf."
        )
    if not layers or layers[0] != "Transformer":
        raise facts.refusal(
            f"its modules.json begins with {layers[0] if layers else 'nothing'}; the runner for "
            "embeddings knows encoders of transformers (Transformer) there."
        )
    if other := sorted({*layers[1:]} - {"Pooling", "Dense", "Normalize"}):
        raise facts.refusal(
            f"its modules.json asks for {', '.join(other)}; known are Pooling, Dense, Normalize."
        )
    if not _is_known(facts) and not facts.part("auto_map"):
        _of_own_code(facts, trusted)
    if (auto := facts.part("auto_map")) and _is_known(facts) and not _has_classes(facts):
        raise facts.refusal(
            f"its class is {', '.join(facts.architectures)}, of code of its own "
            f"({auto.get('AutoModel') or ', '.join(auto)}), though it calls itself "
            f"{facts.kind!r}, whose weights are others."
        )
    return _named("embeddings"), _own_code(facts, trusted)


def _of_transformers(facts: Facts) -> Task | None:
    """The task of a class that the installed transformers has; None if it has none for this.

    Several tasks may take one class: then what the owner calls it decides.
    """
    tag = facts.listing.task
    if tag in ("sentence-similarity", "feature-extraction") and _answers(facts):
        raise facts.refusal(
            f"it is {', '.join(facts.architectures)}, which answers in words, and its owner calls "
            "it a model for embeddings: of pictures and words together, for which there is no "
            "runner."
        )
    first = [task for task in hub_tasks.OF_TRANSFORMERS if tag in task.tags]
    rest = [task for task in hub_tasks.OF_TRANSFORMERS if tag not in task.tags]
    for task in (*first, *rest):
        if not _takes(task, facts):
            continue
        if "MODEL_FOR_SEQUENCE_CLASSIFICATION" in task.mappings:
            return _named(_sorter(facts))
        if task.name == "text from text" and facts.kind in hub_tasks.TRANSLATORS:
            return _named("translation")
        if task.name == "translation" and tag not in task.tags:
            continue
        if task.name == "text generation" and hub_rankers.ranks(facts):
            return hub_rankers.by_word(facts)
        if task.name == "text generation" and tag in ("text-to-speech", "text-to-audio"):
            raise facts.refusal(
                f"it is {', '.join(facts.architectures)}, which writes what another model makes "
                "sound of, and does not say which. Voices that are whole, such as "
                "hf:facebook/mms-tts-eng, can be added."
            )
        return task
    classes = {
        name
        for mapping in known_classes.transformers_mappings().values()
        for name in mapping.get(facts.kind, ())
    }
    known = classes & set(facts.architectures) or (classes if not facts.architectures else set())
    if known:
        raise facts.refusal(_nobody(" or ".join(sorted(known)), tag))
    return None


def _answers(facts: Facts) -> bool:
    """Whether it is of a class that chats about pictures."""
    mappings = known_classes.transformers_mappings()
    sees = mappings["MODEL_FOR_IMAGE_TEXT_TO_TEXT"].get(facts.kind, frozenset())
    return bool(sees & {*facts.architectures}) and facts.kind not in hub_tasks.CAPTIONERS


def _nobody(classes: str, tag: str | None) -> str:
    used = f", and it is for {tag}" if tag else ""
    return f"its class is {classes}{used}: there is no runner for that. There are for: {_NAMES}."


def _sorter(facts: Facts) -> str:
    """What a model that sorts texts is for: its class is the same for three tasks."""
    names = [str(each).lower() for each in facts.part("id2label").values()]
    if facts.listing.task == "zero-shot-classification" or any(
        name.startswith("entail") for name in names
    ):
        return "your own kinds of texts"
    return "texts in order" if hub_rankers.ranks(facts) else "kinds of texts"


def _takes(task: Task, facts: Facts) -> bool:
    if task.kinds and facts.kind not in task.kinds:
        return False
    if task.name == "embeddings" and not _is_text_encoder(facts, task):
        return False
    if task.name == "chat about pictures" and facts.kind in hub_tasks.CAPTIONERS:
        return False
    mappings = known_classes.transformers_mappings()
    named = set(facts.architectures)
    found = [mappings.get(mapping, {}).get(facts.kind, frozenset()) for mapping in task.mappings]
    if (
        not named
        and task.name == "text generation"
        and facts.kind in mappings["MODEL_FOR_MASKED_LM"]
    ):
        return facts.listing.task in task.tags  # such models can do both, and few are meant to
    if facts.listing.task in task.tags and all(name.endswith(task.also) for name in named):
        return any(found)
    return any(classes and (not named or named & classes) for classes in found)


def _is_text_encoder(facts: Facts, task: Task) -> bool:
    """Whether what has no head reads text: nearly every kind of model has such a form."""
    both = known_classes.transformers_mappings()["MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION"]
    if facts.kind in both or not facts.has(
        r"tokenizer\.json|vocab\.txt|vocab\.json|.*\.model|.*\.spm"
    ):
        return False
    sees = facts.has(r"preprocessor_config\.json")
    return facts.listing.task in task.tags or (facts.listing.task is None and not sees)


def _is_known(facts: Facts) -> bool:
    """Whether transformers has models of its kind (`model_type`)."""
    return any(facts.kind in kinds for kinds in known_classes.transformers_mappings().values())


def _has_classes(facts: Facts) -> bool:
    """Whether transformers has one of the classes that it names, if it names any."""
    named = facts.architectures
    return not named or any(map(known_classes.has_class, named))


def _named(name: str) -> Task:
    return next(task for task in hub_tasks.OF_TRANSFORMERS if task.name == name)


def _of_own_code(facts: Facts, trusted: bool) -> Task:
    """The task of a class that the repository itself brings."""
    wanted = ", ".join(facts.architectures) or facts.kind or "a class that it does not name"
    installed = f"transformers {known_classes.version('transformers')}"
    auto = facts.part("auto_map")
    if not auto and _is_known(facts) and any(map(known_classes.has_class, facts.architectures)):
        raise facts.refusal(_nobody(wanted, facts.listing.task))
    if not auto and facts.library:
        raise facts.refusal(
            f"it is made for {facts.library}, for which there is no runner, and {installed} has no "
            f"{wanted}."
        )
    if not auto:
        raise facts.refusal(
            f"{installed} has no {wanted} (model_type {facts.kind!r}); a newer release may."
        )
    tasks = [task for task in hub_tasks.OF_TRANSFORMERS if task.name in _AUTO]
    tagged = [task for task in tasks if facts.listing.task in task.tags]
    loads = [task for task in tagged or tasks if {*_AUTO[task.name]} & {*auto}]
    if tagged and not loads:
        raise facts.refusal(
            f"it is {wanted} by code of its own, which the runner for {tagged[0].name} loads as "
            f"{' or '.join(_AUTO[tagged[0].name])}; its auto_map has only {', '.join(auto)}."
        )
    if not loads or (facts.listing.task and not tagged):
        raise facts.refusal(
            f"it is {wanted} by code of its own, for {facts.listing.task or 'no task named'}: "
            f"there is no runner for that. There are for: {_NAMES}."
        )
    task = loads[0]
    if "AutoModelForSequenceClassification" in _AUTO[task.name]:
        task = _named(_sorter(facts))
    _own_code(facts, trusted, wanted)
    return task


def _own_code(facts: Facts, trusted: bool, wanted: str = "") -> bool:
    """Whether the repository's own code is to run. Raises `BrokenModel` where nobody agreed."""
    auto = facts.part("auto_map")
    if not auto or _is_known(facts):
        return False
    places = {str(place) for each in auto.values() for place in _as_list(each) if place}
    if other := sorted(place.partition("--")[0] for place in places if "--" in place):
        raise facts.refusal(
            f"its code lies in another repository ({other[0]}), which this commit does not hold."
        )
    files = sorted({f"{place.partition('.')[0]}.py" for place in places})
    if gone := [file for file in files if not facts.has(re.escape(file))]:
        raise facts.refusal(f"it needs code of its own, {', '.join(gone)}, which is not in it.")
    if not trusted:
        code = ", ".join(files)
        raise facts.refusal(
            f"it runs code of its own for {wanted or 'its class'} ({code}), with all that you may "
            f"do on this machine. Read it at {facts.page}/tree/{facts.listing.commit}; if you "
            f"trust it, add it again with --trust-remote-code {facts.listing.commit}"
        )
    return True


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
