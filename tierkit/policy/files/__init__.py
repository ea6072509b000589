"""Policy files: read, checked, loaded and written, with every problem located."""

__all__: list[str] = []
