"""SAM and SAM 2, tiny and random: they cut out of pictures what is marked."""

from __future__ import annotations

from pathlib import Path

from tests.tiny.vision import write_json


def sam(folder: Path) -> None:
    """Cuts out what is marked."""
    import torch
    from transformers import SamConfig, SamModel

    torch.manual_seed(0)
    config = SamConfig(
        vision_config={
            "hidden_size": 16, "output_channels": 16, "num_hidden_layers": 1, "image_size": 64,
            "num_attention_heads": 2, "patch_size": 8, "mlp_dim": 16, "global_attn_indexes": [0],
            "window_size": 4, "num_pos_feats": 8,
        },
        prompt_encoder_config={
            "hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 16, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    model = SamModel(config)
    # Random numbers would see one thing everywhere.
    torch.nn.init.normal_(model.shared_image_embedding.positional_embedding, std=2.0)
    model.save_pretrained(folder)
    write_json(
        folder,
        preprocessor_config={
            "image_processor_type": "SamImageProcessor", "processor_class": "SamProcessor",
            "do_resize": True, "do_normalize": True, "do_rescale": True, "do_pad": True,
            "size": {"longest_edge": 64}, "pad_size": {"height": 64, "width": 64},
            "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
        },
    )  # fmt: skip


def sam_2(folder: Path) -> None:
    """The same for films, too, as most repositories of it are."""
    import torch
    from transformers import Sam2VideoConfig, Sam2VideoModel

    torch.manual_seed(0)
    seen = {
        "hidden_size": 8, "num_attention_heads": 1, "blocks_per_stage": [1, 1, 1, 1],
        "embed_dim_per_stage": [8, 16, 32, 64], "num_attention_heads_per_stage": [1, 1, 2, 2],
        "image_size": [64, 64], "window_size_per_stage": [2, 2, 2, 2],
        "global_attention_blocks": [],
        "window_positional_embedding_background_size": [2, 2],
    }  # fmt: skip
    Sam2VideoModel(
        Sam2VideoConfig(
            vision_config={
                "backbone_config": {"model_type": "sam2_hiera_det_model", **seen},
                "backbone_channel_list": [64, 32, 16, 8], "fpn_hidden_size": 16,
                "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            },
            prompt_encoder_config={"hidden_size": 16, "image_size": 64, "mask_input_channels": 4},
            mask_decoder_config={
                "hidden_size": 16, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "iou_head_hidden_dim": 16,
            },
            memory_attention_hidden_size=16, memory_attention_num_layers=1,
            memory_attention_num_attention_heads=1, memory_attention_feed_forward_hidden_size=16,
            memory_encoder_hidden_size=16, memory_encoder_output_channels=8,
            mask_downsampler_embed_dim=16, memory_fuser_embed_dim=16, memory_fuser_num_layers=1,
            memory_fuser_intermediate_dim=16,
        )
    ).save_pretrained(folder)  # fmt: skip
