import json
from pathlib import Path

from tierkit.city.synth import make_folder
from tierkit.records import validate

FOLDER = Path(__file__).parent.parent / "data" / "synthetic"


def test_the_world_in_the_project_is_made_again_bit_for_bit(tmp_path):
    manifest = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
    again = make_folder(manifest["enterprises"], manifest["seed"], tmp_path / "again")
    names = sorted(path.name for path in FOLDER.iterdir())
    assert sorted(path.name for path in again.iterdir()) == names
    differ = [name for name in names if (again / name).read_bytes() != (FOLDER / name).read_bytes()]
    assert not differ, f"{differ} differ; if that is meant, run 'make data' and commit what it made"
    other = make_folder(manifest["enterprises"], manifest["seed"] + 1, tmp_path / "other")
    assert (other / "inspections.parquet").read_bytes() != (FOLDER / "inspections.parquet").read_bytes()


def test_the_world_in_the_project_keeps_the_contract():
    assert validate(FOLDER) == []
    manifest = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
    assert manifest["enterprises"] == manifest["tables"]["enterprises"]["rows"] == 2000
    for entry in manifest["tables"].values():
        assert len(entry["sha256"]) == 64
