"""Networks that enlarge, that find faces and make them better, and that cut out, as small as they
go: the same layers, tensors' names and files as the repositories have.
"""

from __future__ import annotations

import json
from pathlib import Path

REGISTRY = Path(__file__).parents[2] / "model_registry"


def tensors_of_rrdb(fold=1, features=8, growth=4, seed=0):
    """A Real-ESRGAN of one block, as its weights are named since BasicSR."""
    import torch

    torch.manual_seed(seed)
    layers = {
        "conv_first": (3 * fold * fold, features),
        **{
            f"body.0.rdb{dense}.conv{number}": (
                features + (number - 1) * growth,
                growth if number < 5 else features,
            )
            for dense in (1, 2, 3)
            for number in (1, 2, 3, 4, 5)
        },
        **{name: (features, features) for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr")},
        "conv_last": (features, 3),
    }
    tensors = {}
    for name, (given, made) in layers.items():
        tensors[f"{name}.weight"] = torch.randn(made, given, 3, 3) * 0.1
        tensors[f"{name}.bias"] = torch.full((made,), 0.05)
    tensors["conv_last.bias"] += 0.4
    return tensors


def tensors_of_compact(features=8, layers=2, scale=4):
    """An SRVGG: its last layer makes the pixels that are added to the picture."""
    import torch

    torch.manual_seed(0)
    sizes = [3, *[features] * (layers + 1), 3 * scale * scale]
    tensors = {}
    for number, (given, made) in enumerate(zip(sizes, sizes[1:], strict=False)):
        tensors[f"body.{2 * number}.weight"] = torch.randn(made, given, 3, 3) * 0.05
        tensors[f"body.{2 * number}.bias"] = torch.zeros(made)
        if made == features:
            tensors[f"body.{2 * number + 1}.weight"] = torch.full((features,), 0.1)
    return tensors


def enlarging(folder: Path) -> None:
    from safetensors.torch import save_file

    save_file(tensors_of_rrdb(), folder / "RealESRGAN_x4plus.safetensors")


def enlarging_anything(folder: Path) -> None:
    import torch

    torch.save({"params": tensors_of_compact()}, folder / "realesr-general-x4v3.pth")


def enlarging_drawings(folder: Path) -> None:
    import torch

    held = {"params_ema": tensors_of_rrdb(seed=1)}
    torch.save(held, folder / "RealESRGAN_x4plus_anime_6B.pth")


def enlarging_films(folder: Path) -> None:
    import torch

    torch.save({"params": tensors_of_compact()}, folder / "realesr-animevideov3.pth")


def onnx_file(path: Path, nodes, given, made, constants=()) -> None:
    """Writes a network; `given` and `made` map a name to its shape."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "tiny",
        *(
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in each.items()
            ]
            for each in (given, made)
        ),
        [numpy_helper.from_array(value, name) for name, value in dict(constants).items()],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), str(path))


FACE = 160
"""Pixels of a side of the frame that the tiny finder draws around what it takes for a face."""
MARKS = ((-26, -20), (26, -20), (0, 6), (-22, 28), (22, 28))
"""Where eyes, nose and mouth lie in it, from its middle."""


def finding_faces(folder: Path) -> None:
    """Takes a cell of 32 pixels that is red throughout for the middle of a face. Its input is
    blue first, and all it says is said three times over, on grids of 8, 16 and 32 pixels.
    """
    import numpy as np
    from onnx import helper

    red = np.array([-1, -1, 1], np.float32)[None, :, None, None] / (255 * 32 * 32)
    constants: dict = {
        "column": np.array([1, -1, 1], np.int64),
        "red_alone": np.tile(red, (1, 1, 32, 32)),
        "low": np.array(0.0, np.float32),
        "high": np.array(1.0, np.float32),
    }
    nodes = []
    made = {}
    for stride in (8, 16, 32):
        side = 640 // stride
        made |= {
            f"{kind}_{stride}": [1, side * side, width]
            for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
        }
        frame = np.array([0.5, 0.5, np.log(FACE / stride), np.log(FACE / stride)])
        marks = np.array(MARKS) / stride + 0.5
        for kind, row in (("bbox", frame), ("kps", marks.flatten())):
            constants[f"row_{kind}_{stride}"] = np.tile(row, (1, side * side, 1)).astype(np.float32)
            nodes.append(
                helper.make_node("Identity", [f"row_{kind}_{stride}"], [f"{kind}_{stride}"])
            )
        if stride == 32:
            nodes += [
                helper.make_node("Conv", ["input", "red_alone"], ["red"], strides=[32, 32]),
                helper.make_node("Clip", ["red", "low", "high"], ["clipped"]),
                helper.make_node("Reshape", ["clipped", "column"], ["cls_32"]),
                helper.make_node("Identity", ["cls_32"], ["obj_32"]),
            ]
        else:
            constants[f"never_{stride}"] = np.zeros((1, side * side, 1), np.float32)
            for kind in ("cls", "obj"):
                nodes.append(
                    helper.make_node("Identity", [f"never_{stride}"], [f"{kind}_{stride}"])
                )
    path = folder / "face_detection_yunet_2023mar.onnx"
    onnx_file(path, nodes, {"input": [1, 3, 640, 640]}, made, constants)


def better_faces(folder: Path) -> None:
    """Each version gives back the face darker than the one before."""
    import numpy as np
    from onnx import helper

    names = ("gfpgan_1.4", "gfpgan_1.3", "gfpgan_1.2", "restoreformer_plus_plus")
    for number, name in enumerate(names):
        shape = [1, 3, 512, 512]
        onnx_file(
            folder / f"{name}.onnx",
            [
                helper.make_node("Neg", ["input"], ["turned"]),
                helper.make_node("Mul", ["turned", "share"], ["output"]),
            ],
            {"input": shape},
            {"output": shape},
            {"share": np.array(1 - 0.2 * number, np.float32)},
        )


def cutting_out(folder: Path) -> None:
    """U²-Net gives seven masks, the first of which counts; IS-Net's first too. Here it is how red
    a pixel is, after what each network's input is shifted and scaled by.
    """
    import numpy as np
    from onnx import helper

    for name, side, masks in (("u2net", 320, 7), ("isnet-general-use", 1024, 2)):
        nodes = [
            helper.make_node("Conv", ["input.1", "weights", "bias"], ["logits"]),
            *(helper.make_node("Sigmoid", ["logits"], [f"d{each}"]) for each in range(masks)),
        ]
        onnx_file(
            folder / f"{name}.onnx",
            nodes,
            {"input.1": [1, 3, side, side]},
            {f"d{each}": [1, 1, side, side] for each in range(masks)},
            {
                "weights": np.array([[[[6.0]], [[-3.0]], [[-3.0]]]], np.float32),
                "bias": np.array([-1.0], np.float32),
            },
        )


def cutting_out_finely(folder: Path) -> None:
    """BiRefNet in the layout that its copies for browsers have: of any size, and before the
    sigmoid.
    """
    import numpy as np
    from onnx import helper

    size = ["batch", 3, "height", "width"]
    onnx_file(
        folder / "onnx" / "model_fp16.onnx",
        [helper.make_node("Conv", ["input_image", "weights", "bias"], ["output_image"])],
        {"input_image": size},
        {"output_image": ["batch", 1, "height", "width"]},
        {
            "weights": np.array([[[[8.0]], [[-4.0]], [[-4.0]]]], np.float32),
            "bias": np.array([-2.0], np.float32),
        },
    )
    said = {
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "size": {"height": 1024, "width": 1024},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(said))


TINY = {
    "Comfy-Org/Real-ESRGAN_repackaged": enlarging,
    "jhj0517/realesr-general-x4v3": enlarging_anything,
    "ximso/RealESRGAN_x4plus_anime_6B": enlarging_drawings,
    "leonelhs/realesrgan": enlarging_films,
    "opencv/face_detection_yunet": finding_faces,
    "facefusion/models-3.0.0": better_faces,
    "tomjackson2023/rembg": cutting_out,
    "onnx-community/BiRefNet-ONNX": cutting_out_finely,
}


def _icon() -> str:
    import base64

    data = (REGISTRY / "starter" / "enlarge" / "examples" / "icon.png").read_bytes()
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


SMALL = {
    "nightmareai/real-esrgan": {"image": _icon(), "scale": 2, "face_enhance": True},
    "xinntao/realesrgan": {"img": _icon()},
    "tencentarc/gfpgan": {"img": _icon()},
    "cjwbw/rembg": {"image": _icon()},
    "men1scus/birefnet": {"image": _icon()},
}
