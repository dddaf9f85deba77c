"""Which files of a repository are downloaded, held against the file lists of real ones."""

from __future__ import annotations

import contextlib

import pytest

from errors import CannotDownload
from model_registry.hub import Hub, Trouble
from model_registry.listing import HubFile, Listing, choose, pipeline_components
from settings import HubSettings
from tests.hub_stand_in import LARGE, hub


def chosen(paths, *patterns, components=None):
    files = tuple(HubFile(path, 1, "0" * 40) for path in paths.split())
    listing = Listing("owner/name", "c" * 40, files, components=components)
    return " ".join(sorted(file.path for file in choose(listing, patterns)))


def test_a_language_model_comes_in_shards_without_its_other_forms():
    llama = """
        .gitattributes LICENSE README.md USE_POLICY.md config.json generation_config.json
        model-00001-of-00002.safetensors model-00002-of-00002.safetensors
        model.safetensors.index.json original/consolidated.00.pth original/params.json
        original/tokenizer.model special_tokens_map.json tokenizer.json tokenizer_config.json
    """
    assert chosen(llama) == (
        "LICENSE config.json generation_config.json model-00001-of-00002.safetensors "
        "model-00002-of-00002.safetensors model.safetensors.index.json special_tokens_map.json "
        "tokenizer.json tokenizer_config.json"
    )
    mistral = """
        config.json consolidated.safetensors model-00001-of-00001.safetensors
        model.safetensors.index.json params.json pytorch_model-00001-of-00001.bin
        pytorch_model.bin.index.json tokenizer.model.v3
    """
    assert chosen(mistral) == (
        "config.json model-00001-of-00001.safetensors model.safetensors.index.json params.json"
    )


def test_a_pipeline_comes_in_folders_without_variants_other_formats_and_single_files():
    sdxl = """
        model_index.json sd_xl_base_1.0.safetensors sd_xl_offset_example-lora_1.0.safetensors
        scheduler/scheduler_config.json text_encoder/config.json
        text_encoder/flax_model.msgpack text_encoder/model.fp16.safetensors
        text_encoder/model.onnx text_encoder/model.safetensors
        text_encoder/openvino_model.bin text_encoder/openvino_model.xml
        tokenizer/merges.txt tokenizer/vocab.json unet/config.json
        unet/diffusion_pytorch_model.fp16.safetensors unet/diffusion_pytorch_model.safetensors
        unet/diffusion_flax_model.msgpack unet/openvino_model.xml vae/config.json
        vae/diffusion_pytorch_model.safetensors vae_1_0/config.json
        vae_1_0/diffusion_pytorch_model.safetensors vae_decoder/model.onnx
    """
    components = ("scheduler", "text_encoder", "tokenizer", "unet", "vae")
    assert chosen(sdxl, components=components) == (
        "model_index.json scheduler/scheduler_config.json text_encoder/config.json "
        "text_encoder/model.safetensors tokenizer/merges.txt tokenizer/vocab.json "
        "unet/config.json unet/diffusion_pytorch_model.safetensors vae/config.json "
        "vae/diffusion_pytorch_model.safetensors"
    )


def test_shards_of_another_precision_and_their_index_are_left_out():
    unet = """
        model_index.json unet/config.json unet/diffusion_pytorch_model-00001-of-00002.safetensors
        unet/diffusion_pytorch_model-00002-of-00002.safetensors
        unet/diffusion_pytorch_model.safetensors.index.json
        unet/diffusion_pytorch_model.fp16-00001-of-00001.safetensors
        unet/diffusion_pytorch_model.safetensors.index.fp16.json
    """
    assert "fp16" not in chosen(unet, components=("unet",))
    assert chosen(unet, components=("unet",)).count("safetensors") == 3


def test_a_variant_that_is_all_there_is_comes():
    alone = "model_index.json unet/config.json unet/model.fp16.safetensors"
    assert chosen(alone, components=("unet",)) == alone


def test_without_safetensors_the_next_format_comes():
    whisper = "README.md config.json model.bin tokenizer.json vocabulary.txt"
    assert chosen(whisper) == "config.json model.bin tokenizer.json vocabulary.txt"
    assert chosen("config.json pytorch_model.bin tf_model.h5 training_args.bin") == (
        "config.json pytorch_model.bin"
    )
    assert chosen("config.json onnx/model.onnx onnx/model.onnx_data") == (
        "config.json onnx/model.onnx onnx/model.onnx_data"
    )
    old = "model_index.json safety/pytorch_model.bin unet/a.bin unet/a.safetensors"
    assert chosen(old, components=("safety", "unet")) == (
        "model_index.json safety/pytorch_model.bin unet/a.safetensors"
    )


def test_patterns_are_taken_at_their_word():
    paths = "config.json kokoro.pth voices/af.pt voices/bm.pt x.fp16.safetensors"
    assert chosen(paths, "kokoro.pth", "voices/*.pt", "*.fp16.safetensors") == (
        "kokoro.pth voices/af.pt voices/bm.pt x.fp16.safetensors"
    )


def test_the_components_of_a_pipeline_are_those_that_it_loads():
    index = {
        "_class_name": "Pipeline", "unet": ["diffusers", "UNet"], "image_encoder": [None, None],
        "force_zeros_for_empty_prompt": True, "vae": ["diffusers", "AutoencoderKL"],
    }  # fmt: skip
    assert pipeline_components(index) == ("unet", "vae")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    (folder / "vae").mkdir(parents=True)
    (folder / "model_index.json").write_text('{"vae": ["diffusers", "AutoencoderKL"]}')
    (folder / "vae" / "model.safetensors").write_bytes(bytes(LARGE))
    return folder


def test_a_listing_has_commit_sizes_and_components_and_survives_being_written(repository):
    with hub({"owner/name": repository}) as stand_in:
        with Hub(HubSettings(endpoint=stand_in.address)) as asked:
            listing = asked.listing("owner/name")
        assert listing.commit == stand_in.repositories["owner/name"].commit
    assert {file.path: file.size for file in listing.files}["vae/model.safetensors"] == LARGE
    assert listing.components == ("vae",)
    assert Listing.from_json(listing.as_json()) == listing


def test_no_file_of_a_repository_can_lie_outside_its_folder(repository, monkeypatch):
    from tests import hub_stand_in

    def described(repo, repository):
        names = ("../../outside", "/etc/outside", "a/../../b", "no\0name", "inside.json")
        siblings = [{"rfilename": name, "size": 1, "blobId": "0" * 40} for name in names]
        siblings.append({"rfilename": "hash.json", "size": 1, "blobId": "../../outside"})
        return {"sha": "c" * 40, "siblings": siblings}

    monkeypatch.setattr(hub_stand_in, "_described", described)
    with (
        hub({"owner/name": repository}) as stand_in,
        Hub(HubSettings(endpoint=stand_in.address)) as asked,
    ):
        listing = asked.listing("owner/name")
    assert [file.path for file in listing.files] == ["inside.json"]


def test_a_file_too_large_for_memory_is_not_read_into_it(repository):
    (repository / "vae" / "model.safetensors").write_bytes(bytes(20_000_001))
    with (
        hub({"owner/name": repository}) as stand_in,
        Hub(HubSettings(endpoint=stand_in.address)) as asked,
    ):
        listing = asked.listing("owner/name")
        with pytest.raises(CannotDownload, match="larger than 20 MB"):
            asked.read("owner/name", listing.commit, "vae/model.safetensors")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "RepoNotFound", "does not exist at .* or it is private"),
        (401, "Strangers", "does not exist at .* or it is private"),
        (401, "", "refuses the token of HF_TOKEN"),
        (403, "GatedRepo", "is gated: accept its terms at"),
        (404, "RepoNotFound", "does not exist at"),
        (404, "RevisionNotFound", "has no revision"),
        (400, "", "the Hub answered 400"),
        (429, "", "answered 429 .* Run it again later"),
        (503, "", "answered 503 .* Run it again later"),
    ],
)
def test_every_refusal_is_a_sentence(repository, monkeypatch, status, code, said):
    from tests import hub_stand_in

    def answer(handler):
        messages = {
            "": "Invalid credentials in Authorization header",
            "Strangers": "Invalid username or password.",
        }
        handler._refuse(status, code, messages.get(code, "no"))

    monkeypatch.setattr(hub_stand_in._Handler, "_answer", answer)
    with (
        hub({}) as stand_in,
        Hub(HubSettings(endpoint=stand_in.address)) as asked,
        pytest.raises(CannotDownload, match=said) as caught,
    ):
        asked.listing("owner/name")
    # Only what may mend itself is tried again.
    assert isinstance(caught.value, Trouble) == (status in (429, 503))


@pytest.fixture
def answering(monkeypatch):
    """A client of a Hub whose every answer `answer(handler)` gives."""
    from tests import hub_stand_in

    @contextlib.contextmanager
    def answering(answer):
        monkeypatch.setattr(hub_stand_in._Handler, "_answer", answer)
        with hub({}) as stand_in, Hub(HubSettings(endpoint=stand_in.address)) as asked:
            yield asked

    return answering


def send(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.mark.parametrize(
    "body", [b"<html>Log in to this network</html>", b"[]", b"{}", b'{"sha": "../../outside"}']
)
def test_what_is_no_answer_of_the_hub_is_said_to_be_none(answering, body):
    with (
        answering(lambda handler: send(handler, 200, body)) as asked,
        pytest.raises(CannotDownload, match="not answer as the Hub does .* log in .* HF_ENDPOINT"),
    ):
        asked.listing("owner/name")


def test_redirections_without_end_are_a_sentence(answering):
    with (
        answering(lambda handler: send(handler, 302, Location=handler.path)) as asked,
        pytest.raises(Trouble, match="cannot be reached .*redirect"),
    ):
        asked.listing("owner/name")


def test_a_repository_that_was_renamed_can_be_gated_as_well(answering):
    def answer(handler):
        if "/old/" in handler.path:
            send(handler, 307, Location=handler.path.replace("/old/", "/new/"))
        else:
            handler._refuse(403, "GatedRepo", "no")

    with answering(answer) as asked, pytest.raises(CannotDownload, match="is gated"):
        asked.listing("old/name")


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"RateLimit": '"api";r=0;t=55', "Retry_After": "7"}, 55.0),
        ({"RateLimit": '"api";r=9;t=55', "Retry_After": "7"}, 7.0),
        ({"RateLimit": '"api";r=9;t=55'}, None),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
    ],
)
def test_the_hub_says_for_how_long_it_wants_to_be_left_in_peace(answering, headers, after):
    with (
        answering(lambda handler: send(handler, 429, **headers)) as asked,
        pytest.raises(Trouble, match="in 55 s" if after == 55 else "429") as caught,
    ):
        asked.listing("owner/name")
    assert caught.value.after == after


def test_a_listing_is_not_kept_without_what_trouble_kept_back(repository, monkeypatch):
    from tests import hub_stand_in

    def busy(handler, *_):
        handler._refuse(503, "", "busy")

    monkeypatch.setattr(hub_stand_in._Handler, "_file", busy)
    with (
        hub({"owner/name": repository}) as stand_in,
        Hub(HubSettings(endpoint=stand_in.address)) as asked,
        pytest.raises(Trouble),
    ):
        asked.listing("owner/name")
