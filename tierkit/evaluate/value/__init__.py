"""What a policy would find, from records that selection made, with its error or a refusal."""

__all__: list[str] = []
