"""Tiered supervision of enterprises by risk and credit: score, tier, simulate, explain.

From records to a compared policy, a line a module with the names to begin with:

Records
    schema: the data contract; `read_dataset`, `write_dataset`, `validate`.
    synth: a synthetic city; `make`, and `world_of`, the world that goes on from its records.
    records, population, world: what agencies write down; who is in the city; the state of a simulation.
    credit_code: unified social credit codes and their check characters.
    moments: what a synthetic city must look like.
Scores
    timeline: the records as they were known before a date.
    features: features as of a date; `build`.
    training: rows to train on, their weights, the split by time.
    risk, scorecard: the two models; `RiskModel`, `CreditScorecard`.
    integer_points, monitoring, repair: a scorecard in whole points; its drift (`monitor`); points that come
    back.
    binning, calibration, estimators, inputs: what both models share.
    fitting, tuning, ensemble: how the risk model is fitted; settings tried by time; how sure it is.
    baselines: what a model has to beat; `baselines`.
    targets: what to rank by, and who moves when it changes; `targets`, `movers`.
    metrics: how good a score is.
    artifact: a model as a folder; `train`, `Model.load`, `Model.score`.
    batch: a whole city, in chunks; `score`.
Tiers and reasons
    tiers: from scores to tiers; `assign`.
    explain: why one enterprise is where it is, by which records, and what it can do; what sets a tier apart;
    `reasons`, `evidence`, `recourse`, `revoked`, `portraits`.
    reviews: what reviewers decided, in a log; `append`, `read`, `latest`.
Policies
    policy: policies as data; `Policy.load`, `Policy.reform`, `diff`.
    ladders: how often each tier is inspected, beside what the law asks.
    simulate: the engine; `run`.
    outcomes: what a run did to load, findings and harm.
    tidy: a run as frames of cells; `inspections`, `demand`.
    compare: reforms beside a baseline under the same draws; `compare`.
    agencies: what each agency did under each policy; `scoreboard`.
    sensitivity: which of the unknown numbers decide a comparison; `screen`, `tornado`.
Held against records
    history: the policy that records show; `estimate`.
    scored: a world made of scored records; `world_from_scores`.
    backtest: a past year rerun and compared with what happened; `backtest`.
    rentsafe: the same on a real ladder of intervals.
    evaluate: what a policy would find, from records that selection made, and what an order of inspections
    is worth; groups at equal risk; `logged`, `policy_value`, `ranking`, `tier_stability`, `fairness`,
    `runaway`.
    assessment: all of it for one model and one date; `assess`.
    chicago, rentsafe_risk: scores held against public records.
Output
    plot: every figure.
    report: the page of a run, of a whole city, and the sheet of one enterprise.
    demo: the main job, end to end.
    cli: the command line.
    keyed_random, folders, fonts, progress, texts: draws; folders written whole; the Chinese font; progress;
    texts for people.
"""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("tierkit")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0.1.0"
