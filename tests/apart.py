"""What tests need of a model's own environment, run by its interpreter:

python -m tests.apart pytest TEST…         these tests, in there
python -m tests.apart tiny REPO FOLDER     the tiny twin of a repository
"""

from __future__ import annotations

import sys
from pathlib import Path

from model_registry.spec_files import RUNNERS


def main(command: str, *arguments: str) -> int:
    sys.path.append(str(RUNNERS))
    from voice_cloning import without_compiled_parts

    without_compiled_parts()  # transformers imports torchaudio wherever it finds it
    if command == "pytest":
        import pytest

        # What other people's packages warn of is not ours to mend.
        alike = ["-q", "-p", "no:cacheprovider", "-W", "ignore", "-m", "heavy or not heavy"]
        return int(pytest.main([*alike, *arguments]))
    from tests.tiny_catalogue import TINY

    repo, folder = arguments
    TINY[repo](Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
