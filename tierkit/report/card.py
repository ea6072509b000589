"""The model card: purpose, evaluation and limits of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from markupsafe import Markup

from tierkit import plot, texts
from tierkit.evaluate import Fairness
from tierkit.evaluate.assessment import PARTS, Assessment
from tierkit.folders import whole_file
from tierkit.report.page import Words, figure, render
from tierkit.scores.basis import credit_basis
from tierkit.scores.manifest import stated_credit
from tierkit.scores.model import Model
from tierkit.scores.worth import useless

__all__ = ["figures", "model_card"]

_LIMITS = 5
_ORDERS = ("pooled", "within")
_FAIR = ("ownership", "size")


@dataclass
class _Section:
    """A part of the card."""

    name: str
    said: list[Markup] = field(default_factory=list)
    figure: Markup = field(default_factory=Markup)
    head: Sequence[Markup] = ()
    rows: Sequence[Sequence[Markup | str]] = ()


def figures(found: Assessment) -> Mapping[str, Callable[[str], Any]]:
    """Return, by name, the functions that draw the figures of an assessment in a given language.

    Examples
    --------
    >>> list(figures(Assessment({}, {}, {})))
    []
    """
    draw: dict[str, Callable[[str], Any]] = {}
    table = found.tables.get("scores.calibration_random")
    if table is not None and len(table):
        draw["calibration"] = lambda lang: plot.calibration(table, lang=lang)
    results = found.results
    if "ranking" in results:
        draw["found"] = lambda lang: plot.found(results["ranking"], lang=lang)
    if "policy_value" in results:
        draw["policy_value"] = lambda lang: plot.estimates(
            results["policy_value"].shown(lang),
            title=texts.text("card.policy_value.title", lang),
            axis=texts.text("card.policy_value.axis", lang),
            share=False,
            lang=lang,
        )
    group = _grouped(results["fairness"]) if "fairness" in results else None
    if group is not None:
        draw["fairness"] = lambda lang: plot.equal_visits(results["fairness"], group, lang=lang)
    if "stability" in results:
        draw["stability"] = lambda lang: plot.tier_stability(results["stability"], lang=lang)
    if "drift" in results:
        draw["drift"] = lambda lang: plot.monitoring(results["drift"], lang=lang)
    if "feedback" in results:
        draw["feedback"] = lambda lang: plot.feedback(results["feedback"], lang=lang)
    return draw


def _grouped(found: Fairness) -> str | None:
    """Return the group that is drawn: size, or the first of which the register says something."""
    told = found.visits[found.visits["n"] > 0]["group"].astype(str).unique().tolist()
    return "size" if "size" in told else next(iter(told), None)


def model_card(model: Model, found: Assessment, out: str | Path | None = None) -> str:
    """Return the model card as one page in both languages, and write it if asked to.

    Parameters
    ----------
    model : Model
    found : Assessment
        Of this model.
    out : str or Path, optional
        File to write; its folder must exist.

    Returns
    -------
    str
        A self-contained HTML page.
    """
    words = Words()
    draw = figures(found)
    drawn = {
        name: figure(words, name, make, partial(texts.text, f"card.figure.{name}"))
        for name, make in draw.items()
    }
    plt.close("all")
    sections = [_told(words, name, found, drawn) for name in PARTS]
    page = render(
        "card.html.j2",
        title={lang: texts.text("card.title", lang) for lang in texts.LANGUAGES},
        found=found,
        trained=_trained(words, model),
        useless=useless(model.manifest),
        credit=[] if model.credit.kind == "records" else [partial(_credit, stated_credit(model.credit))],
        sections=sections,
        limits=range(1, _LIMITS + 1),
        facts={**found.facts, "scheme": model.manifest["scheme"], "level": model.manifest["risk"]["level"]},
    )
    if out is not None:
        with whole_file(Path(out)) as draft:
            draft.write_text(page, encoding="utf-8")
    return page


def _credit(about: Mapping[str, Any], lang: str) -> str:
    return texts.paragraph(credit_basis(about, lang), lang)


def _trained(words: Words, model: Model) -> _Section:
    """Return the table of baselines from the training of the model."""
    rows = [
        [
            words.text(f"card.baseline.{row['score'].replace(' ', '_')}"),
            texts.number(row["n"]),
            texts.number(row["events"]),
            _with(row, "auc", 3),
            _with(row, "capture", 3),
        ]
        for row in model.manifest["risk"]["baselines"]["test"]
    ]
    return _Section("baselines", head=_head(words, "score", "n", "findings", "auc", "capture"), rows=rows)


def _head(words: Words, *names: str) -> list[Markup]:
    return [words.text(f"card.column.{name}") for name in names]


def _with(
    row: Mapping[Any, Any], name: str, digits: int, low: str = "", high: str = "", scale: float = 1
) -> str:
    """Return a number with its interval; a dash if it is missing."""
    value, ends = row[name], (row[low or f"{name}_low"], row[high or f"{name}_high"])
    if value is None or value != value:
        return "–"
    shown = texts.number(scale * value, digits)
    if ends[0] is None or ends[0] != ends[0]:
        return shown
    return f"{shown} {texts.interval(scale * ends[0], scale * ends[1], digits)}"


def _told(words: Words, name: str, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    if name in found.refused:
        return _Section(name, [words.text("card.refused", why=found.refused[name])])
    return _TELL[name](words, found, drawn)


def _scores(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    rows = [
        [
            words.text(f"card.set.{row['set']}"),
            texts.number(row["n"]),
            texts.number(row["findings"]),
            words.text("card.too_few") if row["too_few"] else _with(row, "rate", 1, "low", "high", 100),
            texts.number(100 * row["predicted"], 1),
            "–"
            if row["too_few"]
            else f"{texts.number(100 * row['calibration_error'], 1)} / "
            f"{texts.number(100 * row['calibration_error_null_95'], 1)}",
        ]
        for row in found.tables["scores.levels"].to_dict("records")
    ]
    head = _head(words, "set", "n", "findings", "rate", "predicted", "calibration")
    return _Section(
        "scores", [words.text("card.scores.about")], drawn.get("calibration", Markup()), head, rows
    )


def _ranking(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    table = found.tables["ranking.measures"]
    rows = []
    groups: Any = table.groupby(["measure", "capacity"], sort=False, dropna=False)
    for (measure, capacity), both in groups:
        by = both.set_index("order").to_dict("index")
        name = words.text(
            f"card.order.{measure}", share="" if capacity != capacity else texts.percent(capacity)
        )
        digits = 1 if measure == "days_earlier" else 3
        rows.append(
            [
                name,
                *(
                    _with(by[order], "value", digits, "low", "high") if order in by else "–"
                    for order in _ORDERS
                ),
                texts.number(by["pooled"]["random"], digits),
                texts.number(by["pooled"]["oracle"], digits),
            ]
        )
    first = table.iloc[0]
    said = words.text("card.ranking.about", n=texts.number(first["n"]), events=texts.number(first["events"]))
    head = _head(words, "measure", "pooled", "within", "random", "oracle")
    return _Section("ranking", [said], drawn.get("found", Markup()), head, rows)


def _value(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    value = found.results["policy_value"]
    rows = [
        [
            words.text(f"estimator.{name}"),
            str(row["refused"]) or _with(row, "value", 2, "low", "high"),
            texts.number(row["n"]),
            texts.number(row["findings"]),
            texts.number(row["effective_size"], 0),
            words.text(f"card.holds_if.{row['holds_if'].replace(' ', '_')}"),
        ]
        for name, row in value.table.to_dict("index").items()
    ]
    said = words.text(
        "card.policy_value.about",
        policy=lambda lang: texts.policy_label(value.policy, lang),
        obligations=texts.number(value.obligations),
        enterprises=texts.number(value.enterprises),
        opportunities=texts.number(value.opportunities, 1),
    )
    head = _head(words, "estimator", "value", "n", "findings", "effective", "holds_if")
    return _Section("policy_value", [said], drawn.get("policy_value", Markup()), head, rows)


def _comparators(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    row = found.tables["comparators.swap"].iloc[0]
    said = words.text(
        "card.swap",
        swapped=texts.number(row["swapped"]),
        inspections=texts.number(row["inspections"]),
        change=texts.percent(row["change"], 1, sign=True),
        interval=texts.interval(row["low"], row["high"], 1, share=True, sign=True),
    )
    return _Section("comparators", [said])


def _audits(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    table = found.tables["audits_needed.rate"]
    said = words.text("card.audits.about", rate=texts.percent(table["rate"].iloc[0], 1))
    rows = [
        [f"± {100 * w:g}", texts.number(n)] for w, n in zip(table["half_width"], table["audits"], strict=True)
    ]
    return _Section("audits_needed", [said], head=_head(words, "half_width", "audits"), rows=rows)


def _fairness(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    frames = {lang: found.results["fairness"].summary(lang) for lang in texts.LANGUAGES}
    table = found.results["fairness"].table
    kept = (table["group"].isin(_FAIR) | table["verdict"].isin(["more", "less"])).to_numpy()
    told = {lang: frame[kept].astype(str).to_numpy().tolist() for lang, frame in frames.items()}
    rows = [
        [words.pair(zh, en) for zh, en in zip(*both, strict=True)]
        for both in zip(told["zh"], told["en"], strict=True)
    ]
    head = [words.pair(zh, en) for zh, en in zip(frames["zh"].columns, frames["en"].columns, strict=True)]
    said = [words.text("card.fairness.about"), words.each(found.results["consistency"].sentence)]
    return _Section("fairness", said, drawn.get("fairness", Markup()), head, rows)


def _stability(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    table = found.tables["stability.measures"]
    rows = [
        [
            words.text(f"card.setting.{row['setting']}"),
            words.text(f"card.stability.{row['measure']}"),
            _with(row, "value", 2, "low", "high", 100),
            texts.number(row["n"]),
        ]
        for row in table[table["measure"].isin(["change_share", "flip_share"])].to_dict("records")
    ]
    head = _head(words, "setting", "measure", "percent", "n")
    return _Section(
        "stability", [words.text("card.stability.about")], drawn.get("stability", Markup()), head, rows
    )


def _drift(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    table = found.tables["drift.features"]
    moved = table[~table["by_chance"]]
    said = words.text(
        "card.drift.about",
        n=texts.number(table["n"].iloc[0]),
        moved=texts.number(len(moved)),
        of=texts.number(len(table)),
    )
    return _Section("drift", [said], drawn.get("drift", Markup()))


def _targets(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    rows = [
        [
            words.text(f"card.target.{row['target']}"),
            texts.number(row["n"]),
            texts.number(row["capacity"]),
            texts.number(100 * row["overlap"], 1),
            texts.interval(100 * row["drawn_low"], 100 * row["drawn_high"], 1),
            texts.number(row["kendall"], 3),
        ]
        for row in found.tables["targets.summary"].to_dict("records")
    ]
    head = _head(words, "target", "n", "capacity", "overlap", "drawn", "kendall")
    return _Section("targets", [words.text("card.targets.about")], head=head, rows=rows)


def _rounding(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    errors: Any = found.tables["rounding.errors"].set_index("unit").to_dict("index")["points"]
    grades: Any = found.tables["rounding.grades"].set_index("cutoff").to_dict("index")["any"]
    said = words.text(
        "card.rounding.about",
        bound=texts.number(errors["table_bound"], 2),
        largest=texts.number(errors["largest"], 2),
        changed=texts.number(grades["changed"]),
        n=texts.number(grades["n"]),
    )
    return _Section("rounding", [said])


def _feedback(words: Words, found: Assessment, drawn: Mapping[str, Markup]) -> _Section:
    tried = found.results["feedback"]
    said = words.text("card.feedback.about", worlds=tried.seeds, n=texts.number(tried.enterprises))
    return _Section("feedback", [said], drawn.get("feedback", Markup()))


_TELL: Mapping[str, Callable[[Words, Assessment, Mapping[str, Markup]], _Section]] = {
    "scores": _scores,
    "ranking": _ranking,
    "policy_value": _value,
    "comparators": _comparators,
    "audits_needed": _audits,
    "fairness": _fairness,
    "stability": _stability,
    "drift": _drift,
    "targets": _targets,
    "rounding": _rounding,
    "feedback": _feedback,
}
