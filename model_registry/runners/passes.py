"""Passes of a language model over several texts: all in one where the model allows, one each where
it does not. Knows tokens and logits, not what is chosen from them.
"""

from __future__ import annotations

from typing import Any, Protocol

from row_cache import RowCache

from cog.running_out import is_out_of_memory

SHARED_KINDS = {"full_attention", "sliding_attention"}
"""The kinds of layers whose memory is keys and values by position, and nothing else."""

ALIKE = {"float32": 1e-3}
"""How far the logits of a shared pass may lie from those of one alone, relative to their length."""
ALIKE_IN_HALVES = 0.1


class Passes(Protocol):
    """Rows are numbered from 0; `starts` say where in its text a row's token stands."""

    shared: bool

    def reserve(self, rows: int, columns: int) -> None:
        """Makes room before a pass."""

    def read(self, row: int, start: int, tokens: list[int]) -> Any:
        """Takes in a part of a text; gives the logits of the token after it."""

    def begin(self, first: int, prompts: list[list[int]]) -> Any:
        """Takes in whole prompts of the rows from `first` on; gives their logits, a line each."""

    def step(self, first: int, starts: list[int], tokens: list[int]) -> Any:
        """Takes in one token for each row from `first` on; gives their logits, a line each."""

    def move(self, source: int, target: int, length: int) -> None: ...

    def clear(self, row: int) -> None: ...

    def release(self) -> None: ...

    def size(self, lengths: list[int]) -> int:
        """The bytes that texts of these lengths take together, as far as known."""


class SharedPasses:
    """One pass for all rows. A row alone in a pass is computed as if there were no others."""

    shared = True

    def __init__(self, model: Any) -> None:
        self._model = model
        self._device = model.get_input_embeddings().weight.device
        self._cache = RowCache()
        self._bytes = 0
        kinds, self._window = _layers(model)
        self._kinds = sorted(set(kinds))
        self._adds = model.config._attn_implementation == "eager"

    def reserve(self, rows: int, columns: int) -> None:
        self._cache.reserve(rows, columns)

    def read(self, row: int, start: int, tokens: list[int]) -> Any:
        self._cache.turn_to(row, [start])
        logits = self._forward([tokens], [list(range(start, start + len(tokens)))], None)
        self._bytes = self._cache.bytes_per_column()
        return logits[0, -1]

    def begin(self, first: int, prompts: list[list[int]]) -> Any:
        """The shorter ones are filled up behind their end, where nothing before it looks."""
        self._cache.turn_to(first, [0] * len(prompts))
        longest = max(map(len, prompts))
        filled = [[*tokens, *[0] * (longest - len(tokens))] for tokens in prompts]
        lasts = sorted({len(tokens) - 1 for tokens in prompts})
        logits = self._forward(filled, [list(range(longest))] * len(prompts), None, lasts)
        return [
            line[lasts.index(len(tokens) - 1)] for line, tokens in zip(logits, prompts, strict=True)
        ]

    def step(self, first: int, starts: list[int], tokens: list[int]) -> Any:
        self._cache.turn_to(first, starts)
        mask = self._mask(starts) if len(starts) > 1 else None
        given = [[token] for token in tokens]
        return self._forward(given, [[start] for start in starts], mask)[:, -1]

    def move(self, source: int, target: int, length: int) -> None:
        self._cache.move(source, target, length)

    def clear(self, row: int) -> None:
        self._cache.clear(row)

    def release(self) -> None:
        self._cache.release()

    def size(self, lengths: list[int]) -> int:
        return len(lengths) * max(lengths) * self._bytes

    def _forward(
        self,
        tokens: list[list[int]],
        positions: list[list[int]],
        mask: Any,
        kept: list[int] | None = None,
    ) -> Any:
        """The logits after the last token of each row, or after those that `kept` counts."""
        import torch

        with torch.no_grad():
            output = self._model(
                torch.tensor(tokens, device=self._device),
                attention_mask=mask,
                position_ids=torch.tensor(positions, device=self._device),
                past_key_values=self._cache,
                use_cache=True,
                # A list: a tensor would have to lie where the last layer does, on another card.
                logits_to_keep=kept or 1,
            )
        return output.logits.float()

    def _mask(self, starts: list[int]) -> Any:
        """Which columns each row may see, in the form that the model's attention takes."""
        import torch

        ends = torch.tensor(starts, device=self._device)[:, None]
        columns = torch.arange(max(starts) + 1, device=self._device)[None]
        masks = {}
        for kind in self._kinds:
            seen = columns <= ends
            if kind == "sliding_attention":
                seen = seen & (columns > ends - self._window)
            masks[kind] = self._formed(seen[:, None, None])
        return masks if len(masks) > 1 else masks[self._kinds[0]]

    def _formed(self, seen: Any) -> Any:
        import torch

        if not self._adds:
            return seen
        dtype = self._model.dtype
        hidden = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return hidden.masked_fill(~seen, torch.finfo(dtype).min)


class SinglePasses:
    """One pass for each row, with the model's own cache: for models that remember in other ways."""

    shared = False

    def __init__(self, model: Any) -> None:
        self._model = model
        self._device = model.get_input_embeddings().weight.device
        self._caches: dict[int, Any] = {}

    def reserve(self, rows: int, columns: int) -> None:
        pass

    def read(self, row: int, start: int, tokens: list[int]) -> Any:
        import torch
        from transformers import DynamicCache

        if start == 0:
            self._caches[row] = DynamicCache(config=self._model.config)
        with torch.no_grad():
            output = self._model(
                torch.tensor([tokens], device=self._device),
                past_key_values=self._caches[row],
                use_cache=True,
                logits_to_keep=1,
            )
        return output.logits[0, -1].float()

    def begin(self, first: int, prompts: list[list[int]]) -> Any:
        return [self.read(row, 0, tokens) for row, tokens in enumerate(prompts, first)]

    def step(self, first: int, starts: list[int], tokens: list[int]) -> Any:
        import torch

        pairs = enumerate(zip(starts, tokens, strict=True), first)
        return torch.stack([self.read(row, start, [token]) for row, (start, token) in pairs])

    def move(self, source: int, target: int, length: int) -> None:
        if source in self._caches:
            self._caches[target] = self._caches.pop(source)

    def clear(self, row: int) -> None:
        self._caches.pop(row, None)

    def release(self) -> None:
        self._caches = {}

    def size(self, lengths: list[int]) -> int:
        return 0


def passes_of(model: Any) -> Passes:
    """Shared ones if the model gives the same with them, which is tried."""
    try:
        apart = _difference(model)
    except Exception as error:  # whatever a model's code raises that was not written for this
        if is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    else:
        dtype = str(model.dtype).removeprefix("torch.")
        if apart <= ALIKE.get(dtype, ALIKE_IN_HALVES):
            return SharedPasses(model)
        reason = f"its answers would change by {apart:.2g}"
    print(f"Several chats take a pass each: this model cannot share them ({reason}).")
    return SinglePasses(model)


def _difference(model: Any) -> float:
    """How far a short text's logits change when a longer one shares its pass. Raises `TypeError` if
    the model remembers in another way.
    """
    kinds, _ = _layers(model)
    if other := set(kinds) - SHARED_KINDS:
        raise TypeError(f"it has layers of the kind {', '.join(sorted(other))}")
    count = model.get_input_embeddings().weight.shape[0]
    longer, short = ([(number * 7 + 3) % count for number in range(size)] for size in (9, 4))
    alone, together = SinglePasses(model), SharedPasses(model)
    expected = alone.read(0, 0, short)
    together.reserve(2, len(longer))
    together.begin(0, [longer[:-1], short[:-1]])
    given = together.step(0, [len(longer) - 1, len(short) - 1], [longer[-1], short[-1]])[1]
    return float((given - expected).norm() / expected.norm().clamp(min=1e-6))


def _layers(model: Any) -> tuple[list[str], int]:
    """The kind of each layer, and how far the sliding ones look back."""
    from transformers.cache_utils import get_layer_types_and_kwargs

    config = model.config.get_text_config(decoder=True)
    kinds, settings = get_layer_types_and_kwargs(config)
    windows = [each["sliding_window"] for each in settings if "sliding_window" in each]
    if len(set(windows)) > 1:
        raise TypeError("its layers look back to different lengths")
    return kinds, windows[0] if windows else 0
