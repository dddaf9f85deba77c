"""Who at the page may add models, and with them code that runs on this machine."""

from __future__ import annotations

import gradio as gr

from predictions.callers import is_sent_by_another_site


class Operator:
    """`everybody`: where the app has neither tokens nor a public link, whoever reaches its page is
    its operator. Else nobody at the page is: models are added with the token of `admin`, or on the
    command line.
    """

    def __init__(self, everybody: bool = True) -> None:
        self._everybody = everybody

    def is_at(self, request: gr.Request | None) -> bool:
        """Whether the operator sent this request; None stands for whoever opens the page."""
        if request is not None and is_sent_by_another_site(request.headers):
            return False
        return self._everybody


ONLY_THE_OPERATOR = "Only the operator of this Atelier may add models."
EVERYBODY = Operator()
