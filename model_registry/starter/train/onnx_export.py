"""A trained torch module → one ONNX file that onnxruntime loads; takes the packages onnx and
onnxscript, which training needs and the app does not.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Collection
from pathlib import Path

import torch


def export(
    module: torch.nn.Module,
    example: torch.Tensor,
    path: Path,
    names: tuple[str, str],
    free: Collection[int] = (),
) -> None:
    """Writes `path`. `names` are those of the input and the output; the input's dimensions in
    `free` may have any size, the others are the example's.
    """
    import onnx

    given, made = names
    sizes = {at: torch.export.Dim(f"size_{at}", min=1) for at in free}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.cpu().eval(),
            (example,),
            input_names=[given],
            output_names=[made],
            dynamic_shapes=({**sizes},),
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    # The exporter notes from which line of which file on this machine each node came.
    for noted in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del noted.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
