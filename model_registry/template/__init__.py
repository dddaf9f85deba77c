"""`app.py init`: a model that runs at once, as something to begin with."""

from __future__ import annotations

from pathlib import Path

from errors import CannotStart

HERE = Path(__file__).parent
FILES = ("cog.yaml", "predict.py")


def write(folder: Path) -> list[Path]:
    """Writes the files of the template; where they lie now. Raises `CannotStart` where one is there
    already.
    """
    targets = [folder / name for name in FILES]
    for target in targets:
        if target.exists():
            raise CannotStart(f"{target} is there already. Give a new folder, or move it away.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target in targets:
            target.write_text((HERE / f"{target.name}.txt").read_text())
    except OSError as error:
        raise CannotStart(f"{folder} cannot be written ({error.strerror or error}).") from None
    return targets
