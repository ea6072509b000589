"""Lists of names in a policy that are given as a CSV: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierkit.policy import Policy, PolicyError

SHANGHAI_2025 = Policy.load("shanghai-2025")


@pytest.mark.parametrize(
    "text",
    [
        "item\nfire-g3\nlabour-g1\n",
        "\ufeff事项,备注\r\nfire-g3,消防通道\r\n\r\n'labour-g1,\r\n",
        "name\nfire-g3\n labour-g1 \n",
    ],
)
def test_items_that_are_left_undisturbed_may_be_a_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "items.csv").write_text(text, "utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(
        """
[meta]
name = "mine"
title_zh = "本地"
title_en = "mine"
document = "D"
date = 2025-03-01
status = "draft"
baseline = "shanghai-2025"

[lists.no_disturb]
items = { value = "items.csv", unit = "names", source = "D 1: the list of the district" }
""",
        "utf-8",
    )
    policy = Policy.load(file)
    assert policy["lists.no_disturb.items"] == ("fire-g3", "labour-g1")
    said = SHANGHAI_2025.reform({"lists.no_disturb.items": ["fire-g3", "labour-g1"]})
    assert policy.hash == said.hash
    # a policy that is written holds the names, and needs the file no more
    assert "items.csv" not in policy.to_toml()


def test_any_list_of_names_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "sectors.csv").write_text("sector\nfood\ngas\n", "utf-8")
    (tmp_path / "kinds.CSV").write_text("name,note\npenalty,of any severity\n", "utf-8")
    policy = SHANGHAI_2025.reform(
        {
            "joint.sectors": str(tmp_path / "sectors.csv"),
            "escalation.kinds": str(tmp_path / "kinds.CSV"),
        }
    )
    assert (policy["joint.sectors"], policy["escalation.kinds"]) == (("food", "gas"), ("penalty",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sector\nfire-g3\n", "must begin with a line that names the column item .* begins with sector"),
        ("item,name\nfire-g3,fire-g3\n", "must begin with a line that names the column item"),
        ("item,agency\nfire-g3,fire\n", "must begin with a line that names the column item"),
        ("", "begins with nothing"),
        ("item\nfire-g3\nfire-g3\n", "must not repeat 'fire-g3'"),
        ("item\nfire-g33\n", r"unknown names: 'fire-g33' \(did you mean 'fire-g3'"),
        ("item,note\nfire-g3\n,why\n", "faulty lines: line 2, line 3; each is of 2 cells"),
        ("item\n" + "a,b\n" * 7, "line 6 and 2 more; each is of 1 cells"),
        ("事项\n".encode("gbk"), "can be read as GBK"),
        (b'item\n"fire', "is no CSV: line 2"),
    ],
)
def test_what_is_wrong_with_a_list_of_names_is_told(tmp_path: Path, text: str | bytes, told: str) -> None:
    file = tmp_path / "items.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PolicyError, match=told):
        SHANGHAI_2025.reform({"lists.no_disturb.items": str(file)})


def test_a_list_of_names_that_is_not_there_or_no_csv_is_told() -> None:
    with pytest.raises(PolicyError, match="or the path of a CSV; there is no such file"):
        SHANGHAI_2025.reform({"lists.no_disturb.items": "nowhere.csv"})
    with pytest.raises(PolicyError, match="must be a list of names, or the path of a CSV that holds them"):
        SHANGHAI_2025.reform({"lists.no_disturb.items": "fire-g3"})
