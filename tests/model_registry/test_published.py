"""The store of pushed models: versions by content, whole or not there, whatever is killed when."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from errors import AlreadyExists, BrokenModel, InvalidRequest, NotFound
from model_registry.catalog import Catalog
from model_registry.published import Published
from model_registry.push_records import About
from model_registry.sources import names

ROOT = Path(__file__).resolve().parents[2]
CODE = "def Predictor(text: str) -> str:\n    return {!r} + text\n"


@pytest.fixture
def folder(tmp_path):
    return model(tmp_path / "say", "one ")


@pytest.fixture
def published(tmp_path):
    return Published(tmp_path / "data")


def model(folder, says):
    folder.mkdir(exist_ok=True)
    (folder / "cog.yaml").write_text("predict: predict.py:Predictor")
    (folder / "predict.py").write_text(CODE.format(says))
    return folder


def code_of(version):
    return (Path(version.code.folder) / "predict.py").read_text()


def test_what_has_changed_is_a_new_version_and_the_old_one_stays_as_it_was(folder, published):
    (folder / "README.md").write_text("# Say\n\nSays one.")
    first, is_new = published.push(folder, "ada/say")
    assert is_new and len(first.latest.id) == 64 and first.description == "Says one."
    model(folder, "two ")
    (folder / "README.md").write_text("# Say\n\nSays two.")
    second, is_new = published.push(folder, "ada/say")
    assert is_new and [each.id for each in second.versions][1:] == [first.latest.id]
    assert second.description == "Says two." and second.readme.startswith("# Say")
    assert code_of(second.latest) == CODE.format("two ")
    assert code_of(second.versions[1]) == CODE.format("one ")
    assert second.versions[1].created_at < second.latest.created_at
    assert second.latest.input_schema["required"] == ["text"]


def test_what_has_not_changed_is_the_same_version_at_the_same_time(folder, published):
    first, _ = published.push(folder, "ada/say")
    os.utime(folder / "predict.py", (1, 1))
    for skipped in (".git", "__pycache__", ".cog"):
        (folder / skipped).mkdir()
        (folder / skipped / "x").write_text("belongs to no model")
    again, is_new = published.push(folder, "ada/say")
    assert not is_new and again.latest == first.latest


def test_what_was_before_is_the_latest_again_when_it_is_pushed_again(folder, published):
    first, _ = published.push(folder, "ada/say")
    published.push(model(folder, "two "), "ada/say")
    back, is_new = published.push(model(folder, "one "), "ada/say")
    assert not is_new and back.latest.id == first.latest.id and len(back.versions) == 2


def test_two_models_of_one_folder_share_it_and_have_versions_of_their_own(folder, published):
    mine, _ = published.push(folder, "ada/say")
    yours, _ = published.push(folder, "bob/say")
    assert mine.latest.id != yours.latest.id
    assert mine.latest.code.folder == yours.latest.code.folder
    published.remove_version("ada/say", mine.latest.id)
    assert code_of(published.read("bob/say").latest)
    published.remove_version("bob/say", yours.latest.id)
    assert not Path(yours.latest.code.folder).exists()


def test_nobody_writes_into_a_version_by_mistake(folder, published):
    pushed, _ = published.push(folder, "ada/say")
    for file in Path(pushed.latest.code.folder).iterdir():
        assert not file.stat().st_mode & 0o222


def test_links_within_the_folder_are_kept(folder, published):
    (folder / "weights").mkdir()
    (folder / "weights" / "a.bin").write_text("a")
    (folder / "latest.bin").symlink_to(folder / "weights" / "a.bin")
    (folder / "current").symlink_to("weights")
    first, _ = published.push(folder, "ada/say")
    kept = Path(first.latest.code.folder)
    assert os.readlink(kept / "latest.bin") == "weights/a.bin"
    assert (kept / "current" / "a.bin").read_text() == "a"
    (folder / "current").unlink()
    assert published.push(folder, "ada/say")[1]


@pytest.mark.parametrize(
    ("place", "target", "said"),
    [
        ("weights", "/etc", "weights is a link out of the folder, to /etc"),
        ("deep/passwd", "../../../../../../../../etc/passwd", "deep/passwd is a link out"),
        ("nothing", "missing.bin", "nothing is a link to nothing"),
        ("round", "round", "round is a link to nothing"),
        ("hidden", ".git", "hidden is a link out"),
    ],
)
def test_a_link_that_leads_out_is_refused_by_name(folder, published, place, target, said):
    (folder / ".git").mkdir()
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).symlink_to(target)
    with pytest.raises(BrokenModel, match=said):
        published.push(folder, "ada/say")
    assert not list((published.records.root / "folders").iterdir())


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("cog.yaml", "predict: predict.py:Predictor\nbuild: [", "cog.yaml, line 2"),
        ("cog.yaml", "predict: predict.py:Predictor\nruns: x", "cog.yaml: unknown key runs"),
        ("predict.py", "\ndef Predictor(", "predict.py, line 2"),
        ("predict.py", "raise SystemExit(3)", "predict.py, line 1"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_with_file_and_line(
    folder, published, file, text, said
):
    (folder / file).write_text(text)
    with pytest.raises(BrokenModel, match=said):
        published.push(folder, "ada/say")
    assert published.records.all() == {}


def test_what_cannot_be_pushed_says_why(folder, published, tmp_path):
    for name in ("say", "ada/", "../say", "ada/../x", "ada/say/x", "a b/c"):
        with pytest.raises(InvalidRequest, match="must be owner/name"):
            published.push(folder, name)
    with pytest.raises(InvalidRequest, match="no folder"):
        published.push(tmp_path / "none", "ada/say")
    with pytest.raises(InvalidRequest, match=r"no cog\.yaml"):
        published.push(tmp_path, "ada/say")
    with pytest.raises(InvalidRequest, match="Atelier's own data"):
        published.push(model(tmp_path, "x"), "ada/say")


def test_a_name_that_another_model_has_is_refused(folder, tmp_path):
    taken = names([folder.parent], tmp_path / "data")
    assert {"local/say", "starter/story"} <= taken
    with pytest.raises(AlreadyExists):
        Published(tmp_path / "data", taken.__contains__).push(folder, "local/say")


def test_a_model_may_wait_for_its_first_version_and_outlive_its_last(folder, published):
    empty = published.create("ada/say", About(1.0, description="Soon."))
    assert empty.versions == () and empty.description == "Soon." and empty.published
    with pytest.raises(AlreadyExists):
        published.create("ada/say", About(1.0))
    pushed, _ = published.push(folder, "ada/say")
    assert pushed.description == "Soon."
    with pytest.raises(InvalidRequest, match="has 1 version"):
        published.remove("ada/say")
    with pytest.raises(NotFound):
        published.remove_version("ada/say", "0" * 64)
    published.remove_version("ada/say", pushed.latest.id)
    assert published.change("ada/say", {"readme": "Gone."}).readme == "Gone."
    published.remove("ada/say")
    with pytest.raises(NotFound):
        published.read("ada/say")


async def test_the_catalog_takes_up_what_another_process_pushes_and_deletes(tmp_path, folder):
    other = Published(tmp_path / "data")
    first, _ = other.push(folder, "ada/say")
    catalog = Catalog.load([], tmp_path / "data", specs=tmp_path / "none")
    assert catalog.find("ada/say") == first
    second, _ = other.push(model(folder, "two "), "ada/say")
    assert await catalog.fresh("ada/say") == second.latest
    assert catalog.resolve(first.latest.id) == first.latest
    other.remove_version("ada/say", first.latest.id)
    await catalog.take_up()
    with pytest.raises(Exception, match="was deleted; the latest of ada/say is"):
        catalog.resolve(f"ada/say:{first.latest.id}")
    assert "was deleted" in catalog.why_gone(first.latest)
    other.remove_version("ada/say", second.latest.id)
    await catalog.take_up()
    assert catalog.models() == () and catalog.known("ada/say").versions == ()
    with pytest.raises(NotFound, match="has no version yet: `python app.py push DIR ada/say`"):
        catalog.find("ada/say")
    other.remove("ada/say")
    await catalog.take_up()
    assert "ada/say" not in catalog


async def test_a_pushed_model_that_cannot_be_read_harms_no_other(tmp_path, folder):
    published = Published(tmp_path / "data")
    pushed, _ = published.push(folder, "ada/say")
    published.push(model(folder, "two "), "bob/say")
    shutil.rmtree(pushed.latest.code.folder)
    catalog = Catalog.load([], tmp_path / "data", specs=tmp_path / "none")
    assert [each.model for each in catalog.broken] == ["ada/say"]
    assert catalog.find("bob/say")
    assert published.push(model(folder, "one "), "ada/say")[0].latest.id == pushed.latest.id
    assert await catalog.fresh("ada/say") == published.read("ada/say").latest


async def test_a_damaged_newest_version_is_refused_by_name_and_the_older_runs_by_its_id(
    tmp_path, folder
):
    published = Published(tmp_path / "data")
    first, _ = published.push(folder, "ada/say")
    second, _ = published.push(model(folder, "two "), "ada/say")
    (Path(second.latest.code.folder) / "predict.py").unlink()
    catalog = Catalog.load([], tmp_path / "data", specs=tmp_path / "none")
    damage = f"Its version {second.latest.id[:12]} cannot be used: .*predict.py does not exist"
    with pytest.raises(BrokenModel, match=f"{damage}.* ask for an older one by its id") as caught:
        await catalog.fresh("ada/say")
    assert f"ada/say:{first.latest.id}" in str(caught.value)
    for reference in (second.latest.id, f"ada/say:{second.latest.id}"):
        with pytest.raises(BrokenModel, match=damage):
            await catalog.fresh(reference)
    for reference in (first.latest.id, f"ada/say:{first.latest.id}"):
        assert (await catalog.fresh(reference)).code == first.latest.code
    published.push(folder, "ada/say")  # the same once more mends it
    assert (await catalog.fresh("ada/say")).id == second.latest.id
    assert code_of(await catalog.fresh("ada/say")) == CODE.format("two ")


async def test_a_damaged_older_version_says_so_and_the_newest_runs(tmp_path, folder):
    published = Published(tmp_path / "data")
    first, _ = published.push(folder, "ada/say")
    second, _ = published.push(model(folder, "two "), "ada/say")
    shutil.rmtree(first.latest.code.folder)
    catalog = Catalog.load([], tmp_path / "data", specs=tmp_path / "none")
    assert await catalog.fresh("ada/say") == second.latest
    with pytest.raises(BrokenModel, match=f"Its version {first.latest.id[:12]} cannot be used"):
        await catalog.fresh(first.latest.id)


def test_what_a_run_has_added_to_a_version_outlives_a_push_of_the_same(folder, published):
    pushed, _ = published.push(folder, "ada/say")
    (Path(pushed.latest.code.folder) / "weights").mkdir()
    published.push(folder, "ada/say")
    assert (Path(pushed.latest.code.folder) / "weights").is_dir()


def test_a_live_folder_says_so_and_a_pushed_one_does_not(tmp_path, folder):
    Published(tmp_path / "data").push(folder, "ada/say")
    catalog = Catalog.load([tmp_path], tmp_path / "data", specs=tmp_path / "none")
    assert catalog.find("local/say").live and not catalog.find("ada/say").live


DIES = """
import os, sys
from pathlib import Path
from model_registry.published import Published

left = int(sys.argv[3])
replace = Path.replace

def dies(self, target):
    global left
    left -= str(target).startswith(sys.argv[1] + "/published")
    if left < 0:
        os.kill(os.getpid(), 9)
    return replace(self, target)

Path.replace = dies
Published(Path(sys.argv[1])).push(Path(sys.argv[2]), "ada/say")
"""


@pytest.mark.parametrize("step", [0, 1])
def test_a_push_that_is_killed_between_its_steps_leaves_nothing(tmp_path, folder, step):
    """It has two: the folder takes its place, then the version is put on record."""
    data = tmp_path / "data"
    first, _ = Published(data).push(folder, "ada/say")
    model(folder, "two ")
    command = [sys.executable, "-c", DIES, str(data), str(folder), str(step)]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    after = Published(data)
    assert after.read("ada/say") == first
    assert list((data / "published" / "incoming").iterdir())
    after.records.sweep()
    assert not list((data / "published" / "incoming").iterdir())
    assert not list((data / "published").glob("*/.*"))
    assert len(list((data / "published" / "folders").iterdir())) == 1
    second, is_new = after.push(folder, "ada/say")
    assert is_new and code_of(second.latest) == CODE.format("two ")


def test_what_is_on_its_way_is_not_swept(published):
    with published.records.incoming() as place:
        Published(published.records.root.parent).records.sweep()
        assert place.is_dir()
    assert not place.exists()
