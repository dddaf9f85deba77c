"""Faces found in a picture, each turned upright, made better by a network and put back. No runner.

The finder is YuNet (OpenCV's), the networks are GFPGAN's and all that take a face as it does: 512
pixels a side, eyes and mouth where the faces of FFHQ have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_sessions

from cog import current_scope

SIDE = 512
EYES_NOSE_MOUTH = (
    (192.98138, 239.94708),
    (318.90277, 240.1936),
    (256.63416, 314.01935),
    (201.26117, 371.41043),
    (313.08905, 371.15118),
)
"""Where FFHQ's faces of 512 pixels have them: left in the picture first."""

STRIDES = (8, 16, 32)
SURE = 0.7
"""How sure the finder must be of a face, from 0 to 1."""
SAME = 0.3
"""The share of two frames' area in common from which both are the same face."""
MARGIN = 24
"""Pixels of a face's frame that fade into the picture around it."""


@dataclass(frozen=True)
class Placement:
    """Where one lies: `matrix` (2, 3) takes points of the picture to those of the upright face."""

    matrix: Any

    @property
    def size(self) -> float:
        """Pixels of the picture along a side of the upright face."""
        import numpy

        return SIDE / float(numpy.hypot(*self.matrix[:, 0]))

    def upright(self, picture: Any) -> Any:
        """The face as an RGB image of 512 pixels a side."""
        from PIL import Image

        # Transforming looks at few pixels around each: a large face is made smaller before.
        smaller = max(1, int(self.size / SIDE))
        seen = picture.reduce(smaller) if smaller > 1 else picture
        given = _inverse(self.matrix) / smaller
        return seen.transform(
            (SIDE, SIDE), Image.Transform.AFFINE, given.flatten(), Image.Resampling.BICUBIC
        )

    def put(self, face: Any, canvas: Any, scale: float) -> None:
        """Draws an upright face into a picture that is `scale` times as large."""
        from PIL import Image

        frame = ((0, 0), (SIDE, 0), (0, SIDE), (SIDE, SIDE))
        corners = _moved(_inverse(self.matrix) * scale, frame)
        left, top = (max(0, int(edge)) for edge in corners.min(0))
        right, bottom = (
            min(side, int(edge) + 1) for side, edge in zip(canvas.size, corners.max(0), strict=True)
        )
        if right <= left or bottom <= top:
            return
        matrix = self.matrix.copy()
        matrix[:, :2] /= scale
        matrix[:, 2] += matrix[:, :2] @ (left, top)
        size, how = (right - left, bottom - top), Image.Transform.AFFINE
        drawn = face.transform(size, how, matrix.flatten(), Image.Resampling.BICUBIC)
        mask = _faded().transform(size, how, matrix.flatten(), Image.Resampling.BILINEAR)
        canvas.paste(drawn, (left, top), mask)


class FaceFinder:
    """YuNet, from its ONNX file."""

    def __init__(self, path: Path) -> None:
        self._session = onnx_sessions.opened(path)
        (given, *_) = self._session.get_inputs()
        self._name = given.name
        height, width = given.shape[2:]
        self._size = (width, height) if isinstance(width, int) and isinstance(height, int) else None
        self._outputs = [output.name for output in self._session.get_outputs()]

    def found(self, picture: Any) -> list[Placement]:
        """The faces of an RGB image, the largest first."""
        import numpy
        from PIL import Image

        width, height = self._size or (640, 640)
        factor = min(width / picture.width, height / picture.height)
        small = tuple(max(1, round(side * factor)) for side in picture.size)
        seen = Image.new("RGB", (width, height))
        seen.paste(picture.resize(small, Image.Resampling.BILINEAR))
        pixels = numpy.asarray(seen)[..., ::-1].transpose(2, 0, 1)[None].astype(numpy.float32)
        made = self._session.run(None, {self._name: pixels})
        outputs = dict(zip(self._outputs, made, strict=True))
        rows = numpy.concatenate([_rows(outputs, stride, width) for stride in STRIDES])
        faces = _without_doubles(rows[rows[:, 0] >= SURE])
        faces = sorted(faces, key=lambda row: -row[3] * row[4])
        return [Placement(_similarity(row[5:].reshape(5, 2) / factor)) for row in faces]


class FaceNetwork:
    """A network that makes faces better, from an ONNX file."""

    def __init__(self, path: Path) -> None:
        self._session = onnx_sessions.opened(path)
        (given, *_) = self._session.get_inputs()
        self._name, self._half = given.name, given.type == "tensor(float16)"

    def better(self, face: Any) -> Any:
        """An upright face, made better: RGB images of 512 pixels a side."""
        import numpy
        from PIL import Image

        pixels = (numpy.asarray(face) / 127.5 - 1).transpose(2, 0, 1)[None]
        kind = numpy.float16 if self._half else numpy.float32
        (made, *_) = self._session.run(None, {self._name: pixels.astype(kind)})
        made = made[0].astype(numpy.float32).clip(-1, 1).transpose(1, 2, 0)
        return Image.fromarray(((made + 1) * 127.5 + 0.5).astype(numpy.uint8))


def improve(
    picture: Any, canvas: Any, scale: float, finder: FaceFinder, network: FaceNetwork
) -> int:
    """Finds the faces of a picture, and draws them, made better, into one that is `scale` times as
    large; how many. Says so where there is none.
    """
    faces = finder.found(picture)
    alpha = canvas.getchannel("A") if "A" in canvas.getbands() else None
    for number, face in enumerate(faces, 1):
        face.put(network.better(face.upright(picture)), canvas, scale)
        current_scope().progress(number, len(faces), unit="face")
    if alpha is not None:
        canvas.putalpha(alpha)
    current_scope().record_metric("faces", len(faces))
    if not faces:
        print("No face was found.")
    return len(faces)


def _rows(outputs: dict[str, Any], stride: int, width: int) -> Any:
    """What YuNet says of each cell of one grid: how sure, left, top, width, height, 5 points."""
    import numpy

    sure = outputs[f"cls_{stride}"].reshape(-1) * outputs[f"obj_{stride}"].reshape(-1)
    frames, points = (outputs[f"{kind}_{stride}"][0] for kind in ("bbox", "kps"))
    cells = numpy.arange(len(sure))
    columns = width // stride
    at = numpy.stack([cells % columns, cells // columns], 1)
    middle = (at + frames[:, :2]) * stride
    size = numpy.exp(frames[:, 2:4]) * stride
    marks = (points.reshape(-1, 5, 2) + at[:, None]) * stride
    sure = numpy.sqrt(sure.clip(0, 1))[:, None]
    return numpy.hstack([sure, middle - size / 2, size, marks.reshape(-1, 10)])


def _without_doubles(rows: Any) -> list[Any]:
    """Of frames that lie upon each other the surest."""
    kept: list[Any] = []
    for row in sorted(rows, key=lambda row: -row[0]):
        if all(_shared(row, other) < SAME for other in kept):
            kept.append(row)
    return kept


def _shared(one: Any, other: Any) -> float:
    """The area in common of two rows' frames, as a share of all that either covers."""
    import numpy

    low = numpy.maximum(one[1:3], other[1:3])
    high = numpy.minimum(one[1:3] + one[3:5], other[1:3] + other[3:5])
    both = float(numpy.prod((high - low).clip(0)))
    return both / (float(one[3] * one[4] + other[3] * other[4]) - both + 1e-9)


def _similarity(points: Any) -> Any:
    """The turn, size and shift (2, 3) that bring five points closest to where FFHQ has them."""
    import numpy

    wanted = numpy.array(EYES_NOSE_MOUTH)
    there, here = wanted - wanted.mean(0), points - points.mean(0)
    size = float((here**2).sum()) or 1e-9
    turned = float((here * there).sum()) / size
    leaned = float((here[:, 0] * there[:, 1] - here[:, 1] * there[:, 0]).sum()) / size
    turn = numpy.array([[turned, -leaned], [leaned, turned]])
    return numpy.hstack([turn, (wanted.mean(0) - turn @ points.mean(0))[:, None]])


def _inverse(matrix: Any) -> Any:
    import numpy

    turn = numpy.linalg.inv(matrix[:, :2])
    return numpy.hstack([turn, -turn @ matrix[:, 2:]])


def _moved(matrix: Any, points: Any) -> Any:
    import numpy

    return numpy.array(points) @ matrix[:, :2].T + matrix[:, 2]


def _faded() -> Any:
    """White where a face counts, black at its frame."""
    from PIL import Image, ImageFilter

    mask = Image.new("L", (SIDE, SIDE), 0)
    mask.paste(255, (MARGIN, MARGIN, SIDE - MARGIN, SIDE - MARGIN))
    return mask.filter(ImageFilter.GaussianBlur(MARGIN / 3))
