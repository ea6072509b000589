"""Words for people in both languages."""

from typing import NamedTuple

__all__ = ["Label"]


class Label(NamedTuple):
    """A label for people, in Chinese and in English."""

    zh: str
    en: str

    def text(self, lang: str) -> str:
        """Return the label in ``lang``, which is ``"zh"`` or ``"en"``.

        Examples
        --------
        >>> Label("私营", "private").text("zh")
        '私营'
        """
        return self.zh if lang.startswith("zh") else self.en
