"""Batch scoring of a whole city, from Parquet to Parquet."""

from tierkit.batch.scoring import (
    CHUNK_ROWS,
    Report,
    codes_path,
    last_assignment,
    model_digest,
    previous_digest,
    rejects_path,
    score,
)
from tierkit.batch.staging import REJECTS, Rejects, parquet_writer, stage

__all__ = [
    "CHUNK_ROWS",
    "REJECTS",
    "Rejects",
    "Report",
    "codes_path",
    "last_assignment",
    "model_digest",
    "parquet_writer",
    "previous_digest",
    "rejects_path",
    "score",
    "stage",
]
