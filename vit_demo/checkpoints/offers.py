"""What is offered, and what of it can be had now."""

from __future__ import annotations

import time
from collections.abc import Callable

from vit_demo.checkpoints import catalog
from vit_demo.checkpoints.reach import HubWatch
from vit_demo.contract import ModelStatus

LAST_S = 3.0  # for so long a look at dozens of folders is believed


class Offers:
    """The catalogue's models with whether each is on this machine or can be fetched. Safe to share between threads.

    `hub` answers whether the Hub can be reached; once `look_for_hub` has been called, the answer is renewed behind
    `statuses` after a minute."""

    def __init__(self, hub: Callable[[], bool] | None = None):
        self._hub = HubWatch(hub)
        self._seen: tuple[float, bool | None, tuple[ModelStatus, ...]] | None = None

    def look_for_hub(self) -> bool:
        """Whether the Hub can be reached, asked now (3 seconds at most) and remembered for `statuses`."""
        return self._hub.ask()

    def statuses(self) -> tuple[ModelStatus, ...]:
        """Every model and whether its weights can be had, as far as is known now; never waits."""
        self._hub.renew()
        known, now, seen = self._hub.known, time.monotonic(), self._seen
        if seen is None or seen[1] is not known or now - seen[0] > LAST_S:
            self._seen = seen = now, known, catalog.statuses(known)
        return seen[2]

    def look_again(self) -> None:
        """A model may just have come to this machine."""
        self._seen = None

    def default_model(self, download: bool = True) -> str:
        """The model that the page opens with; without `download`, the best that is on this machine. Where one that
        predicts classes would have to be downloaded, the Hub is asked for first (3 seconds at most, once)."""
        model = catalog.default_model(self.statuses(), download)
        card = catalog.card_of(model)
        predicts = card is not None and card.has_head and card.source == "hub"
        if download and self._hub.known is None and not predicts:
            self.look_for_hub()
            return catalog.default_model(self.statuses())
        return model
