"""What trainings have made, on disk: whole or not there, once per content, wherever the data is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from errors import BrokenModel
from model_registry.catalog import Catalog
from model_registry.spec import Code, Model, Origin, Version
from model_registry.trained import TrainedVersions

ORIGIN = Origin("local/one:" + "a" * 64, "training", {"word": "cats"})
SCHEMA = {"components": {"schemas": {"Input": {}, "Output": {}}}}


@pytest.fixture
def parent(tmp_path):
    folder = tmp_path / "one"
    (folder / "inner").mkdir(parents=True)
    (folder / "predict.py").write_text("before")
    (folder / "inner" / "more.py").write_text("more")
    code = Code(str(folder), "predict.py:Predictor", train="train.py", packages=("numpy==1",))
    return Version("a" * 64, "local/one", 1.0, SCHEMA, code)


@pytest.fixture
def trained(tmp_path):
    return TrainedVersions(tmp_path / "trained")


@pytest.fixture
def keep(trained, parent, tmp_path):
    def keep(text, destination="local/two", now=5.0, name="weights.bin"):
        trained.keep_code(parent)
        weights = tmp_path / "made" / name
        weights.parent.mkdir(exist_ok=True)
        weights.write_text(text)
        version = trained.keep(parent, destination, weights, ORIGIN, now)
        weights.unlink()
        return version

    return keep


def test_what_is_kept_is_read_again_with_its_code_and_its_weights(trained, parent, keep):
    version = keep("cats")
    assert list(trained.read()) == [version]
    assert (version.model, version.created_at, version.origin) == ("local/two", 5.0, ORIGIN)
    assert version.schema == parent.schema and version.code.packages == ("numpy==1",)
    assert Path(version.code.weights).read_text() == "cats"
    shutil.rmtree(parent.code.folder)
    assert Path(version.code.folder, "predict.py").read_text() == "before"
    assert Path(version.code.folder, "inner", "more.py").read_text() == "more"


def test_an_id_tells_parent_weights_and_destination(trained, parent, keep):
    version = keep("cats")
    assert keep("cats", now=9.0) == version  # as it was when it was first made
    assert len({version.id, keep("dogs").id, keep("cats", "local/three").id}) == 3
    other = replace(parent, id="b" * 64)
    weights = Path(version.code.weights)
    assert trained.keep(other, "local/two", weights, ORIGIN, 5.0).id != version.id


def test_the_data_folder_may_be_moved(trained, keep, tmp_path):
    keep("cats")
    (tmp_path / "trained").rename(tmp_path / "elsewhere")
    (moved,) = TrainedVersions(tmp_path / "elsewhere").read()
    assert Path(moved.code.weights).read_text() == "cats"
    assert Path(moved.code.folder, "predict.py").exists()


def test_a_version_goes_with_its_weights_unless_another_has_them(trained, keep):
    first, second = keep("cats"), keep("cats", "local/three")
    trained.remove(first)
    assert list(trained.read()) == [second] and Path(second.code.weights).exists()
    trained.remove(second)
    assert list(trained.read()) == [] and not Path(second.code.weights).exists()


def test_code_is_copied_once_and_forgotten_if_it_was_not_what_its_id_names(trained, parent, keep):
    copy = Path(keep("cats").code.folder)
    Path(parent.code.folder, "predict.py").write_text("edited")
    trained.keep_code(parent)
    assert (copy / "predict.py").read_text() == "before"
    trained.forget_code(parent)
    assert not copy.exists()


def test_a_record_that_cannot_be_read_harms_no_other(trained, keep, tmp_path):
    version = keep("cats")
    (tmp_path / "trained" / "versions" / "broken.json").write_text("{")
    (tmp_path / "trained" / "versions" / "half.json.17").write_text("{")
    model = Model("local", "two", (replace(version, id="c" * 64, origin=None, created_at=1.0),))
    catalog = Catalog([model], trained=trained)
    assert catalog.find("local/two").latest == version
    (broken,) = catalog.broken
    assert isinstance(broken, BrokenModel) and "broken.json" in str(broken)


def test_a_version_of_a_model_that_has_gone_waits_for_it(trained, keep):
    version = keep("cats")
    catalog = Catalog([], trained=trained)
    assert catalog.models() == ()
    catalog.add(Model("local", "two", (replace(version, id="c" * 64, created_at=1.0),)))
    assert catalog.resolve(version.id) == version


def test_what_a_kill_has_left_is_swept_and_what_versions_are_made_of_stays(
    trained, parent, keep, tmp_path
):
    version = keep("cats")
    whole = sorted((tmp_path / "trained").rglob("*"))
    for half in ("versions/b.123", "weights/0000/w.bin", "code/b.123/predict.py"):
        path = tmp_path / "trained" / half
        path.parent.mkdir(exist_ok=True)
        path.write_text("ha")
    trained.sweep()
    assert sorted((tmp_path / "trained").rglob("*")) == whole
    assert list(trained.read()) == [version]


def test_nothing_is_swept_while_a_record_cannot_be_read(trained, keep, tmp_path):
    keep("cats")
    (record,) = (tmp_path / "trained" / "versions").iterdir()
    record.write_text("{")
    trained.sweep()
    assert len(list((tmp_path / "trained").glob("weights/*/*"))) == 1
