"""Rules of higher rank: what binds a policy from a date on, and where it keeps or breaks them."""

from __future__ import annotations

import json
import pickle
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.worlds import load
from tierkit.cli import main
from tierkit.policy import (
    Overlay,
    Policy,
    PolicyError,
    PolicyWarning,
    check,
    check_overlays,
    diff,
    overlay_names,
    presets,
)
from tierkit.policy.overlays.rules import CONDITIONS
from tierkit.records import SHANGHAI, InputError, Parameter

NATIONAL, CITY = "national-2025", "shanghai-2026"
BOUND = ("shanghai-2025", "chongming-2025", "jiading-2025", "jinshan-2025")
ALL_IN_FORCE = "2026-01-01"
CITED = Parameter(0.1, "inspections/enterprise-year", source="a plan of special checks")
KEPT: dict[str, Any] = {
    "cap.planned_visits": 2,
    "offsite.coverage": 0.1,
    "offsite.substitution": 0.5,
    "check_code.action": "merge",
    "frequency.tier.T4.key": 2.0,
    "campaign.rate": CITED,
}
"""What of legacy has to change so that it keeps both rules."""


def of(changes: dict[str, Any]) -> Policy:
    return load("legacy").reform(changes, name="made")


def broken(policy: Policy | str, on: str = ALL_IN_FORCE, overlays: Any = (NATIONAL, CITY)) -> dict[str, Any]:
    """Return requirement → parameters that break it and their values."""
    found = check_overlays(policy, on, overlays).broken
    return {one.requirement.id: {c.parameter: value for c, value in one.failed()} for one in found}


# What each requirement asks


def test_these_rules_come_with_tierkit() -> None:
    assert overlay_names() == (NATIONAL, CITY)
    for name in overlay_names():
        rule = Overlay.load(name)
        assert rule.name == name
        assert all(one.from_ >= rule.date for one in rule.requirements)
        for label in (
            rule.title,
            *(t for r in rule.requirements for t in (r.text, r.remedy, r.unshown) if t),
        ):
            assert any("\u4e00" <= char <= "\u9fff" for char in label.zh)
            assert not any("\u4e00" <= char <= "\u9fff" for char in label.en)
    national, city = map(Overlay.load, overlay_names())
    assert (national.document, national.date) == ("国办发〔2024〕54号", date(2024, 12, 30))
    assert city.date == date(2026, 1, 1)


def test_a_policy_that_carries_everything_keeps_both_rules() -> None:
    held = check_overlays(of(KEPT), ALL_IN_FORCE, [NATIONAL, CITY])
    assert held.broken == held.later == ()
    assert [one.requirement.id for one in held.findings if one.standing == "kept"] == [
        "yearly-cap", "off-site-first", "joined-visits", "graded", "special-approval", "special-plan",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "breaks"),
    [
        ({"cap.planned_visits": 0}, {"yearly-cap": {"cap.planned_visits": 0}}),
        ({"cap.period_weeks": 53}, {"yearly-cap": {"cap.period_weeks": 53}}),
        (
            {"cap.planned_visits": 0, "cap.period_weeks": 104},
            {"yearly-cap": {"cap.planned_visits": 0, "cap.period_weeks": 104}},
        ),
        ({"cap.period_weeks": 52, "cap.planned_visits": 1}, {}),
        ({"offsite.coverage": 0.0}, {"off-site-first": {"offsite.coverage": 0.0}}),
        ({"offsite.substitution": 0.0}, {"off-site-first": {"offsite.substitution": 0.0}}),
        (
            {"check_code.action": "none"},
            {"joined-visits": {"check_code.action": "none", "joint.sectors": ()}},
        ),
        ({"check_code.action": "none", "joint.sectors": ["food"]}, {}),
        ({"check_code.action": "refuse", "check_code.window_weeks": 2}, {}),
        ({"frequency.tier.T4.key": 1.0}, {"graded": {"frequency.tier": (1.0,), "depth.tier": (1.0,)}}),
        ({"frequency.tier.T4.key": 1.0, "depth.tier.T4": 1.5}, {}),
        (
            {"campaign.rate": 0.1},
            {"special-approval": {"campaign.rate": 0.1}, "special-plan": {"campaign.rate": 0.1}},
        ),
        ({"campaign.rate": 0.0}, {}),
    ],
)
def test_each_requirement_is_broken_by_its_parameters_alone(
    change: dict[str, Any], breaks: dict[str, Any]
) -> None:
    assert broken(of(KEPT | change)) == breaks


def test_frequencies_that_differ_by_item_alone_are_not_graded() -> None:
    every = {f"frequency.tier.{tier}.key": 2.0 for tier in ("T1", "T2", "T3", "T4")}
    assert broken(of(KEPT | every))["graded"] == {"frequency.tier": (1.0, 2.0), "depth.tier": (1.0,)}


def test_what_no_parameter_shows_is_listed_and_never_kept() -> None:
    held = check_overlays(of(KEPT), ALL_IN_FORCE, [NATIONAL, CITY])
    assert [one.requirement.id for one in held.findings if one.standing == "unshown"] == [
        "plan-approved", "plan-filed", "plan-published", "urgent-plan",
    ]  # fmt: skip
    assert {one.requirement.id for one in held.unshown} >= {"yearly-cap", "plan-filed", "special-approval"}
    for lang in ("en", "zh"):
        last = held.sentences(lang)[-1]
        for one in held.unshown:
            assert one.requirement.unshown
            assert one.requirement.unshown.text(lang) in last
            assert one.name in last


# Dates


def test_a_requirement_binds_from_its_date_on_and_not_before() -> None:
    legacy = load("legacy")
    before = check_overlays(legacy, "2024-12-29", [NATIONAL, CITY])
    assert before.broken == before.unshown == ()
    assert len(before.later) == len(before.findings)
    assert set(broken(legacy, "2024-12-30")) == {"off-site-first", "joined-visits"}
    assert set(broken(legacy, "2025-06-30")) == {"off-site-first", "joined-visits"}
    assert set(broken(legacy, "2025-07-01")) == {"yearly-cap", "off-site-first", "joined-visits", "graded"}
    campaign = of({"campaign.rate": 0.1})
    assert broken(campaign, "2025-12-31", [CITY]) == {}
    assert set(broken(campaign, "2026-01-01", [CITY])) == {"special-plan"}


def test_the_day_is_that_of_the_policy_unless_given() -> None:
    assert check_overlays("jiading-2025").on == date(2025, 1, 26)
    assert check_overlays("jiading-2025", date(2025, 7, 1)).on == date(2025, 7, 1)
    with pytest.raises(InputError, match="on"):
        check_overlays("jiading-2025", 2025)  # type: ignore[arg-type]


def test_a_value_counts_as_it_is_in_force_on_the_day() -> None:
    later = Parameter(2, "visits/level/period", source="a notice", from_=date(2025, 9, 1))
    policy = load("shanghai-2025").reform({"cap.planned_visits": later})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert broken(policy, "2025-08-31", [NATIONAL]) == {"yearly-cap": {"cap.planned_visits": 0}}
        assert broken(policy, "2025-09-01", [NATIONAL]) == {}


# What policies state


def test_presets_state_what_bound_them_on_their_date() -> None:
    stated = {name: load(name).meta.overlays for name in presets()}
    assert {name for name in stated if stated[name]} == set(BOUND)
    for name in BOUND:
        assert stated[name] == (NATIONAL,)
        assert Overlay.load(NATIONAL).date <= load(name).meta.date
        held = check_overlays(name)
        assert (held.broken, len(held.later)) == ((), 2)
    late = {name: broken(name, "2025-07-01", None) for name in BOUND}
    assert late.pop("jinshan-2025") == {}
    assert set(map(str, late.values())) == {"{'yearly-cap': {'cap.planned_visits': 0}}"}


def test_a_policy_without_overlays_is_held_against_none() -> None:
    held = check_overlays("legacy")
    assert (held.overlays, held.findings) == ((), ())
    assert "no rule of higher rank" in held.sentences("en")[0]
    assert "未列上位规定" in held.sentences("zh")[0]


def _file(folder: Path, name: str, head: str, rest: str = "") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(f'[meta]\nname = "{name}"\n{head}\n{rest}', "utf-8")
    return path


def test_overlays_are_those_of_the_baseline_unless_given(tmp_path: Path) -> None:
    inherits = _file(tmp_path, "a", 'baseline = "shanghai-2025"')
    more = _file(tmp_path, "b", f'baseline = "a.toml"\noverlays = ["{NATIONAL}", "{CITY}"]')
    none = _file(tmp_path, "c", 'baseline = "b.toml"\noverlays = []')
    again = _file(tmp_path, "d", 'baseline = "c.toml"')
    stated = [Policy.load(path).meta.overlays for path in (inherits, more, none, again)]
    assert stated == [(NATIONAL,), (NATIONAL, CITY), (), ()]
    legacy, plan = load("legacy"), load("shanghai-2025")
    assert plan.reform({"depth.detection": 0.8}).meta.overlays == (NATIONAL,)
    assert plan.reform(inherits).meta.overlays == (NATIONAL,)
    assert legacy.reform(_file(tmp_path, "e", f'overlays = ["{CITY}"]')).meta.overlays == (CITY,)
    assert plan.at(SHANGHAI, date(2026, 1, 1)).meta.overlays == (NATIONAL,)


def test_overlays_change_no_hash_and_no_value(tmp_path: Path) -> None:
    plain = Policy.load(_file(tmp_path, "a", 'baseline = "legacy"'))
    bound = Policy.load(_file(tmp_path, "b", f'baseline = "legacy"\noverlays = ["{NATIONAL}"]'))
    assert plain.hash == bound.hash == load("legacy").hash
    assert diff(plain, bound).empty


@pytest.mark.parametrize("overlays", [(), (CITY,), (NATIONAL, CITY)])
def test_overlays_are_kept_by_toml_json_and_copies(overlays: tuple[str, ...], tmp_path: Path) -> None:
    named = json.dumps(list(overlays))
    policy = Policy.load(_file(tmp_path, "a", f'baseline = "shanghai-2025"\noverlays = {named}'))
    assert policy.meta.overlays == overlays
    for against in (None, load("shanghai-2025")):
        assert Policy.loads(policy.to_toml(against=against)).meta.overlays == overlays
    assert Policy.loads(policy.to_toml()) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert policy.to_dict()["meta"]["overlays"] == list(overlays)
    assert all(one in policy._repr_html_() for one in overlays)


def test_a_difference_from_a_baseline_without_overlays_says_nothing_of_them() -> None:
    assert "overlays" not in load("oracle").to_toml(against=load("legacy"))
    assert "overlays" not in load("legacy").to_toml()
    assert f'overlays = ["{NATIONAL}"]' in load("shanghai-2025").to_toml()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('["natonal-2025"]', "did you mean 'national-2025'?"),
        ('["of the moon"]', "overlays are national-2025, shanghai-2026"),
        ('"national-2025"', "must be a list of names of overlays, each once"),
        ('["national-2025", "national-2025"]', "each once"),
        ("[1]", "must be a list of names"),
        ("[[]]", "must be a list of names"),
        ('[""]', "must be a list of names"),
    ],
)
def test_a_name_that_is_no_overlay_is_a_problem_with_its_line(given: str, said: str, tmp_path: Path) -> None:
    (problem,) = check(_file(tmp_path, "a", f'baseline = "legacy"\noverlays = {given}'))
    assert (problem.line, problem.parameter, problem.warning) == (4, "meta.overlays", False)
    assert said in problem.message
    assert problem.remedy


# Words and forms


def test_what_is_broken_is_told_in_both_languages() -> None:
    held = check_overlays("shanghai-2025", "2025-07-01")
    (one,) = held.broken
    for lang, must in (("en", "at least 1"), ("zh", "不小于1")):
        (_, said, *_) = held.sentences(lang)
        assert one.requirement.remedy
        known = ("yearly-cap", "国办发〔2024〕54号", "2025-07-01", "cap.planned_visits", must)
        assert [word for word in known if word not in said] == []
        assert one.requirement.text.text(lang) in said
        assert one.requirement.remedy.text(lang) in said
    everything = check_overlays("legacy", ALL_IN_FORCE, [NATIONAL, CITY])
    assert not any("{" in line for lang in ("en", "zh") for line in everything.sentences(lang))
    assert len(everything.sentences("zh")) == len(everything.sentences("en")) == 6


def test_the_frame_and_the_data_hold_every_requirement() -> None:
    held = check_overlays(of(KEPT | {"cap.planned_visits": 0}), "2025-12-31", [NATIONAL, CITY])
    frame = held.to_frame()
    assert set(frame["requirement"]) == {
        one.id for name in overlay_names() for one in Overlay.load(name).requirements
    }
    assert frame[frame["standing"] == "broken"]["holds"].tolist() == [False, True]
    told = held.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert [(one["parameter"], one["value"]) for one in told["broken"]] == [("cap.planned_visits", 0)]
    assert len(told["later"]) == 5
    assert "cap.planned_visits" in held._repr_html_()
    assert repr(held).startswith("OverlayCheck(made on 2025-12-31")


def _said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["policy", *words])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_command_says_where_a_policy_breaks_its_overlays(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = _said(capsys, "check", "shanghai-2025", "--on", "2025-07-01")
    assert (status, err) == (0, "")
    (row,) = [line for line in out.splitlines() if "yearly-cap   cap.planned_visits  0" in line]
    assert "at least 1" in row
    assert "set cap.planned_visits to the limit" in row
    assert "国办发〔2024〕54号" in row
    (listed,) = [line for line in out.splitlines() if line.startswith("Nothing in a policy shows: ")]
    assert listed.count(NATIONAL) == 4
    assert "Not yet in force: national-2025 yearly-cap (2025-07-01)" in _said(capsys, "check", BOUND[0])[1]
    assert _said(capsys, "check", "legacy")[1] == "legacy can be used.\n"
    _, out, _ = _said(capsys, "check", "legacy", "--overlay", CITY, "--on", "2026-01-01", "--json")
    told = json.loads(out)["overlays"]
    assert (told["overlays"], told["broken"], len(told["unshown"])) == ([CITY], [], 5)
    status, _, err = _said(capsys, "check", "legacy", "--overlay", "natonal-2025", "--on", "soon")
    assert status == 2
    assert "did you mean 'national-2025'?" in err
    assert "'soon' is not a date" in err


def test_the_command_shows_what_a_policy_states(capsys: pytest.CaptureFixture[str]) -> None:
    assert f'overlays = ["{NATIONAL}"]' in _said(capsys, "show", "jinshan-2025")[1]
    assert json.loads(_said(capsys, "show", "jinshan-2025", "--json")[1])["overlays"] == [NATIONAL]
    assert json.loads(_said(capsys, "show", "legacy", "--json")[1])["overlays"] == []


def test_a_policy_that_should_have_been_meant_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dark = '[frequency]\nrandom_floor = { value = 0, unit = "draws/obligation-year", assumption = "to see" }'
    path = _file(tmp_path, "dark", 'baseline = "shanghai-2025"', dark)
    status, out, err = _said(capsys, "check", str(path))
    assert (status, err) == (0, "")
    assert "without equal-chance audits" in out
    assert f"under {NATIONAL}" in out
    with pytest.warns(PolicyWarning):
        Policy.load(path)


# Rules of one's own

OWN = """
[meta]
name = "ours"
title = ["本地规定", "Our rule"]
document = "a notice"
date = 2025-01-01

[fewer-visits]
from = 2025-02-01
source = "a notice, 3"
text = ["每年最多三次。", "Three a year at most."]
all = [{ parameter = "cap.planned_visits", at_most = 3 }]
remedy = ["调低", "lower it"]
"""


def _own(folder: Path, text: str = OWN) -> Path:
    path = folder / "ours.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_rule_of_ones_own_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _own(tmp_path)
    assert broken(of({"cap.planned_visits": 4}), overlays=[path]) == {
        "fewer-visits": {"cap.planned_visits": 4}
    }
    assert broken(of({"cap.planned_visits": 3}), overlays=[Overlay.load(path)]) == {}
    assert (
        "under ours. Requirements kept as far as a policy shows: 1;"
        in _said(capsys, "check", "legacy", "--overlay", str(path), "--on", "2025-02-01")[1]
    )


def test_the_text_of_a_strangers_rule_steers_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _own(tmp_path, OWN + 'unshown = ["甲", "a\\u001b[31mb"]\n')
    for cap in ("legacy", "jinshan-2025"):
        out = _said(capsys, "check", cap, "--overlay", str(path), "--on", "2025-02-01")[1]
        assert "a[U+001B][31mb" in out
        assert "\x1b" not in out


@pytest.mark.parametrize("name", sorted(set(presets()) - set(BOUND)))
def test_every_preset_can_be_held_against_every_rule(name: str) -> None:
    held = check_overlays(load(name), ALL_IN_FORCE, overlay_names())
    assert {one.standing for one in held.findings} - {"kept"} == {"broken", "unshown"}


@pytest.mark.parametrize(
    ("old", "new", "said", "line"),
    [
        ('document = "a notice"', "", "'meta.document' is missing", 2),
        ('name = "ours"', "name = 3", "'meta.name' must be a text", 3),
        ("date = 2025-01-01", 'date = "soon"', "'meta.date' must be a date", 6),
        ('["本地规定", "Our rule"]', '"Our rule"', "'meta.title' must be two texts", 4),
        ("[fewer-visits]", "[Fewer_visits]", "'Fewer_visits' is not a name of a requirement", 8),
        ("from = 2025-02-01", "form = 2025-02-01", "(did you mean 'from'?)", 9),
        ("from = 2025-02-01", "", "'fewer-visits.from' is missing", 8),
        ("at_most = 3", "atmost = 3", "a condition that is not a parameter with one of", 12),
        ("at_most = 3", "at_most = 3, above = 0", "a condition that is not a parameter with one of", 12),
        ("at_most = 3", "at_most = true", "must be a number", 12),
        ("at_most = 3", "at_most = nan", "must be a number", 12),
        ("at_most = 3", f"at_most = {10**400}", "must be a number up to 1,000,000", 12),
        ("at_most = 3", "named = true", "'cap.planned_visits', which 'named' is not about", 12),
        ('"cap.planned_visits"', '"cap.planed_visits"', "did you mean 'cap.planned_visits'?", 12),
        ('"cap.planned_visits"', "[]", "which no policy has", 12),
        ('"cap.planned_visits", at_most = 3', '"check_code.action", one_of = ["join"]', "what it may be", 12),
        ('"cap.planned_visits", at_most = 3', '"check_code.action", one_of = [[]]', "what it may be", 12),
        ('"cap.planned_visits", at_most = 3', '"depth.tier", differs = 1', "must be true", 12),
        ('"cap.planned_visits", at_most = 3', '"frequency.sector.food", above = 0', "no policy has", 12),
        ('all = [{ parameter = "cap.planned_visits", at_most = 3 }]', "all = []", "list of conditions", 12),
        (
            'all = [{ parameter = "cap.planned_visits", at_most = 3 }]',
            "",
            "neither conditions nor unshown",
            8,
        ),
        ("all = [{", "any = []\nall = [{", "has both all and any", 8),
        ('remedy = ["调低", "lower it"]', "", "has conditions and no remedy", 8),
        (OWN[OWN.index("[fewer") :], "", "states no requirement", None),
        (OWN[OWN.index("[fewer") :], "fewer = 3", "'meta.fewer' is not known", 8),
        ("[meta]", "fewer = 3\n[meta]", "'fewer' must be a table", 2),
        ("[meta]", "[meta", "the file", 2),
    ],
)
def test_a_rule_that_is_wrong_says_what_and_where(
    old: str, new: str, said: str, line: int | None, tmp_path: Path
) -> None:
    assert old in OWN
    path = _own(tmp_path, OWN.replace(old, new, 1))
    with pytest.raises(PolicyError) as caught:
        Overlay.load(path)
    told = [one for one in caught.value.problems if said in one.message]
    assert told, [one.message for one in caught.value.problems]
    assert (told[0].line, told[0].place) == (line, "ours.toml")
    assert all(one.remedy for one in caught.value.problems)


def test_every_kind_of_condition_is_used_by_a_rule_or_tested_here() -> None:
    used = {c.kind for name in overlay_names() for r in Overlay.load(name).requirements for c in r.conditions}
    assert used == set(CONDITIONS)


@pytest.mark.parametrize("given", ["national-2025", 3, [3], [""], [None]])
def test_what_is_no_list_of_overlays_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="overlay"):
        check_overlays("legacy", overlays=given)


def test_a_rule_that_is_not_there_is_named() -> None:
    with pytest.raises(PolicyError, match=r"neither an overlay nor a file \(did you mean 'shanghai-2026'"):
        check_overlays("legacy", overlays=["shanghai-2025"])
    with pytest.raises(PolicyError, match="neither an overlay nor a file"):
        Overlay.load("x" * 5_000)


# Existing practice


def test_campaigns_of_before_the_rule_are_not_shown_and_new_ones_without_a_document_break_it() -> None:
    asked = {"special-approval", "special-plan"}
    for name in ("legacy", *BOUND):
        held = check_overlays(name, ALL_IN_FORCE, [NATIONAL, CITY])
        assert load(name)["campaign.rate"] == load("legacy")["campaign.rate"] > 0
        assert asked <= {one.requirement.id for one in held.findings if one.standing == "unshown"}
        assert not asked & {one.requirement.id for one in held.broken}
        for lang, word in (("en", "go on as before"), ("zh", "沿用原有做法")):
            assert word in held.sentences(lang)[-1]
    new = of({"campaign.rate": 0.05})
    assert asked <= set(broken(new)), "the same rate, but ordered now"
    later = Parameter(0.05, "inspections/enterprise-year", assumption="x", from_=date(2025, 6, 1))
    assert "special-approval" in broken(of({"campaign.rate": later})), "after the national rule"
    assert "special-plan" not in broken(of({"campaign.rate": later})), "and before the city's"
    assert not asked & set(broken("minhang-2023")), "whose text bars them"


def test_no_plan_differs_from_another_by_an_invented_number_of_campaigns() -> None:
    rates = {name: load(name)["campaign.rate"] for name in ("legacy", *BOUND, "minhang-2023")}
    assert rates.pop("minhang-2023") == 0.0
    assert len(set(rates.values())) == 1
