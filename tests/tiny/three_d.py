"""Random weights of Shap-E's classes, as small as they go, in the files that its repositories have:
16 bits in safetensors, but for the renderer.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2] / "model_registry"
WIDTH = 32


def renderer():
    """One whose solids are octahedra, aside of the middle and of three different widths, each
    latent's a little another: its layers add up how far away a point is along each axis.
    """
    import torch
    from diffusers.pipelines.shap_e import ShapERenderer

    made = ShapERenderer(
        param_shapes=((8, 93), (8, 8), (8, 8), (8, 8)),
        d_latent=WIDTH,
        d_hidden=8,
        n_output=12,
    )
    both_ways = torch.zeros(8, 93)
    for axis, slope in enumerate((4, 5, 7)):
        both_ways[2 * axis, axis], both_ways[2 * axis + 1, axis] = slope, -slope
    with torch.no_grad():
        for number in range(4):
            projection = made.params_proj.projections[f"nerstf__mlp__{number}__weight"]
            passed_on = torch.eye(8) if number else both_ways
            projection.proj.bias.copy_(passed_on.flatten())
            projection.norm.weight.fill_(0.05)
            if number == 0:
                projection.norm.weight[3:] = 0  # no waves: they would make it rough
        for layer in made.mlp.mlp:
            layer.bias.zero_()
        made.mlp.mlp[0].bias[:6] = torch.tensor([-1.0, 1, -0.5, 0.5, -1.5, 1.5])
        for layer in made.mlp.mlp[4:6]:
            layer.weight.zero_()
            layer.weight[:, :8] = torch.eye(8)
        last = made.mlp.mlp[6]
        last.weight[:3], last.bias[:3] = -0.5, 1.0
    return made


def scheduler():
    import warnings

    from diffusers import HeunDiscreteScheduler

    with warnings.catch_warnings():
        # It gives a tensor to numpy in the old way.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return HeunDiscreteScheduler(
            beta_schedule="exp",
            num_train_timesteps=1024,
            prediction_type="sample",
            use_karras_sigmas=True,
            clip_sample=True,
            clip_sample_range=1.0,
        )


def prior(**more):
    from diffusers import PriorTransformer

    return PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        embedding_dim=WIDTH,
        num_embeddings=32,
        additional_embeddings=0,
        embedding_proj_dim=WIDTH,
        time_embed_dim=WIDTH * 4,
        clip_embed_dim=WIDTH * 2,
        time_embed_act_fn="gelu",
        norm_in_type="layer",
        encoder_hid_proj_type=None,
        added_emb_type=None,
        **more,
    )


def saved(pipeline, folder: Path) -> None:
    """As the repositories have it: the renderer alone in PyTorch's own format."""
    import shutil

    import torch

    pipeline.to(torch.float16).save_pretrained(folder, variant="fp16")
    shutil.rmtree(folder / "shap_e_renderer")
    pipeline.shap_e_renderer.float().save_pretrained(
        folder / "shap_e_renderer", safe_serialization=False
    )


def shap_e(folder: Path) -> None:
    import torch
    from diffusers import ShapEPipeline
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(ROOT / "starter" / "shapes" / "tokenizer")
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        projection_dim=WIDTH,
        intermediate_size=37,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=24,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    pipeline = ShapEPipeline(
        prior=prior(),
        text_encoder=CLIPTextModelWithProjection(config),
        tokenizer=tokenizer,
        scheduler=scheduler(),
        shap_e_renderer=renderer(),
    )
    saved(pipeline, folder)


def shap_e_of_images(folder: Path) -> None:
    import torch
    from diffusers import ShapEImg2ImgPipeline
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        image_size=32,
        projection_dim=WIDTH,
        intermediate_size=37,
        num_attention_heads=4,
        num_channels=3,
        num_hidden_layers=1,
        patch_size=4,
    )
    pipeline = ShapEImg2ImgPipeline(
        prior=prior(embedding_proj_norm_type="layer"),
        image_encoder=CLIPVisionModel(config),
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        ),
        scheduler=scheduler(),
        shap_e_renderer=renderer(),
    )
    saved(pipeline, folder)


TINY = {"openai/shap-e": shap_e, "openai/shap-e-img2img": shap_e_of_images}

SMALL = {
    "cjwbw/shap-e": {
        "prompt": "a red cone",
        "render_mode": "stf",
        "render_size": 32,
        "save_mesh": True,
        "num_inference_steps": 2,
        "resolution": 24,
        "seed": 1,
    },
    "cjwbw/point-e": {"prompt": "a red cone", "seed": 1},
}
