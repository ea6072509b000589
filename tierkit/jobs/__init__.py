"""What each command does: from folders to folders, callable from Python."""

__all__: list[str] = []
