"""The rule that decided each tier, as an id and as a sentence."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.policy import Policy
from tierkit.policy.tiers.rule import Placement, TierRule, is_risk_alone
from tierkit.policy.tiers.standing import BARS
from tierkit.records import LEVELS, TIERS, Label

__all__ = ["REASONS", "reason_codes", "sentences"]

REASONS: Mapping[str, Label] = MappingProxyType(
    {
        "matrix": Label(
            "风险{risk_level}级、信用{credit_grade}级，按等级矩阵列为{tier}（{tier_label}）。",
            "Risk level {risk_level} and credit grade {credit_grade} make tier {tier} ({tier_label}) in the "
            "policy's matrix.",
        ),
        "composite": Label(
            "综合评价{composite_points}分，列为{tier}（{tier_label}）。",
            "A composite score of {composite_points} points makes tier {tier} ({tier_label}).",
        ),
        "red_line": Label(
            "存在红线记录（{red_line}），信用等次不高于{cap}级，列为{tier}（{tier_label}）。",
            "A record that is a red line ({red_line}) caps the credit grade at {cap}, "
            "which makes tier {tier} ({tier_label}).",
        ),
        "red_line_tier": Label(
            "存在未了结的红线记录（{record}），等级按规定不得优于{least}，列为{tier}（{tier_label}）。",
            "A record that is a red line ({record}) is open, under which the policy allows no tier better "
            "than {least}: tier {tier} ({tier_label}).",
        ),
        "escalated": Label(
            "存在未了结的不良记录（{record}），发生未超过{escalation_weeks}周，不论风险高低，"
            "等级按规定不得优于{least}，列为{tier}（{tier_label}）。",
            "An adverse record ({record}) is open and not older than {escalation_weeks} weeks, under which "
            "the policy allows no tier better than {least} whatever the risk: tier {tier} ({tier_label}).",
        ),
        "floor_red_line": Label(
            "存在未了结的红线记录（{record}），等级按底线规定不得为T1，列为{tier}（{tier_label}）。",
            "A record that is a red line ({record}) is open, under which nobody is T1: tier {tier} "
            "({tier_label}).",
        ),
        "floor_serious": Label(
            "检查发现严重问题未超过{serious_weeks}周，等级按底线规定不得为T1，列为{tier}（{tier_label}）。",
            "A serious finding is not older than {serious_weeks} weeks, and for so long nobody is T1: tier "
            "{tier} ({tier_label}).",
        ),
        "floor_highest_risk": Label(
            "风险为最高的{risk_level}级，等级按底线规定不得为T1，列为{tier}（{tier_label}）。",
            "Risk level {risk_level} is the highest, of which nobody is T1: tier {tier} ({tier_label}).",
        ),
        "record_needed": Label(
            "没有不良信用记录，信用按不低于B级计，列为{tier}（{tier_label}）。",
            "There is no adverse record, so credit counts as grade B at worst, which makes tier {tier} "
            "({tier_label}).",
        ),
        "held_by_margin": Label(
            "评分刚越过分界，未超出缓冲（风险{hysteresis_margin}、信用{hysteresis_points}分），"
            "等级保持{tier}（{tier_label}）。",
            "The scores are past a cut-off, but by less than the hysteresis ({hysteresis_margin} log-odds, "
            "{hysteresis_points} points), so the tier stays {tier} ({tier_label}).",
        ),
        "held_by_dwell": Label(
            "等级至少保持{dwell_weeks}周，期满前仍为{tier}（{tier_label}）。",
            "A tier is kept for at least {dwell_weeks} weeks, so it is still {tier} ({tier_label}).",
        ),
        "out_of_scope": Label(
            "所属行业不在本方案分级范围内，按{tier}（{tier_label}）以基准频次检查。",
            "The sector is outside the policy's scope: tier {tier} ({tier_label}), checked at the base rate.",
        ),
        "risk_alone": Label(
            "风险{risk_level}级；没有信用评分，仅按风险列为{tier}（{tier_label}）。",
            "Risk level {risk_level}; there is no credit score, and by risk alone this makes tier {tier} "
            "({tier_label}).",
        ),
    }
)
"""Id of a rule → sentence with placeholders, in Chinese and English; the order is that of the codes."""

_ALONE: Mapping[str, Label] = MappingProxyType(
    {
        "red_line": Label(
            "存在红线记录（{red_line}），虽没有信用评分，仍按信用等次不高于{cap}级列为{tier}（{tier_label}）。",
            "There is no credit score; a record that is a red line ({red_line}) still counts as the grade "
            "{cap}, which makes tier {tier} ({tier_label}).",
        ),
        "held_by_margin": Label(
            "风险评分刚越过分界，未超出缓冲（{hysteresis_margin}），等级保持{tier}（{tier_label}）。",
            "The risk is past a cut-off, but by less than the hysteresis ({hysteresis_margin} log-odds), so "
            "the tier stays {tier} ({tier_label}).",
        ),
    }
)
"""What is said otherwise by risk alone."""
_ORDER = tuple(REASONS)
_WITHOUT_RECORD = Label(
    "没有不良信用记录，信用按不低于B级计。",
    "There is no adverse record, so credit counts as grade B at worst.",
)


_DECIDING = (
    "out_of_scope", *(f"floor_{one}" for one in BARS), "red_line_tier", "escalated", "held_by_dwell",
    "red_line", "held_by_margin", "record_needed",
)  # fmt: skip


def reason_codes(placed: Placement, rule: TierRule) -> NDArray[np.int8]:
    """Return the position in `REASONS` of the rule that decided each tier: the last that changed it."""
    plain = _ORDER.index("composite" if rule.composite else "risk_alone" if rule.risk_alone else "matrix")
    return np.select(
        [
            ~placed.in_scope,
            *(placed.by_floor & barred for barred in placed.bars),
            placed.by_record & placed.red_tier,
            placed.by_record,
            placed.tier != placed.candidate,
            placed.by_red_line,
            placed.candidate != placed.fresh,
            placed.by_need & placed.without_record,
        ],
        [_ORDER.index(one) for one in _DECIDING],
        plain,
    ).astype(np.int8)


def sentences(assigned: pd.DataFrame, policy: Policy, lang: str = "zh") -> pd.Series:
    """Return the reason of each tier as a sentence for an official document.

    Parameters
    ----------
    assigned : pandas.DataFrame
        As `tierkit.policy.tiers.assign` returns it, or some of its rows.
    policy : Policy
        The policy it was assigned under.
    lang : str
        ``"zh"`` or ``"en"``.

    Returns
    -------
    pandas.Series of str, with the index of ``assigned``

    Examples
    --------
    >>> from tierkit.policy.tiers import assign
    >>> scores = pd.DataFrame({"enterprise_id": ["a"], "sector": ["gas"], "risk_probability": [0.05],
    ...                        "credit_points": [650.0]})
    >>> jiading = Policy.load("jiading-2025")
    >>> sentences(assign(scores, jiading), jiading, "en").iloc[0]
    "Risk level 1 and credit grade A make tier T1 (left undisturbed) in the policy's matrix."
    """
    fixed: dict[str, object] = {
        "hysteresis_margin": f"{policy['review.hysteresis_margin']:g}",
        "hysteresis_points": f"{policy['review.hysteresis_points']:g}",
        "dwell_weeks": policy["review.dwell_weeks"],
        "escalation_weeks": policy["escalation.max_weeks"],
        "serious_weeks": policy["floors.serious_weeks"],
    }
    said_of = {**REASONS, **(_ALONE if is_risk_alone(policy) else {})}
    texts = []
    for row in assigned.to_dict("records"):
        kind = row["red_line"]
        facts = {str(key): value for key, value in row.items()} | fixed
        facts["tier_label"] = policy.tier_names[TIERS.index(row["tier"])].text(lang)
        facts["composite_points"] = f"{row['composite_points']:.1f}"
        if not pd.isna(kind):
            facts |= {"red_line": LEVELS["event_kind"][kind].text(lang), "cap": policy[f"red_lines.{kind}"]}
        if not pd.isna(row["tier_record"]):
            least = "red_line_tier" if row["tier_reason"] == "red_line_tier" else "escalation"
            facts |= {
                "record": LEVELS["event_kind"][row["tier_record"]].text(lang),
                "least": policy[f"{least}.tier"],
            }
        said = [said_of[row["tier_reason"]].text(lang).format_map(facts)]
        if row["without_record"] and row["tier_reason"] != "record_needed":
            said.append(_WITHOUT_RECORD.text(lang))
        texts.append((" " if lang == "en" else "").join(said))
    return pd.Series(texts, index=assigned.index, dtype="str", name="reason")
