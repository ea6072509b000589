"""Programs that measure speed and memory; ``make bench`` runs them and writes results.md beside them."""
