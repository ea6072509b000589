"""What each command does, callable from Python: from folders to folders.

=================  ====================================  =======================================
command            job                                   returns
=================  ====================================  =======================================
synth, validate    `synthesis.synth`, `.validate`        `Synthesis`, `Validation`
train              `training.train`                      `Training`
score              `scoring.score`                       `Tally`
explain            `dossier.explain`                     `Dossier`
review             `reviewing.review`                    `Review`
simulate           `simulation.simulate`                 `Simulation`
report             `simulation.run_page`, or             `RunPage`, or
                   `city_page.city_page` of scores       `CityPage`
sensitivity        `sensitivity.sensitivity`             `Sensitivity`
backtest           `backtest.backtest`                   `Rerun`
evaluate           `evaluation.evaluate`                 `Evaluation`
demo               `demo.run`                            `Demo`
=================  ====================================  =======================================

A job is a plain function. It checks all its arguments before it writes anything and raises
`checks.BadInputError` with all problems; it takes ``threads`` and ``progress``; and it returns a small frozen
result with ``to_dict``. It prints nothing. Modules are imported one by one, since most load many libraries.
"""

__all__: list[str] = []
