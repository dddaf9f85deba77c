"""Where in a text a question is answered: any model of transformers that marks the answer (BERT,
RoBERTa, DistilBERT and kin on SQuAD).
"""

from __future__ import annotations

from typing import Any, TypedDict

from pretrained import beside, on_device, pretrained
from text_reading import room, said

from cog import BasePredictor, Input, InvalidInput, current_scope

LONGEST = 30
"""Tokens of an answer."""


class Answer(TypedDict):
    """`answer` is the context from the character `start` to before `end`."""

    answer: str
    score: float
    start: int
    end: int


class QuestionAnswering(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its tokenizer, which must be a fast one."""
        self.model = pretrained("AutoModelForQuestionAnswering", weights, precision, trust_code)
        self.tokenizer = beside("AutoTokenizer", weights, trust_code)
        self.tokenizer.padding_side = "right"

    def predict(
        self,
        question: str = Input(description="What to look for."),
        context: str = Input(description="The text to look in. It may have any length."),
        top_k: int = Input(default=1, ge=1, le=100, description="How many answers to give."),
    ) -> list[Answer]:
        """The answers, the surest first; none where the model finds the question unanswered."""
        windows = self._windows(said(question, "question"), said(context, "context"))
        found: dict[tuple[int, int], float] = {}
        for number in range(len(windows["input_ids"])):
            for place, score in self._spans(windows, number, top_k):
                found[place] = max(score, found.get(place, 0))
            current_scope().progress(number + 1, len(windows["input_ids"]), "part")
        best = sorted(found.items(), key=lambda each: -each[1])[:top_k]
        if not best:
            print("The model finds no answer in this text.")
        return [
            Answer(answer=context[start:end], score=round(score, 4), start=start, end=end)
            for (start, end), score in best
        ]

    def _windows(self, question: str, context: str) -> Any:
        """The question with each part of the context that fits beside it; the parts overlap."""
        most = room(self.model, self.tokenizer)
        left = most - len(self.tokenizer(question)["input_ids"]) - 4
        if left < 8:
            raise InvalidInput(
                f"The question leaves no room for a text: this model reads {most} tokens at once. "
                "Shorten it."
            )
        return self.tokenizer(
            question,
            context,
            truncation="only_second",
            max_length=most,
            stride=left // 4,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )

    def _spans(self, windows: Any, number: int, most: int) -> list[tuple[tuple[int, int], float]]:
        """The likeliest answers in one part, by their places in the context."""
        import torch

        names = set(self.tokenizer.model_input_names) & set(windows)
        inputs = {name: torch.tensor([windows[name][number]]) for name in names}
        with torch.no_grad():
            seen = self.model(**on_device(inputs, self.model))
        own = torch.tensor([of == 1 for of in windows.sequence_ids(number)])
        own[0] = True  # there stands how sure the model is that nothing answers
        begins, ends = (
            each[0].float().cpu().masked_fill(~own, float("-inf")).softmax(-1)
            for each in (seen.start_logits, seen.end_logits)
        )
        likely = (begins[:, None] * ends[None, :]).triu().tril(LONGEST - 1)
        nothing = float(likely[0, 0])
        likely[0] = 0
        scores, places = likely.flatten().topk(min(most, likely.numel()))
        offsets = windows["offset_mapping"][number]
        return [
            ((offsets[place // len(own)][0], offsets[place % len(own)][1]), score)
            for score, place in zip(scores.tolist(), places.tolist(), strict=True)
            if score > nothing
        ]
