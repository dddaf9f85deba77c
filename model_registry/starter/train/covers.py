"""Makes the covers of the starters in Explore, each of what the starter itself has made.

python app.py &
python -m model_registry.starter.train.covers http://127.0.0.1:7860
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy
import trimesh
from PIL import Image, ImageDraw

STARTERS = Path(__file__).parents[1]
COVERS = STARTERS.parents[1] / "components" / "covers" / "starter"
WIDE, HIGH = 640, 320
GROUND = "#d9d4c7"


def run(client: httpx.Client, model: str, **inputs: Any) -> list[bytes]:
    """The files that a starter makes."""
    answer = client.post(f"/v1/models/starter/{model}/predictions", json={"input": inputs})
    answer.raise_for_status()
    # What waits is answered with the bytes themselves; asked for again, with their addresses.
    output = client.get(f"/v1/predictions/{answer.json()['id']}").json()["output"]
    return [client.get(each).content for each in ([output] if isinstance(output, str) else output)]


def picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def tiled(tiles: list[Image.Image], across: int) -> Image.Image:
    side = WIDE // across
    cover = Image.new("RGB", (WIDE, HIGH), GROUND)
    for at, tile in enumerate(tiles):
        place = (at % across * side, at // across * side)
        cover.paste(tile.convert("RGB").resize((side, side), Image.Resampling.BICUBIC), place)
    return cover


def shapes(client: httpx.Client) -> Image.Image:
    asked = (
        "a red circle on a blue background", "a big yellow star on a black background",
        "a white heart on a purple background", "a green triangle on a white background",
        "an orange square on a blue background", "a blue cross on a yellow background",
        "a purple star on a white background", "a yellow circle on a green background",
    )  # fmt: skip
    return tiled([picture(run(client, "shapes", prompt=each, seed=15)[0]) for each in asked], 4)


def motion(client: httpx.Client) -> Image.Image:
    tiles = []
    for asked, seed in (
        ("a red heart on a white background growing", 8),
        ("a yellow star moving up on a black background", 5),
    ):
        (made,) = run(client, "motion", prompt=asked, seed=seed)
        with av.open(io.BytesIO(made)) as video:
            frames = [frame.to_image() for frame in video.decode(video=0)]
        tiles += [frames[round(at * (len(frames) - 1) / 3)] for at in range(4)]
    return tiled(tiles, 4)


def solid(client: httpx.Client) -> Image.Image:
    cover = Image.new("RGB", (WIDE * 2, HIGH * 2), GROUND)
    asked = ("a tall red cone", "a red cone on a blue cube", "a small white egg on a green dome")
    for at, prompt in enumerate(asked):
        (made,) = run(client, "solid", prompt=prompt, resolution=128)
        # The reader leaves out the colours of what has a material as well.
        made = made.replace(b'"material":0', b'"extras":  0')
        mesh = trimesh.load(io.BytesIO(made), file_type="glb", force="mesh")
        for corners, colour in shaded(mesh, (240 + at * 400, 320), 500):
            ImageDraw.Draw(cover).polygon(corners, fill=colour)
    return cover.resize((WIDE, HIGH), Image.Resampling.LANCZOS)


def shaded(mesh: Any, middle: tuple[int, int], size: float) -> Iterator[tuple[Any, Any]]:
    """The faces from the back to the front, seen a little from above, lit from the left."""
    around = trimesh.transformations.euler_matrix(-0.6, 0.35, 0, "syxz")
    mesh.apply_transform(around)
    lowest, highest = mesh.bounds
    scale = size / max(highest[1] - lowest[1], highest[0] - lowest[0])
    points = (mesh.vertices - (lowest + highest) / 2) * scale
    light = numpy.clip(mesh.face_normals @ numpy.array([-0.45, 0.6, 0.66]), 0, 1) * 0.6 + 0.45
    colours = 255 * (mesh.visual.face_colors[:, :3] / 255) ** (1 / 2.2)  # they are linear
    for face in numpy.argsort(points[mesh.faces][:, :, 2].mean(axis=1)):
        if mesh.face_normals[face][2] > 0:
            corners = [(middle[0] + x, middle[1] - y) for x, y, _ in points[mesh.faces[face]]]
            yield corners, tuple(int(min(255, each * light[face])) for each in colours[face])


def given(path: str) -> tuple[Image.Image, str]:
    content = (STARTERS / path).read_bytes()
    kind = "png" if path.endswith("png") else "jpeg"
    return picture(content), f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def cutout(client: httpx.Client) -> Image.Image:
    cover = Image.new("RGB", (WIDE, HIGH), GROUND)
    for at, name in enumerate(("fish.jpg", "rocket.jpg")):
        before, address = given(f"cutout/examples/{name}")
        after = picture(run(client, "cutout", image=address)[0]).convert("RGBA")
        scale = max(WIDE / 2 / before.width, HIGH / before.height)
        size = (round(before.width * scale), round(before.height * scale))
        place = (at * WIDE // 2 - (size[0] - WIDE // 2) // 2, (HIGH - size[1]) // 2)
        pane = Image.new("RGB", (WIDE, HIGH), GROUND)
        pane.paste(before.convert("RGB").resize(size), place)
        gone = Image.new("RGB", (WIDE, HIGH), GROUND)
        gone.paste(after.resize(size), place, after.resize(size))
        left = at * WIDE // 2
        for source, begin, end in ((pane, left, left + 160), (gone, left + 160, left + 320)):
            cover.paste(source.crop((begin, 0, end, HIGH)), (begin, 0))
    return cover


def enlarge(client: httpx.Client) -> Image.Image:
    before, address = given("enlarge/examples/badge.png")
    after = picture(run(client, "enlarge", image=address, scale=4)[0]).convert("RGBA")
    scale = 560 / before.width
    size = (560, round(before.height * scale))
    place = ((WIDE - 560) // 2, (HIGH - size[1]) // 2)
    ground = before.convert("RGB").getpixel((0, 0))
    cover, sharp = (Image.new("RGB", (WIDE, HIGH), ground) for _ in range(2))
    for target, source, how in (
        (cover, before.convert("RGBA"), Image.Resampling.NEAREST),
        (sharp, after, Image.Resampling.LANCZOS),
    ):
        shown = source.resize(size, how)
        target.paste(shown, place, shown)
    cover.paste(sharp.crop((WIDE // 2, 0, WIDE, HIGH)), (WIDE // 2, 0))
    return cover


def main() -> None:
    with httpx.Client(base_url=sys.argv[1], timeout=120, headers={"Prefer": "wait=60"}) as client:
        for make in (shapes, motion, solid, cutout, enlarge):
            path = COVERS / f"{make.__name__}.webp"
            make(client).save(path, quality=82, method=6)
            print(f"{path.name}: {path.stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main()
