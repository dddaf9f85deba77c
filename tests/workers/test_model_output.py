"""What models put out: pieces, prints, files."""

from __future__ import annotations

from pathlib import Path

from cog.encoding import FILE
from workers import messages


async def test_pieces_of_an_iterator_arrive_in_order(pool):
    version = pool.model("""
        class Predictor(BasePredictor):
            def predict(self, n: int) -> ConcatenateIterator[str]:
                for i in range(n):
                    yield f"{i} "
    """)
    prediction = pool.run(version, n=3000)
    await pool.end(prediction)
    assert pool.output(prediction) == [f"{i} " for i in range(3000)]


async def test_an_iterator_that_yields_nothing_has_an_empty_output(pool):
    version = pool.model("""
        from typing import Iterator
        class Predictor(BasePredictor):
            def predict(self) -> Iterator[str]:
                return
                yield
    """)
    prediction = pool.run(version)
    assert isinstance(await pool.end(prediction), messages.Succeeded)
    assert pool.output(prediction) == []


async def test_logs_come_from_python_c_and_subprocesses_in_order(pool):
    version = pool.model("""
        import ctypes, os, sys
        class Predictor(BasePredictor):
            def predict(self) -> str:
                print("from python")
                print("from stderr", file=sys.stderr)
                os.system("echo from a subprocess")
                ctypes.CDLL(None).puts(b"from C")
                return ""
    """)
    prediction = pool.run(version)
    await pool.end(prediction)
    logs = pool.logs(prediction)
    for words in ("from python", "from stderr", "from a subprocess", "from C"):
        assert words in logs


async def test_a_megabyte_of_log_arrives_whole(pool):
    version = pool.model("""
        class Predictor(BasePredictor):
            def predict(self) -> str:
                for i in range(20000):
                    print(f"{i:06} " + "x" * 42)
                return ""
    """)
    prediction = pool.run(version)
    assert isinstance(await pool.end(prediction), messages.Succeeded)
    assert [int(line[:6]) for line in pool.logs(prediction).splitlines()] == list(range(20000))


async def test_half_characters_in_errors_and_file_names_are_spelled_out(pool):
    version = pool.model("""
        import os
        class Predictor(BasePredictor):
            def predict(self, fails: bool) -> Path:
                path = Path(os.fsdecode(b"bad-\\xff.txt"))
                if fails:
                    raise ValueError(f"cannot read {path}")
                path.write_text("x")
                return path
    """)
    assert (await pool.end(pool.run(version, fails=True))).reason == r"cannot read bad-\udcff.txt"
    prediction = pool.run(version, fails=False)
    assert isinstance(await pool.end(prediction), messages.Succeeded)
    assert Path(pool.output(prediction)[FILE]).name == "bad-\ufffd.txt"


async def test_a_model_sees_its_folder_its_environment_and_its_neighbours(pool):
    version = pool.model(
        """
        import os
        import errors, settings, workers
        class Predictor(BasePredictor):
            def predict(self) -> list[str]:
                return [os.getcwd(), os.environ["COLOUR"], errors.OF, settings.OF, workers.OF]
        """,
        environment={"COLOUR": "blue"},
    )
    for name in ("errors", "settings", "workers"):
        (Path(version.code.folder) / f"{name}.py").write_text(
            f"OF = 'the model has its own {name}'"
        )
    prediction = pool.run(version)
    await pool.end(prediction)
    assert pool.output(prediction) == [
        version.code.folder,
        "blue",
        "the model has its own errors",
        "the model has its own settings",
        "the model has its own workers",
    ]


async def test_output_files_are_moved_and_a_models_own_files_are_copied(pool):
    version = pool.model("""
        import tempfile
        from pathlib import Path as P
        class Predictor(BasePredictor):
            def predict(self) -> list[Path]:
                made = P(tempfile.mkdtemp()) / "out.txt"
                made.write_text("made")
                P("own.txt").write_text("own")
                P("sub").mkdir(exist_ok=True)
                P("sub/out.txt").write_text("same name")
                return [Path(made), Path("own.txt"), Path("sub/out.txt")]
    """)
    prediction = pool.run(version)
    assert isinstance(await pool.end(prediction), messages.Succeeded)
    paths = [Path(item[FILE]) for item in pool.output(prediction)]
    assert [p.name for p in paths] == ["out.txt", "own.txt", "out-1.txt"]
    assert [p.read_text() for p in paths] == ["made", "own", "same name"]
    assert (Path(version.code.folder) / "own.txt").exists()
