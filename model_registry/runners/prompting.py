"""From what a person asks to the tokens that a model reads: its chat template, a template of the
person's own, text to go on from, or a gap to fill.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from cog import InvalidInput

GAP = "<FILL_ME>"
PLAIN = "{prompt}"
"""A prompt template that is nothing but the prompt stands for the model's own format."""
SYSTEM = "{system_prompt}"

INFILLS = (
    ("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<file_sep>"),
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>"),
)
"""Tokens before the text ahead of a gap, the text behind it and the text for it, and the one that
ends that: CodeLlama's, StarCoder's, Qwen-Coder's.
"""


class Prompts:
    """The formats of one model's tokenizer. `context`: how many tokens prompt and answer may have
    together. `count`: how many tokens the model knows; a tokenizer may name some that it does not.
    """

    def __init__(self, tokenizer: Any, context: int, count: int) -> None:
        self._tokenizer = tokenizer
        self._context = context
        known = {name: number for name, number in tokenizer.get_vocab().items() if number < count}
        found = [[known[each] for each in marks] for marks in INFILLS if known.keys() >= {*marks}]
        self._infill = found[0] if found else None
        self.ends = frozenset(self._infill[3:] if self._infill else ())
        """What ends the text for a gap."""

    def tokens(
        self,
        prompt: str,
        system_prompt: str = "",
        template: str = "",
        enable_thinking: bool = False,
        reasoning_effort: str | None = None,
        earlier: Sequence[Mapping[str, Any]] = (),
    ) -> list[int]:
        """What the model reads; `earlier` is what was said before the prompt, each with `role` and
        `content`. Raises `InvalidInput`; prints what has no effect.
        """
        if not prompt.strip():
            raise InvalidInput("The prompt is empty. Write what the model should answer.")
        chat = self._tokenizer.chat_template or ""
        own = "" if template.strip() == PLAIN else template
        wishes: dict[str, Any] = {}
        if "enable_thinking" in chat:
            wishes["enable_thinking"] = enable_thinking
        if reasoning_effort and "reasoning_effort" in chat:
            wishes["reasoning_effort"] = reasoning_effort
        chats = not own and bool(chat) and GAP not in prompt
        if earlier and not chats:
            raise InvalidInput(
                "messages needs the model's own chat format, and this prompt is not in one. Leave "
                "messages out."
            )
        if enable_thinking and not (chats and "enable_thinking" in wishes):
            print("enable_thinking has no effect here: nothing in this prompt's format asks it.")
        if reasoning_effort and not (chats and "reasoning_effort" in wishes):
            print("reasoning_effort has no effect here: nothing in this prompt's format asks it.")
        if GAP in prompt:
            tokens = self._around_gap(prompt, system_prompt, own)
        elif own:
            tokens = self._encoded(self._filled(own, prompt, system_prompt))
        elif chat:
            # A chat template writes its own special tokens.
            text = self._chat(prompt, system_prompt, wishes, _turns(earlier))
            tokens = self._tokenizer.encode(text, add_special_tokens=False)
        else:
            tokens = self._encoded(f"{system_prompt}\n\n{prompt}" if system_prompt else prompt)
        if len(tokens) >= self._context:
            raise InvalidInput(
                f"The prompt has {len(tokens)} tokens; this model holds {self._context} in all, "
                "its answer included. Shorten the prompt."
            )
        return list(tokens)

    def _around_gap(self, prompt: str, system_prompt: str, template: str) -> list[int]:
        if self._infill is None:
            raise InvalidInput(
                f"This model cannot fill a gap: it has no tokens for it. Leave {GAP} out."
            )
        if prompt.count(GAP) > 1:
            raise InvalidInput(
                f"The prompt has {prompt.count(GAP)} gaps; one {GAP} can be filled at a time."
            )
        if system_prompt or template:
            print("A gap is filled from the text around it: system prompt and template are unused.")
        before, _, behind = prompt.partition(GAP)
        first, second, third, _ = self._infill
        ahead = self._tokenizer.encode(before, add_special_tokens=False)
        return [*self._encoded(""), first, *ahead, second, *self._continued(behind), third]

    def _filled(self, template: str, prompt: str, system_prompt: str) -> str:
        if PLAIN not in template:
            raise InvalidInput(
                f"The prompt template has no {PLAIN}: the prompt would be lost. Write {PLAIN} "
                "where it belongs."
            )
        if system_prompt and SYSTEM not in template:
            print("The prompt template has no {system_prompt}: the system prompt is left out.")
        known = {PLAIN: prompt, SYSTEM: system_prompt}
        return re.sub(f"{PLAIN}|{SYSTEM}", lambda place: known[place[0]], template)

    def _chat(
        self,
        prompt: str,
        system_prompt: str,
        wishes: dict[str, Any],
        earlier: list[dict[str, str]],
    ) -> str:
        turns = [*earlier, {"role": "user", "content": prompt}]
        if not system_prompt:
            return self._rendered(turns, wishes)
        try:
            text = self._rendered([{"role": "system", "content": system_prompt}, *turns], wishes)
        except InvalidInput:
            text = ""
        if system_prompt.strip() in text:
            return text
        print("The model's chat format has no system prompt: it is put before the prompt.")
        first, *rest = turns
        first = {**first, "content": f"{system_prompt}\n\n{first['content']}"}
        return self._rendered([first, *rest], wishes)

    def _rendered(self, chat: list[dict[str, str]], wishes: dict[str, Any]) -> str:
        from jinja2.exceptions import TemplateError

        try:
            return str(
                self._tokenizer.apply_chat_template(
                    chat, add_generation_prompt=True, tokenize=False, **wishes
                )
            )
        except TemplateError as error:
            raise InvalidInput(f"The model's chat template refuses this prompt: {error}") from error

    def _encoded(self, text: str) -> list[int]:
        """With the special tokens that a text begins with, where it does not bring them along."""
        begins = self._tokenizer.bos_token
        brought = bool(begins) and text.startswith(begins)
        return list(self._tokenizer.encode(text, add_special_tokens=not brought))

    def _continued(self, text: str) -> list[int]:
        """The tokens of a text that another precedes: without the space that some tokenizers put
        before a text's first word.
        """
        lead = "\n"
        tokens = self._tokenizer.encode(lead + text, add_special_tokens=False)
        alone = self._tokenizer.encode(lead, add_special_tokens=False)
        if tokens[: len(alone)] == alone:
            return list(tokens[len(alone) :])
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def _turns(earlier: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What was said before, checked: `user` and `assistant` in turn, `user` first."""
    turns = []
    for number, each in enumerate(earlier):
        role, content = each.get("role"), each.get("content")
        wanted = ("user", "assistant")[number % 2]
        if role != wanted or not isinstance(content, str):
            raise InvalidInput(
                f"messages: number {number + 1} is {dict(each)!r:.200}; it must have the role "
                f"{wanted!r} and a text as content. They begin with the user, take turns, and end "
                "with the assistant, whom the prompt answers."
            )
        turns.append({"role": role, "content": content})
    if len(turns) % 2:
        raise InvalidInput("messages ends with the user: put what is said last into the prompt.")
    return turns


def context_of(model: Any, tokenizer: Any) -> int:
    """The tokens that prompt and answer may have together."""
    known = getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None)
    unbound = known is None or known < 1  # XLNet says -1
    return int(min(sys.maxsize if unbound else known, tokenizer.model_max_length))
