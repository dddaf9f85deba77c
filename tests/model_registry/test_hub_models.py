"""Repositories of the Hub become models: which runner, which files, which refusals."""

from __future__ import annotations

import pytest
import yaml

from errors import BrokenModel, CannotDownload, InvalidRequest
from model_registry import hub_pipelines, known_classes
from model_registry.catalog import Catalog
from model_registry.hub_models import HubModels
from model_registry.spec_files import RUNNERS
from settings import HubSettings
from tests.hub_stand_in import Repository


@pytest.fixture
def models(hub_models):
    return hub_models


def config(kind, *architectures, **more):
    return {"model_type": kind, "architectures": list(architectures), **more}


def of_transformers(kind, *architectures, **more):
    files = {"config.json": config(kind, *architectures, **more), "model.safetensors": "weights"}
    return files | {"tokenizer.json": "{}"}


def of_diffusers(kind):
    index = {"_class_name": kind, "unet": ["diffusers", "UNet2DConditionModel"]}
    parts = {"unet/config.json": "{}", "unet/diffusion_pytorch_model.safetensors": "weights"}
    return {"model_index.json": index, **parts}


def without(files, name):
    return {path: content for path, content in files.items() if path != name}


LLAMA = of_transformers("llama", "LlamaForCausalLM")
BITS = {"group_size": 64, "bits": 4}
MLX = config("llama", "LlamaForCausalLM", quantization=BITS, quantization_config=BITS)
SENTENCES = of_transformers("bert", "BertForMaskedLM") | {
    "modules.json": [{"type": "sentence_transformers.models.Transformer", "path": ""}]
}
RERANKER = of_transformers("bert", "BertForSequenceClassification", id2label={"0": "LABEL_0"}) | {
    "modules.json": [{"type": "sentence_transformers.models.Transformer", "path": ""}]
}
WHISPER = {"model.bin": "w", "config.json": {}, "vocabulary.json": "[]", "tokenizer.json": "{}"}

TASKS = {
    "text-generation": (of_transformers("llama", "LlamaForCausalLM"), "TextGeneration"),
    "image-text-to-text": (
        of_transformers("qwen3_vl", "Qwen3VLForConditionalGeneration"),
        "VisionChat",
    ),
    "image-to-text": (of_transformers("blip", "BlipForConditionalGeneration"), "ImageToText"),
    "visual-question-answering": (
        of_transformers("vilt", "ViltForQuestionAnswering"),
        "VisualQuestionAnswering",
    ),
    "translation": (of_transformers("marian", "MarianMTModel"), "TextToText"),
    "summarization": (of_transformers("bart", "BartForConditionalGeneration"), "TextToText"),
    "text2text-generation": (of_transformers("t5", "T5ForConditionalGeneration"), "TextToText"),
    "feature-extraction": (of_transformers("bert", "BertModel"), "Embeddings"),
    "sentence-similarity": (SENTENCES, "Embeddings"),
    "automatic-speech-recognition": (
        of_transformers("wav2vec2", "Wav2Vec2ForCTC"),
        "SpeechRecognition",
    ),
    "image-segmentation": (
        of_transformers("segformer", "SegformerForSemanticSegmentation"),
        "ImageSegmentation",
    ),
    "mask-generation": (
        without(of_transformers("sam", "SamModel"), "tokenizer.json"),
        "MaskGeneration",
    ),
    "depth-estimation": (
        of_transformers("depth_anything", "DepthAnythingForDepthEstimation"),
        "DepthEstimation",
    ),
    "text-classification": (
        of_transformers("bert", "BertForSequenceClassification"),
        "TextClassification",
    ),
    "text-ranking": (RERANKER, "TextRanking"),
    "zero-shot-classification": (
        of_transformers("bart", "BartForSequenceClassification", id2label={"0": "Entailment"}),
        "ZeroShotClassification",
    ),
    "token-classification": (
        of_transformers("bert", "BertForTokenClassification"),
        "TokenClassification",
    ),
    "question-answering": (
        of_transformers("roberta", "RobertaForQuestionAnswering"),
        "QuestionAnswering",
    ),
    "fill-mask": (of_transformers("bert", "BertForMaskedLM"), "FillMask"),
    "image-feature-extraction": (
        without(of_transformers("dinov2", "Dinov2Model"), "tokenizer.json"),
        "ImageEmbeddings",
    ),
    "image-classification": (
        of_transformers("vit", "ViTForImageClassification"),
        "ImageClassification",
    ),
    "zero-shot-image-classification": (
        of_transformers("clip", "CLIPModel"),
        "ZeroShotImageClassification",
    ),
    "object-detection": (of_transformers("yolos", "YolosForObjectDetection"), "ObjectDetection"),
    "zero-shot-object-detection": (
        of_transformers("owlvit", "OwlViTForObjectDetection"),
        "ZeroShotObjectDetection",
    ),
    "audio-classification": (
        of_transformers("wav2vec2", "Wav2Vec2ForSequenceClassification"),
        "AudioClassification",
    ),
    "text-to-audio": (
        of_transformers("musicgen", "MusicgenForConditionalGeneration"),
        "MusicGeneration",
    ),
    "text-to-speech": (of_transformers("vits", "VitsModel"), "Vits"),
    "text-to-image": (of_diffusers("FluxPipeline"), "TextToImage"),
    "image-to-image": (of_diffusers("FluxKontextPipeline"), "ImageEdit"),
    "text-to-video": (of_diffusers("WanPipeline"), "TextToVideo"),
    "image-to-video": (of_diffusers("WanImageToVideoPipeline"), "ImageToVideo"),
}


@pytest.mark.parametrize("tag", TASKS)
@pytest.mark.parametrize("tagged", [True, False], ids=["tagged", "untagged"])
def test_a_repository_gets_the_runner_of_its_task(models, publish, tag, tagged):
    files, runner = TASKS[tag]
    publish("tiny/model", files, tag if tagged else None)
    model = models.make("hf:tiny/model")
    assert model.latest.code.target.endswith(f":{runner}")
    assert model.latest.weights[0].repo == "tiny/model"


def test_what_its_owner_calls_it_decides_over_its_class(models, publish):
    for kind, tag, runner in (
        ("BertForMaskedLM", "feature-extraction", "Embeddings"),
        ("BertForPreTraining", "fill-mask", "FillMask"),
        ("BertForSequenceClassification", "fill-mask", "TextClassification"),
    ):
        publish("tiny/bert", of_transformers("bert", kind), tag)
        assert models.make("hf:tiny/bert").latest.code.target.endswith(f":{runner}")
    publish("tiny/bert", of_transformers("bert"))  # of all that it may be
    assert models.make("hf:tiny/bert").latest.code.target.endswith(":Embeddings")
    publish("tiny/clip", of_transformers("clip", "CLIPModel"), "feature-extraction")
    assert models.make("hf:tiny/clip").latest.code.target.endswith("ImageClassification")


def test_sam_2_cuts_out_of_pictures_though_it_can_do_films(models, publish):
    files = without(of_transformers("sam2_video", "Sam2VideoModel"), "tokenizer.json")
    publish("tiny/sam2.1-hiera", files | {"sam2.1_hiera.pt": "w"}, "mask-generation")
    version = models.make("hf:tiny/sam2.1-hiera").latest
    assert version.code.target.endswith(":MaskGeneration")
    assert "model.safetensors" in version.weights[0].files


def test_transducers_listen_though_they_bring_their_makers_form_as_well(models, publish):
    files = of_transformers("parakeet_tdt", "ParakeetForTDT") | {"parakeet.nemo": "w"}
    publish("tiny/parakeet", files, "automatic-speech-recognition", library="nemo")
    version = models.make("hf:tiny/parakeet").latest
    assert version.code.target.endswith(":SpeechRecognition")
    assert "parakeet.nemo" not in version.weights[0].files


def test_weights_that_the_library_does_not_look_for_are_not_downloaded(models, publish):
    others = ("open_clip_model.safetensors", "adapter.deu.safetensors")
    dense = "2_Dense/model.safetensors"
    publish("tiny/clip", of_transformers("clip", "CLIPModel") | dict.fromkeys(others, "w"))
    publish("tiny/bert", SENTENCES | dict.fromkeys((*others, dense), "w"))
    for name in ("clip", "bert"):
        files = {*models.make(f"hf:tiny/{name}").latest.weights[0].files}
        assert "model.safetensors" in files and not files & {*others}
    assert dense in files


def test_a_resnet_of_timm_is_read_as_the_librarys_own(models, publish):
    asked = {"use_timm_backbone": True, "backbone": "resnet50", "dilation": False}
    files = of_transformers("detr", "DetrForObjectDetection", **asked)
    publish("tiny/detr", files, "object-detection")
    assert models.make("hf:tiny/detr").latest.code.target.endswith(":ObjectDetection")
    for other in ({"dilation": True}, {"backbone": "swin_tiny"}):
        publish("tiny/detr", of_transformers("detr", "DetrForObjectDetection", **asked | other))
        with pytest.raises(BrokenModel, match="the package timm, which needs torchvision"):
            models.make("hf:tiny/detr")


def test_a_layer_in_an_older_format_than_the_model_comes_along(models, publish):
    publish("tiny/labse", SENTENCES | {"2_Dense/pytorch_model.bin": "w", "2_Dense/config.json": {}})
    with pytest.raises(BrokenModel, match="2_Dense/pytorch_model.bin can run code"):
        models.make("hf:tiny/labse")
    files = models.make("hf:tiny/labse", unsafe_formats=True).latest.weights[0].files
    assert {"model.safetensors", "2_Dense/pytorch_model.bin"} <= {*files}


def test_captioners_hold_no_chat(models, publish):
    for kind, name in (("florence2", "Florence2"), ("blip-2", "Blip2")):
        files = of_transformers(kind, f"{name}ForConditionalGeneration")
        publish("tiny/captions", files, "image-text-to-text")
        version = models.make("hf:tiny/captions").latest
        assert version.code.target.endswith(":ImageToText")
        default = version.input_schema["properties"]["prompt"]["default"]
        assert default == ("<CAPTION>" if kind == "florence2" else "")


def test_a_reranker_is_known_by_its_one_label_and_what_it_is_called(models, publish):
    files = without(RERANKER, "modules.json")
    publish("tiny/model", files, "text-classification")
    assert models.make("hf:tiny/model").latest.code.target.endswith(":TextClassification")
    for name, tags in (("tiny/my-reranker", ()), ("tiny/model", ("cross-encoder",))):
        publish(name, files, "text-classification", tags)
        assert models.make(f"hf:{name}").latest.code.target.endswith(":TextRanking")
    for name, form in (("Qwen3-Reranker-0.6B", "qwen3"), ("mxbai-rerank-large-v2", "mxbai")):
        publish(f"tiny/{name}", LLAMA, "text-ranking")
        version = models.make(f"hf:tiny/{name}").latest
        assert version.code.target.endswith(":TextRankingByWord")
        assert version.code.options == {"form": form}
    publish("tiny/writes", LLAMA, "text-ranking")
    with pytest.raises(BrokenModel, match="ranks texts by the words that it would write next"):
        models.make("hf:tiny/writes")


ADAPTER = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "tiny/llama"}


def test_a_lora_for_a_language_model_is_laid_over_its_base(models, publish):
    base = publish("tiny/llama", LLAMA)
    files = {"adapter_config.json": ADAPTER, "adapter_model.safetensors": "w"}
    files |= {"checkpoint-1/adapter_model.safetensors": "w", "tokenizer_config.json": {}}
    adapter = publish("tiny/lora", files)
    model = models.make("hf:tiny/lora")
    first, second = model.latest.weights
    assert model.id == "tiny/lora" and model.latest.code.target.endswith(":TextGeneration")
    assert (first.repo, first.revision) == ("tiny/llama", base.commit)
    assert (second.role, second.revision) == ("adapter", adapter.commit)
    assert {*second.files} == {name for name in files if "/" not in name}


@pytest.mark.parametrize(
    ("base", "weights", "reason"),
    [
        (LLAMA, "adapter_model.bin", "has no adapter_model.safetensors.*--unsafe-formats"),
        (without(LLAMA, "tokenizer.json"), "adapter_model.safetensors", "and hf:tiny/llama cannot"),
        (
            of_transformers("t5", "T5ForConditionalGeneration"),
            "adapter_model.safetensors",
            "it is a LoRA for tiny/llama, whose runner takes none",
        ),
    ],
)
def test_a_lora_that_cannot_be_laid_over_says_why(models, publish, base, weights, reason):
    publish("tiny/llama", base)
    publish("tiny/lora", {"adapter_config.json": ADAPTER, weights: "w"})
    with pytest.raises(BrokenModel, match=reason):
        models.make("hf:tiny/lora")


def test_a_refusal_names_the_original_and_the_library(models, publish):
    tags = ("base_model:quantized:some/base", "base_model:some/base")
    publish("tiny/onnx", {"model.onnx": "w"}, tags=tags)
    with pytest.raises(BrokenModel, match=r"ONNX.*Add hf:some/base\."):
        models.make("hf:tiny/onnx")
    publish("tiny/yolo", {"yolo.pt": "w"}, library="ultralytics")
    with pytest.raises(BrokenModel, match="made for ultralytics, for which there is no runner"):
        models.make("hf:tiny/yolo")


def test_a_refusal_says_what_the_catalogue_has(models, publish):
    publish("hexgrad/Kokoro-82M", {"config.json": {"istftnet": {}}, "kokoro.pth": "w"})
    with pytest.raises(BrokenModel, match="The catalogue has it already, as "):
        models.make("hf:hexgrad/Kokoro-82M")


def test_defaults_are_those_that_the_owner_gives(models, publish):
    def defaults(**said):
        publish("tiny/qwen", LLAMA | {"generation_config.json": said})
        shown = models.make("hf:tiny/qwen").latest.input_schema["properties"]
        return [shown[name]["default"] for name in ("temperature", "top_p", "top_k")]

    own = {"temperature": 0.7, "top_p": 0.95, "top_k": 20}
    usual = defaults()
    assert defaults(do_sample=True, **own) == [0.7, 0.95, 20] != usual
    assert defaults(**own) == usual  # without do_sample they mean nothing
    assert defaults(do_sample=True, temperature=9, top_p="x", top_k=-1) == usual


def test_whisper_in_ctranslate2s_form_is_known_by_its_files(models, publish):
    publish("tiny/whisper", WHISPER)
    model = models.make("hf:tiny/whisper")
    assert model.latest.code.target == "speech_to_text.py:SpeechToText"
    assert "model.bin" in model.latest.weights[0].files


def test_the_owner_decides_where_a_class_has_two_uses(models, publish):
    files = of_transformers("blip", "BlipForQuestionAnswering")
    publish("tiny/blip", files, "visual-question-answering")
    assert models.make("hf:tiny/blip").latest.code.target.endswith(":VisualQuestionAnswering")
    publish("tiny/mbart", of_transformers("mbart", "MBartForConditionalGeneration"), "translation")
    assert models.make("hf:tiny/mbart").latest.code.options == {"by_sentence": True}


def test_the_revision_is_pinned_and_the_files_are_named(models, publish, tmp_path):
    repository = publish("tiny/llama", of_transformers("llama", "LlamaForCausalLM"))
    commit = repository.commit
    (weights,) = models.make("hf:tiny/llama").latest.weights
    assert weights.revision == commit
    assert set(weights.files) == {"config.json", "model.safetensors", "tokenizer.json"}
    (repository.folder / "model.safetensors").write_text("other weights")
    assert repository.commit != commit
    spec = yaml.safe_load((tmp_path / "data/hub_models/tiny/llama.yaml").read_text())
    assert spec["weights"]["revision"] == commit
    assert models.make("hf:tiny/llama").latest.weights[0].revision == repository.commit


def test_a_model_is_there_after_a_restart(models, publish, tmp_path):
    publish("tiny/llama", of_transformers("llama", "LlamaForCausalLM"))
    added = models.make("hf:tiny/llama")
    catalog = Catalog.load([], tmp_path / "data", specs=tmp_path / "none")
    assert catalog.find("tiny/llama").latest.id == added.latest.id
    assert catalog.find("tiny/llama").category == "language"
    assert models.remove("tiny/llama") and not models.remove("tiny/llama")
    assert Catalog.load([], tmp_path / "data", specs=tmp_path / "none").models() == ()


async def test_a_model_is_in_the_catalog_at_once_and_an_older_version_is_gone(
    models, publish, tmp_path
):
    repository = publish("tiny/llama", of_transformers("llama", "LlamaForCausalLM"))
    catalog = Catalog()
    catalog.hub = models
    first = await catalog.add_from_hub("hf:tiny/llama")
    assert catalog.resolve("tiny/llama") == first.latest
    (repository.folder / "model.safetensors").write_text("other weights")
    second = await catalog.add_from_hub("hf:tiny/llama")
    assert catalog.resolve("tiny/llama").id == second.latest.id != first.latest.id
    with pytest.raises(Exception, match="its latest version is"):
        catalog.resolve(f"tiny/llama:{first.latest.id}")


def test_a_name_that_is_taken_gets_a_prefix(models, publish):
    publish("taken/name", of_transformers("llama", "LlamaForCausalLM"))
    assert models.make("hf:taken/name").id == "hf-taken/name"
    assert models.make("hf:taken/name", name="my/own").id == "my/own"
    with pytest.raises(InvalidRequest, match="taken/name is taken"):
        models.make("hf:taken/name", name="taken/name")


@pytest.mark.parametrize("name", ["name", "a/b/c", "../up", "a/..", "a b/c", "/a", "a/.hidden"])
def test_a_name_that_is_none_is_refused(models, publish, name):
    publish("tiny/llama", of_transformers("llama", "LlamaForCausalLM"))
    with pytest.raises(InvalidRequest, match="must be owner/name"):
        models.make("hf:tiny/llama", name=name)


def test_the_licence_is_what_the_owner_says(models, publish):
    files = of_transformers("llama", "LlamaForCausalLM")
    publish("tiny/free", files, tags=("license:apache-2.0",))
    assert models.make("hf:tiny/free").licence.name == "Apache-2.0"
    publish("tiny/nc", files, tags=("license:cc-by-nc-4.0",))
    assert models.make("hf:tiny/nc").licence.non_commercial
    publish("tiny/silent", files)
    assert models.make("hf:tiny/silent").licence.name.startswith("not said")


def test_a_model_is_described_by_the_first_sentence_of_its_readme(models, publish, tmp_path):
    card = "---\nlicense: other\nlicense_name: tiny-1\n---\n# Tiny\n\nTiny goes on with any text."
    publish("tiny/told", LLAMA | {"README.md": card}, tags=("license:other",))
    model = models.make("hf:tiny/told")
    assert model.description == "Tiny goes on with any text."
    assert model.licence.name == "tiny-1"
    assert models.make("hf:tiny/told", description="Mine").description == "Mine"


def test_a_repository_is_added_under_the_name_it_has_today(models, publish, stand_in):
    publish("tiny/today", LLAMA)
    stand_in.renamed["tiny/once"] = "tiny/today"
    model = models.make("hf:tiny/once")
    assert model.id == "tiny/today" and model.latest.weights[0].repo == "tiny/today"
    assert model.description.endswith("tiny/once is called tiny/today now.")


def test_a_part_of_a_commit_is_no_revision_and_says_what_is(models, publish):
    commit = publish("tiny/llama", LLAMA).commit
    with pytest.raises(CannotDownload, match="has no revision .*a commit in all its 40 digits"):
        models.make(f"hf:tiny/llama@{commit[:7]}")


def test_a_gated_repository_that_may_not_be_read_says_what_to_do(models, publish):
    publish("tiny/gated", of_transformers("llama", "LlamaForCausalLM"), token="secret")
    with pytest.raises(CannotDownload, match="accept its terms.*HF_TOKEN"):
        models.make("hf:tiny/gated")


def test_a_repository_that_is_not_there_is_told(models):
    with pytest.raises(CannotDownload, match="tiny/none does not exist"):
        models.make("hf:tiny/none")


def test_offline_nothing_is_asked(tmp_path, stand_in):
    settings = HubSettings(endpoint=stand_in.address)
    before = len(stand_in.requests)
    with pytest.raises(CannotDownload, match="--offline"):
        HubModels(tmp_path, settings, True, lambda name: False).make("hf:tiny/llama")
    assert len(stand_in.requests) == before


PICKLES = {"config.json": config("bert", "BertModel"), "pytorch_model.bin": "p", "vocab.txt": "a"}


def test_formats_that_can_run_code_need_the_operators_word(models, publish):
    publish("tiny/pickled", PICKLES, "feature-extraction")
    with pytest.raises(BrokenModel, match=r"pytorch_model\.bin can run code.*--unsafe-formats"):
        models.make("hf:tiny/pickled")
    model = models.make("hf:tiny/pickled", unsafe_formats=True)
    assert "pytorch_model.bin" in model.latest.weights[0].files


def test_safetensors_are_taken_where_there_are_both(models, publish):
    publish("tiny/both", PICKLES | {"model.safetensors": "w"}, "feature-extraction")
    assert "pytorch_model.bin" not in models.make("hf:tiny/both").latest.weights[0].files


OWN_CODE = of_transformers(
    "words",
    "WordsForCausalLM",
    auto_map={"AutoConfig": "words.Config", "AutoModelForCausalLM": "words.WordsForCausalLM"},
) | {"words.py": "raise SystemExit('ran')"}


def test_code_of_a_repository_runs_only_with_consent_to_its_very_commit(models, publish):
    repository = publish("tiny/own-code", OWN_CODE, "text-generation")
    commit = repository.commit
    with pytest.raises(BrokenModel, match=f"WordsForCausalLM .words.py.*{commit}$"):
        models.make("hf:tiny/own-code")
    model = models.make("hf:tiny/own-code", trust_remote_code=commit)
    assert model.latest.code.options == {"trust_code": True}
    assert "words.py" in model.latest.weights[0].files


def test_code_of_a_reranker_ranks(models, publish):
    auto = {"AutoModelForSequenceClassification": "words.Words"}
    one = {"id2label": {"0": "LABEL_0"}}
    files = of_transformers("words", "WordsForSequenceClassification", auto_map=auto, **one)
    commit = publish("tiny/code", files | {"words.py": ""}, "text-ranking").commit
    model = models.make("hf:tiny/code", trust_remote_code=commit)
    assert model.latest.code.target.endswith(":TextRanking")


@pytest.mark.parametrize("given", ["main", "abc", "yes", "0" * 39])
def test_a_consent_that_names_no_commit_is_none(models, publish, given):
    publish("tiny/own-code", OWN_CODE, "text-generation")
    with pytest.raises(InvalidRequest, match="names the commit"):
        models.make("hf:tiny/own-code", trust_remote_code=given)


def test_a_consent_to_another_commit_is_none(models, publish):
    publish("tiny/own-code", OWN_CODE, "text-generation")
    with pytest.raises(CannotDownload, match="has no revision"):
        models.make("hf:tiny/own-code", trust_remote_code="0" * 40)
    with pytest.raises(InvalidRequest, match="the code to trust is that of 000"):
        models.make("hf:tiny/own-code@main", trust_remote_code="0" * 40)


def test_code_in_yet_another_repository_is_refused(models, publish):
    elsewhere = {"AutoModelForCausalLM": "other/repo--words.WordsForCausalLM"}
    files = of_transformers("words", "WordsForCausalLM", auto_map=elsewhere)
    commit = publish("tiny/elsewhere", files, "text-generation").commit
    with pytest.raises(BrokenModel, match="another repository .other/repo"):
        models.make("hf:tiny/elsewhere", trust_remote_code=commit)


REFUSED = {
    "an unknown class": (
        of_transformers("words", "WordsForCausalLM"),
        r"transformers [\d.]+ has no WordsForCausalLM \(model_type 'words'\)",
    ),
    "an unknown pipeline": (of_diffusers("WordsPipeline"), r"diffusers [\d.]+ has no WordsPipe"),
    "a pipeline for what nothing does": (
        of_diffusers("FluxControlNetPipeline"),
        "its pipeline is a FluxControlNetPipeline, and it also takes a picture that controls it",
    ),
    "a pipeline that has a place of its own": (
        of_diffusers("StableVideoDiffusionPipeline"),
        "takes no words; it is in the catalogue, as stability-ai/stable-video-diffusion",
    ),
    "a pipeline that asks for more": (
        of_diffusers("WanAnimatePipeline"),
        "WanAnimatePipeline, and it needs face_video, image, pose_video, which the runner for",
    ),
    "a pipeline that no words lead": (of_diffusers("LDMPipeline"), "it takes no prompt, as"),
    "a pipeline of its own code": (
        {"model_index.json": {"_class_name": ["words", "WordsPipeline"]}},
        r"code of its own for its pipeline \(words.py\)",
    ),
    "a class for what nothing does": (
        of_transformers("bert", "BertForMultipleChoice"),
        "its class is BertForMultipleChoice: there is no runner for that.*depth, ",
    ),
    "a class that no automatic one has for it": (
        of_transformers("clipseg", "CLIPSegForImageSegmentation"),
        "its class is CLIPSegForImageSegmentation: there is no runner",
    ),
    "speech under a class of translators": (
        of_transformers("voxtral", "VoxtralForConditionalGeneration"),
        "its class is VoxtralForConditionalGeneration: there is no runner",
    ),
    "what a mark is needed for": (
        of_transformers("sam3", "Sam3Model"),
        "what a point or a box marks",
    ),
    "words by their places": (
        of_transformers("layoutlmv3", "LayoutLMv3ForTokenClassification"),
        "LayoutLMv3ForTokenClassification: it reads words by their places on a page",
    ),
    "what only turns numbers into sound": (
        of_transformers("hifigan", "SpeechT5HifiGan"),
        "the numbers of another model into sound.*hf:microsoft/speecht5_tts",
    ),
    "a pipeline after another": (
        of_diffusers("KandinskyV22Pipeline"),
        "from what another pipeline has made of the words.*kandinsky-3",
    ),
    "sound that nothing makes": (
        of_diffusers("AudioLDM2Pipeline"),
        "AudioLDM2Pipeline, and there is no runner for this kind of sound. Stable Audio",
    ),
    "a checkpoint that can run code": ({"model.ckpt": "w"}, "a .ckpt can run code when read"),
    "a LoRA": (
        {"adapter_config.json": {"base_model_name_or_path": "some/base"}, "a.safetensors": "w"},
        "it is a LoRA for some/base.*give this as lora_weights",
    ),
    "a GGUF that is none": ({"model-q4.gguf": "word"}, "it does not begin as a GGUF does"),
    "ONNX": ({"onnx/model.onnx": "w"}, "its weights are ONNX networks only"),
    "ONNX with a configuration": (
        without(LLAMA, "model.safetensors") | {"onnx/model.onnx": "w"},
        "its weights are ONNX networks only",
    ),
    "GGML": ({"llama.ggml": "w"}, "its weights are GGML, as llama.cpp had them once"),
    "TensorFlow": (
        without(LLAMA, "model.safetensors") | {"tf_model.h5": "w"},
        "its weights are only for TensorFlow",
    ),
    "another name": (
        without(LLAMA, "model.safetensors") | {"llama.safetensors": "w"},
        "looks for model.safetensors, and its weights are called llama.safetensors",
    ),
    "weights in a folder": (
        without(LLAMA, "model.safetensors") | {"weights/model.safetensors": "w"},
        r"its weights lie in folders \(weights\)",
    ),
    "models in folders": (
        {"en/config.json": {}, "en/model.safetensors": "w", "de/config.json": {}},
        r"its models lie in folders \(de, en\)",
    ),
    "a shard that is missing": (
        without(LLAMA, "model.safetensors")
        | {f"model-0000{number}-of-00003.safetensors": "w" for number in (1, 3)}
        | {"model.safetensors": "w"},
        "are 3 files, and 1 of them cannot be found, the first model-00002-of-00003.safetensors",
    ),
    "no tokenizer": (without(LLAMA, "tokenizer.json"), "it reads text, and has no tokenizer"),
    "its makers' form": (
        {"params.json": {}, "consolidated.safetensors": "w", "tekken.json": "{}"},
        "in the form of its makers.*may end in -hf",
    ),
    "a part of a pipeline": (
        {"config.json": {"_class_name": "ControlNetModel"}, "a.safetensors": "w"},
        "its class is ControlNetModel: one part of a pipeline",
    ),
    "a film's makers' form": (
        {"config.json": {"_class_name": "WanModel", "model_type": "t2v"}, "a.safetensors": "w"},
        "its class is WanModel, in the form of its makers.*-Diffusers",
    ),
    "weights of timm": (
        {"config.json": {"architecture": "resnet50", "pretrained_cfg": {}}, "a.safetensors": "w"},
        "neither a model_type nor architectures; it is made for timm.*hf:google/vit-base",
    ),
    "a LoRA for pictures": (
        {"pytorch_lora_weights.safetensors": "w"},
        "it is a LoRA for the model that it was taught on.*Give tiny/refused as lora_weights",
    ),
    "a taught word": ({"learned_embeds.safetensors": "w"}, "it is a word taught to"),
    "words by their vectors": (
        LLAMA | {"modules.json": [{"type": "sentence_transformers.models.StaticEmbedding"}]},
        "its modules.json begins with StaticEmbedding",
    ),
    "code of another class than is needed": (
        of_transformers("words", "Words", auto_map={"AutoModelForCausalLM": "words.Words"})
        | {"words.py": ""},
        "loads as AutoModelForImageTextToText or .*; its auto_map has only AutoModelForCausalLM",
        "image-text-to-text",
    ),
    "code for what nothing does": (
        of_transformers("words", "Words", auto_map={"AutoModel": "words.Words"}) | {"words.py": ""},
        "it is Words by code of its own, for robotics: there is no runner",
        "robotics",
    ),
    "code that is not there": (
        of_transformers("words", "Words", auto_map={"AutoModelForCausalLM": "gone.Words"}),
        "needs code of its own, gone.py, which is not in it",
    ),
    "settings that are none": ({"config.json": [1, 2]}, r"config.json holds \[1, 2\], and no"),
    "an index that is none": ({"model_index.json": []}, r"model_index.json holds \[\], and no"),
    "quantized by another program": (
        of_transformers("llama", "LlamaForCausalLM", quantization_config={"quant_method": "exl2"}),
        r"quantized with exl2, which transformers [\d.]+ does not know",
    ),
    "MLX": (
        LLAMA | {"config.json": MLX},
        "does not know .MLX",
    ),
    "nothing": ({"README.md": "hello"}, "neither a config.json .* nor a model_index.json"),
    "a file that is none": (
        {"model.safetensors": "w"},
        "model.safetensors cannot be read: it ends",
    ),
    "no weights": (
        without(LLAMA, "model.safetensors"),
        "no weights are in it: no safetensors",
    ),
    "timm": (
        of_transformers("detr", "DetrForSegmentation", use_timm_backbone=True),
        "the package timm, which needs torchvision",
    ),
    "quantized otherwise": (
        of_transformers("llama", "LlamaForCausalLM", quantization_config={"quant_method": "aqlm"}),
        "quantized with aqlm, which needs the package aqlm",
    ),
    "a romanised alphabet": (
        of_transformers("vits", "VitsModel") | {"tokenizer_config.json": {"is_uroman": True}},
        "needs the package uroman",
    ),
    "broken JSON": ({"model_index.json": "{", "a.safetensors": "w"}, r"index\.json is no JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_run_says_what_is_missing(models, publish, case, tmp_path):
    files, reason, *tag = REFUSED[case]
    publish("tiny/refused", files, *tag)
    with pytest.raises(BrokenModel, match=reason):
        models.make("hf:tiny/refused")
    assert not list(tmp_path.glob("data/hub_models/*/*"))


def test_what_a_pipeline_takes_decides_between_pictures_and_films(models, publish):
    kinds = {
        "CosmosTextToWorldPipeline": "TextToVideo",
        "HeliosPipeline": "ImageToVideo",
        "HunyuanDiTPipeline": "TextToImage",
    }
    for kind, runner in kinds.items():
        publish("tiny/drawn", of_diffusers(kind))
        assert models.make("hf:tiny/drawn").latest.code.target.endswith(f":{runner}")


@pytest.mark.heavy
def test_every_pipeline_has_a_runner_or_a_reason():
    for kind in known_classes.pipelines():
        try:
            file, _, name = hub_pipelines.task_of(kind).runner.partition(":")
        except hub_pipelines.NoRunner as error:
            assert len(str(error)) > 20, kind
        else:
            assert f"class {name}(" in (RUNNERS / f"{file}.py").read_text(), kind


def test_inputs_that_mean_nothing_to_a_model_are_not_shown(models, publish):
    def inputs(name):
        return models.make(f"hf:tiny/{name}").latest.input_schema["properties"]

    publish("tiny/german", of_transformers("marian", "MarianMTModel"), "translation")
    assert not {"source_language", "target_language", "prefix"} & set(inputs("german"))
    tongues = of_transformers("marian", "MarianMTModel")
    tongues |= {"source.spm": "s", "vocab.json": {"</s>": 0, ">>deu<<": 1, ">>fra<<": 2}}
    publish("tiny/tongues", tongues, "translation")
    assert "target_language" in inputs("tongues") and "source_language" not in inputs("tongues")
    special = {"summarization": {"prefix": "summarize: "}, "translation_en_to_de": {"prefix": "t"}}
    t5 = of_transformers("t5", "T5ForConditionalGeneration", task_specific_params=special)
    publish("tiny/t5", t5, "summarization")
    assert inputs("t5")["prefix"]["default"] == "summarize: "
    publish("tiny/speller", of_transformers("wav2vec2", "Wav2Vec2ForCTC"))
    assert set(inputs("speller")) == {"audio"}


@pytest.fixture
def heavy_one(models, publish, monkeypatch):
    """A language model of so many bytes, all of them holes."""
    from model_registry import hub_recipe

    monkeypatch.setattr(hub_recipe, "is_weights", lambda path: path.endswith(".safetensors"))

    def make(size=2_000_000_000, kind="llama", architecture="LlamaForCausalLM", **more):
        files = of_transformers(kind, architecture, dtype="bfloat16", **more)
        repository = publish("tiny/llama", files)
        with (repository.folder / "model.safetensors").open("wb") as weights:
            weights.truncate(size)
        monkeypatch.setattr(Repository, "commit", "c" * 40)
        monkeypatch.setattr("tests.hub_stand_in._hash", lambda path: "a" * 64)
        return models.make("hf:tiny/llama").latest

    return make


def test_only_a_large_language_model_in_its_own_numbers_and_no_mixture_is_spread(heavy_one):
    assert heavy_one(4_000_000_000).spreads
    assert not heavy_one(1_000_000_000).spreads


@pytest.mark.parametrize(
    ("kind", "architecture", "more"),
    [
        ("llama", "LlamaForCausalLM", {"quantization_config": {"quant_method": "fp8"}}),
        ("mixtral", "MixtralForCausalLM", {"num_local_experts": 8}),
    ],
)
def test_what_is_packed_or_has_experts_keeps_to_one_card(heavy_one, kind, architecture, more):
    assert not heavy_one(4_000_000_000, kind, architecture, **more).spreads


def test_memory_follows_from_the_weights(heavy_one):
    version = heavy_one()
    assert [rung.precision for rung in version.ladder] == ["bf16", "int8", "4bit"]
    assert 2e9 < version.ladder[0].memory < 5e9 and version.memory > 4e9
