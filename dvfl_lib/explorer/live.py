"""Buttons that ask loaded networks; part of the explorer where networks are given.

Public names: ``LiveControls``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets
from torch import nn

from ..errors import DVFLError
from .asking import ask, measure_token, question_names
from .controls import of_width
from .record import Record
from .view import View

State = Callable[[], tuple[Record, View]]


class LiveControls(widgets.HBox):
    """A menu of questions, a button that asks, and one that measures the token.

    Args:
        networks: by name; those of the record without one here cannot be asked.
        state: gives the record and the view at the moment of a click.
        answered: gets the new record, and whether it is a new outcome (else a new
            token) that it holds.
        troubled: gets an error.

    Raises:
        DVFLError: networks that are not given by name, or that the record lacks.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        state: State,
        answered: Callable[[Record, bool], None],
        troubled: Callable[[Exception], None],
    ) -> None:
        super().__init__(layout=widgets.Layout(flex_flow="row wrap"))
        _check_networks(networks, state()[0])
        self.networks, self._state = dict(networks), state
        self._answered, self._troubled = answered, troubled
        self.question = widgets.Dropdown(description="question", **of_width(430))
        self.ask = widgets.Button(description="ask the network")
        self.measure = widgets.Button(description="measure this token")
        self.ask.on_click(lambda button: self._run(outcome=True))
        self.measure.on_click(lambda button: self._run(outcome=False))
        self.children = (self.question, self.ask, self.measure)
        self.follow()

    def follow(self) -> None:
        """Offer what may be asked in the present view."""
        record, view = self._state()
        names, chosen = question_names(record, view), self.question.value
        if tuple(self.question.options) != tuple(names):
            self.question.options = names
            self.question.value = chosen if chosen in names else names[0]
        for button in (self.ask, self.measure):
            button.disabled = view.network not in self.networks

    def _run(self, *, outcome: bool) -> None:
        record, view = self._state()
        buttons: tuple[Any, ...] = (self.ask, self.measure)
        for button in buttons:
            button.disabled = True  # a second click would compute it twice
        try:
            model = self.networks[view.network]
            if outcome:
                new = ask(record, view, model, self.question.value)
            else:
                new = measure_token(record, view, model)
            self._answered(new, outcome)
        except Exception as error:
            self._troubled(error)
            raise
        finally:
            for button in buttons:
                button.disabled = False


def _check_networks(networks: Any, record: Record) -> None:
    if not isinstance(networks, Mapping) or not all(
        isinstance(model, nn.Module) for model in networks.values()
    ):
        raise DVFLError(
            "networks are given by name, as to record_clip: "
            "Explorer(record, {'student': model})"
        )
    for name in networks:
        record.network(name)  # refuses a name that the record lacks
