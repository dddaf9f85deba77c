"""Which texts answer a question best, by language models that were taught to answer yes or no to
that (Qwen3-Reranker, BGE's reranker on Gemma, mxbai-rerank v2).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pretrained import beside, pretrained
from text_order import Found, best, checked

from cog import BasePredictor, Input, current_scope

AT_ONCE = 8
"""Texts that go through the model together."""
LONGEST = 8192
"""Tokens that are read of a question with a text."""


class Form(NamedTuple):
    """How a family is asked: `before` and `after` stand around `asked`. `yes` and `no` are the
    words that it answers with; without a `no` it only tells how much it is for yes. `instructs`
    is how it is told what a person wants in place of the `usual`.
    """

    before: str
    asked: str
    after: str
    usual: str
    yes: str
    no: str = ""
    instructs: str = "{instruction}"


FORMS = {
    "qwen3": Form(
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query "
        'and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
        "<|im_start|>user\n",
        "<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}",
        "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "Given a web search query, retrieve relevant passages that answer the query",
        "yes",
        "no",
    ),
    "bge": Form(
        "{bos}",
        "A: {query}\nB: {document}",
        "\n{instruction}",
        "Given a query A and a passage B, determine whether the passage contains an answer to the "
        "query by providing a prediction of either 'Yes' or 'No'.",
        "Yes",
    ),
    "mxbai": Form(
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
        "<|im_end|>\n<|im_start|>user\n",
        "{instruction}query: {query}\ndocument: {document}",
        "\nYou are a search relevance expert who evaluates how well documents match search "
        "queries. For each query-document pair, carefully analyze the semantic relationship "
        "between them, then provide your binary relevance judgment (0 for not relevant, 1 for "
        "relevant).\nRelevance:<|im_end|>\n<|im_start|>assistant\n",
        "",
        "1",
        "0",
        "instruction: {instruction}\n",
    ),
}


class TextRankingByWord(BasePredictor):
    def setup(self, weights: str, precision: str = "", form: str = "qwen3") -> None:
        """`weights` is a folder with a model and its tokenizer; `form`, which of `FORMS` it is."""
        self.model = pretrained("AutoModelForCausalLM", weights, precision)
        self.tokenizer = beside("AutoTokenizer", weights)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.form = FORMS[form]
        known = getattr(self.model.config, "max_position_embeddings", None) or LONGEST
        self.reads = min(known, LONGEST)

    def predict(
        self,
        query: str = Input(description="What is asked, or looked for."),
        documents: list[str] = Input(description="The texts to bring in order."),
        instruction: str = Input(
            default="",
            description="When a text fits, in a sentence of your own; empty: when it answers the "
            "question, as the model was taught.",
        ),
        top_k: int = Input(default=10, ge=1, description="How many texts to give back."),
    ) -> list[Found]:
        """The texts, those that fit best first."""
        checked(query, documents)
        wanted = instruction.strip()
        told = self.form.instructs.replace("{instruction}", wanted) if wanted else self.form.usual
        read = [
            self._tokens(number, query, document, told)
            for number, document in enumerate(documents, 1)
        ]
        current_scope().record_metric("input_token_count", sum(map(len, read)))
        scores: list[float] = []
        for start in range(0, len(read), AT_ONCE):
            scores += self._scores(read[start : start + AT_ONCE])
            current_scope().progress(len(scores), len(documents), "text")
        found: list[Found] = best(documents, scores, top_k)
        return found

    def _tokens(self, number: int, query: str, document: str, instruction: str) -> list[int]:
        form = self.form
        before = self._plain(form.before.replace("{bos}", self.tokenizer.bos_token or ""))
        after = self._plain(form.after.replace("{instruction}", instruction))
        asked = form.asked.replace("{instruction}", instruction).replace("{query}", query)
        middle = self._plain(asked.replace("{document}", document))
        most = max(1, self.reads - len(before) - len(after))
        if len(middle) > most:
            print(
                f"Text {number} with the question has {len(middle)} tokens; this model reads the "
                f"first {most}, and what comes after has no effect."
            )
        return before + middle[:most] + after

    def _plain(self, text: str) -> list[int]:
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    def _scores(self, texts: list[list[int]]) -> list[float]:
        import torch

        longest = max(map(len, texts))
        # On the left, so that the answer comes at the same place for all.
        padding = [longest - len(each) for each in texts]
        filled = self.tokenizer.pad_token_id
        tokens = [[filled] * lack + each for lack, each in zip(padding, texts, strict=True)]
        masks = [[0] * lack + [1] * len(each) for lack, each in zip(padding, texts, strict=True)]
        given = {"input_ids": tokens, "attention_mask": masks}
        with torch.no_grad():
            tensors = {
                name: torch.tensor(each).to(self.model.device) for name, each in given.items()
            }
            logits = self.model(**tensors, logits_to_keep=1).logits[:, -1].float()
        found: Any = logits[:, self._word(self.form.yes)]
        if self.form.no:
            found = found - logits[:, self._word(self.form.no)]
        scores: list[float] = found.sigmoid().tolist()
        return scores

    def _word(self, word: str) -> int:
        return self._plain(word)[0]
