"""Batch scoring of a whole city, from Parquet to Parquet."""

from tierkit.batch.scoring import CHUNK_ROWS, Report, codes_path, model_digest, rejects_path, score
from tierkit.batch.staging import REJECTS

__all__ = ["CHUNK_ROWS", "REJECTS", "Report", "codes_path", "model_digest", "rejects_path", "score"]
