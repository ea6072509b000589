"""Batch scoring of a whole city, from Parquet to Parquet."""

from tierkit.batch.scoring import CHUNK_ROWS, Report, rejects_path, score
from tierkit.batch.staging import REJECTS

__all__ = ["CHUNK_ROWS", "REJECTS", "Report", "rejects_path", "score"]
