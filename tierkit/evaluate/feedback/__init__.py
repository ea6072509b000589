"""What retraining on a policy's own findings does."""

__all__: list[str] = []
