"""Bars of work that is done in fractions."""

import tqdm


class FractionBar(tqdm.tqdm):
    """A bar on terminals, nothing elsewhere.

    Args:
        total: pieces of work.
        description: what is done, in front of the bar.
    """

    def __init__(self, total=1, description=None):
        super().__init__(
            total=total,
            desc=description,
            bar_format="{l_bar}{bar}| {elapsed}<{remaining}",
            disable=None,  # unless on a terminal
        )

    def show(self, done: float) -> None:
        """Moves it to so many pieces."""
        self.update(done - self.n)
