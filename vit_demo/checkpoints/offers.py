"""What is offered, and what of it can be had now."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping

from vit_demo.checkpoints import catalog, embedded
from vit_demo.checkpoints.reach import HubWatch
from vit_demo.checkpoints.sources import find
from vit_demo.contract import DemoError, ModelStatus

LAST_S = 3.0  # for so long a look at dozens of folders is believed


class Offers:
    """The catalogue's models with whether each is on this machine or can be fetched. Safe to share between threads.

    `hub` answers whether the Hub can be reached; once `look_for_hub` has been called, the answer is renewed behind
    `statuses` after a minute. `first` is the model that a page opens with, `only` those on offer; as the catalogue says
    where they are empty."""

    def __init__(self, hub: Callable[[], bool] | None = None, first: str = "", only: tuple[str, ...] = ()):
        self._hub, self._first, self._only = HubWatch(hub), first, only
        self._seen: tuple[float, bool | None, tuple[ModelStatus, ...]] | None = None

    def look_for_hub(self) -> bool:
        """Whether the Hub can be reached, asked now (3 seconds at most) and remembered for `statuses`."""
        return self._hub.ask()

    def statuses(self) -> tuple[ModelStatus, ...]:
        """Every model and whether its weights can be had, as far as is known now; never waits."""
        self._hub.renew()
        known, now, seen = self._hub.known, time.monotonic(), self._seen
        if seen is None or seen[1] is not known or now - seen[0] > LAST_S:
            every = catalog.statuses(known)
            offered = tuple(one for one in every if one.card.id in self._only) if self._only else every
            self._seen = seen = now, known, offered
        return seen[2]

    def offers(self, model: str) -> bool:
        """Whether a model of the catalogue is on offer. The moments of our own training go with their model."""
        card = catalog.card_of(model)
        return card is not None and (not self._only or model.partition("@")[0] in self._only)

    def look_again(self) -> None:
        """A model may just have come to this machine."""
        self._seen = None

    def default_model(self, download: bool = True) -> str:
        """The model that the page opens with; without `download`, the best that is on this machine. Where one that
        predicts classes would have to be downloaded, the Hub is asked for first (3 seconds at most, once)."""
        offered = {one.card.id: one.availability for one in self.statuses()}
        if self._first and (download or offered.get(self._first) == "on_disk"):
            return self._first
        model = self._of_offered(catalog.default_model(self.statuses(), download), offered)
        card = catalog.card_of(model)
        predicts = card is not None and card.has_head and card.source == "hub"
        if download and self._hub.known is None and not predicts:
            self.look_for_hub()
            return self._of_offered(catalog.default_model(self.statuses()), offered)
        return model

    @staticmethod
    def _of_offered(model: str, offered: Mapping[str, str]) -> str:
        """The catalogue's choice where it is on offer; else what is on this machine, else the first one."""
        if model in offered:
            return model
        return next((one for one, availability in offered.items() if availability == "on_disk"), next(iter(offered)))

    def on_disk(self) -> tuple[str, ...]:
        """The models whose weights are on this machine, the first one first."""
        here = [one.card.id for one in self.statuses() if one.availability == "on_disk"]
        return tuple(sorted(here, key=lambda model: model != self.default_model(download=False)))

    def fetch_first(self) -> None:
        """Puts the first model's files on this machine, as far as they can be had: a visitor hears of what fails."""
        with contextlib.suppress(DemoError):
            self.look_for_hub()
            fetch(self.default_model())


def fetch(model: str) -> None:
    """Puts a model's files on this machine without loading them. Raises ModelError."""
    card = catalog.card_of(model)
    if card and card.source == "own":
        return  # part of the package
    if card and card.source == "embedded":
        embedded.ensure()
    else:
        find(model)
