"""What stands above a model's name: a picture that it made itself, else one drawn for its kind.

The pictures are in covers/; model_registry/starter/train/covers.py asks the starters for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from random import Random

from model_registry.spec import Model

PICTURES = Path(__file__).parent / "covers"
ADDRESS = "/covers"
"""Where the app serves them."""

WIDE, HIGH = 160, 80


def has_picture(model: Model) -> bool:
    return (PICTURES / model.owner / f"{model.name}.webp").is_file()


def cover_html(model: Model) -> str:
    """The same for a model at all times; nothing in it is for who cannot see."""
    kind = escape(model.category)
    if has_picture(model):
        address = escape(f"{ADDRESS}/{model.id}.webp")
        return (
            f'<span class="cover" data-kind="{kind}"><img src="{address}" alt="" loading="lazy" '
            'width="640" height="320"></span>'
        )
    draw = DRAWINGS.get(model.category, _tiles)
    return (
        f'<span class="cover" data-kind="{kind}"><svg viewBox="0 0 {WIDE} {HIGH}" '
        'preserveAspectRatio="xMidYMid slice" aria-hidden="true">'
        f"{draw(Random(model.id))}</svg></span>"
    )


def _box(x: float, y: float, width: float, height: float, tone: str = "", round_: float = 2) -> str:
    kind = f' class="{tone}"' if tone else ""
    return (
        f'<rect{kind} x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round_:g}"/>'
    )


def _pen(strokes: Sequence[str], tone: str = "") -> str:
    """Lines with round ends, all in one path: a page shows a hundred covers."""
    return f'<path class="pen {tone}" d="{"".join(strokes)}"/>'


def _hill(chance: Random, top: int, tone: str) -> str:
    left, bend, right = (chance.randint(top, top + 22) for _ in range(3))
    return (
        f'<path class="{tone}" d="M0 {left}C{chance.randint(35, 60)} {bend - 22} '
        f'{chance.randint(80, 120)} {bend + 14} {WIDE} {right}V{HIGH}H0Z"/>'
    )


def _landscape(chance: Random) -> str:
    sun = (chance.randint(25, 135), chance.randint(16, 32), chance.randint(7, 12))
    disc = '<circle class="strong" cx="{}" cy="{}" r="{}"/>'.format(*sun)
    return disc + _hill(chance, 34, "soft") + _hill(chance, 48, "")


def _wave(chance: Random) -> str:
    bars = []
    for at in range(27):
        half = 2 + chance.randint(2, 22) * (1 - abs(at - 13) / 15)
        bars.append(f"M{15 + at * 5} {40 - half:.0f}v{2 * half:.0f}")
    return _pen(bars[9:]) + _pen(bars[:9], "strong")


def _words(chance: Random) -> str:
    lines = []
    for at in range(5):
        x, end = 32, chance.randint(60, 90) if at == 4 else chance.randint(112, 132)
        words = [f"M32 {20 + at * 9}"]
        while x < end:
            width = min(chance.randint(5, 20), end - x)
            words.append(f"h{width}m7 0")
            x += width + 7
        lines.append("".join(words))
    return _pen(lines[1:]) + _pen(lines[:1], "strong") + _box(x, 51, 1.6, 9, "strong", 0.8)


def _code(chance: Random) -> str:
    starts, rest = [], []
    for at, indent in enumerate((0, 1, 2, 2, 1, 0)):
        x, y, first = 36 + indent * 11, 16 + at * 9.5, chance.randint(8, 20)
        starts.append(f"M{x} {y:g}h{first}")
        rest.append(f"M{x + first + 7} {y:g}h{chance.randint(10, 44)}")
    return _pen(rest) + _pen(starts, "strong")


def _frames(chance: Random) -> str:
    x, y = chance.randint(8, 16), chance.randint(44, 54)
    step = chance.randint(-7, -3)
    frames = []
    for at in range(4):
        left = 10 + at * 36
        tone = "strong" if at == 3 else ""
        frames.append(_box(left, 20, 32, 40, "soft", 3))
        frames.append(
            f'<circle class="{tone}" cx="{left + x + at * 2}" cy="{y + at * step}" r="6"/>'
        )
    return "".join(frames)


def _solid(chance: Random) -> str:
    turn = chance.randint(-8, 8)
    high = chance.randint(22, 34)
    x, top = 80, 40 - high // 2 - 8
    left, right, middle = x - 26, x + 26, x + turn
    return (
        f'<path class="soft" d="M{left} {top + 8}L{x - turn} {top - 2}L{right} {top + 8}L{middle} '
        f'{top + 18}Z"/><path d="M{left} {top + 8}L{middle} {top + 18}V{top + 18 + high}L{left} '
        f'{top + 8 + high}Z"/><path class="strong" d="M{right} {top + 8}L{middle} {top + 18}V'
        f'{top + 18 + high}L{right} {top + 8 + high}Z"/>'
    )


def _masked(chance: Random) -> str:
    x, y = chance.randint(28, 72), chance.randint(14, 26)
    return (
        _landscape(chance)
        + f'<rect class="line" x="{x}" y="{y}" width="56" height="38" rx="3"/>'
        + "".join(
            _box(a - 2.5, b - 2.5, 5, 5, "strong", 1) for a in (x, x + 56) for b in (y, y + 38)
        )
    )


def _sharpened(chance: Random) -> str:
    tones: dict[str, list[str]] = {"soft": [], "": []}
    for at in range(64):
        if tone := chance.choice((["soft"], [""], [])):
            tones[tone[0]].append(f"M{at % 8 * 10} {at // 8 * 10}h10v10h-10z")
    squares = "".join(f'<path class="{tone}" d="{"".join(d)}"/>' for tone, d in tones.items())
    radius = chance.randint(17, 26)
    edge = f'<path class="strong" d="M80 {40 - radius}A{radius} {radius} 0 0 1 80 {40 + radius}Z"/>'
    return squares + edge + _box(79.5, 6, 1, 68, "strong", 0)


def _eye(chance: Random) -> str:
    look = chance.randint(-9, 9)
    return (
        '<path class="soft" d="M34 36Q80 -6 126 36Q80 78 34 36Z"/>'
        f'<circle cx="{80 + look}" cy="36" r="15"/><circle class="strong" cx="{80 + look}" cy="36" '
        f'r="6"/>{_box(52, 68, chance.randint(22, 34), 3.6, "", 1.8)}'
        f"{_box(90, 68, chance.randint(10, 22), 3.6, '', 1.8)}"
    )


def _tiles(chance: Random) -> str:
    return "".join(
        _box(44 + at % 4 * 19, 12 + at // 4 * 19, 16, 16, chance.choice(("", "soft", "strong")), 4)
        for at in range(12)
    )


DRAWINGS: Mapping[str, Callable[[Random], str]] = {
    "image": _landscape,
    "editing": _masked,
    "restoration": _sharpened,
    "audio": _wave,
    "language": _words,
    "code": _code,
    "video": _frames,
    "3d": _solid,
    "vision": _eye,
}
