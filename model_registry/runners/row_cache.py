"""What a model remembers of several texts at once: a row of keys and values for each.

A text's n-th token stands in column n of its row, whatever the other rows hold: so a text joins,
leaves and moves without a word about the others. Beyond a row's end there are zeros, or what a pass
has left there and the row will write over: never what is no number, because even what a mask hides
is multiplied.
"""

from __future__ import annotations

from typing import Any

STRIDE = 64
"""Columns are added by multiples of this."""


class RowCache:
    """Stands where transformers expects its `Cache`: the attention layers call `update`, the masks
    of a pass over one row are made from the rest.
    """

    is_compileable = False
    is_sliding = (False,)
    is_linear = (False,)
    is_dummy = (False,)

    def __init__(self) -> None:
        self.rows = 0
        self.columns = 0
        self._layers: dict[int, tuple[Any, Any]] = {}
        self._first = 0
        self._starts = [0]
        self._places: dict[Any, tuple[Any, Any]] = {}

    def turn_to(self, first: int, starts: list[int]) -> None:
        """The next pass is over the rows from `first` on; their tokens stand from `starts` on."""
        self._first, self._starts = first, starts
        self._places = {}

    def update(self, keys: Any, values: Any, layer: int, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Writes those of the pass; gives all those up to there. Rows that stand at different
        places take one token each.
        """
        if layer not in self._layers:
            self._layers[layer] = self._empty(keys), self._empty(values)
        stored = self._layers[layer]
        end = max(self._starts) + keys.shape[2]
        rows = slice(self._first, self._first + len(self._starts))
        for kept, new in zip(stored, (keys, values), strict=True):
            if len(set(self._starts)) == 1:
                kept[rows, :, self._starts[0] : end] = new
            else:
                row, column = self._places_on(new)
                kept[row, :, column] = new[:, :, 0]
        return stored[0][rows, :, :end], stored[1][rows, :, :end]

    def reserve(self, rows: int, columns: int) -> None:
        """Makes room for so many, where there is less. Where memory runs out in that, what there
        was can be used on.
        """
        if rows <= self.rows and columns <= self.columns:
            return
        rows, columns = max(rows, self.rows), max(-(-columns // STRIDE) * STRIDE, self.columns)
        for layer, pair in self._layers.items():
            self._layers[layer] = _grown(pair[0], rows, columns), _grown(pair[1], rows, columns)
        self.rows, self.columns = rows, columns

    def move(self, source: int, target: int, length: int) -> None:
        """Copies a row of that length over another."""
        for pair in self._layers.values():
            for kept in pair:
                kept[target, :, :length] = kept[source, :, :length]
                kept[target, :, length:] = 0

    def clear(self, row: int) -> None:
        """Empties a row, where there was room for it."""
        for pair in self._layers.values():
            for kept in pair:
                kept[row : row + 1] = 0

    def release(self) -> None:
        """Gives all memory back."""
        self.rows = self.columns = 0
        self._layers = {}

    def bytes_per_column(self) -> int:
        """What one token of one row takes; 0 before the first pass."""
        pairs = self._layers.values()
        return sum(
            kept.shape[1] * kept.shape[3] * kept.element_size() for pair in pairs for kept in pair
        )

    # --- what the masks ask, in passes over one row

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._starts[0]

    def get_query_offset(self, layer_idx: int = 0) -> int:
        return self._starts[0]

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return self._starts[0] + query_length, 0

    def get_max_length(self, layer_idx: int | None = None) -> int:
        return -1

    # ---

    def _places_on(self, new: Any) -> tuple[Any, Any]:
        """Row and column of each of the pass's tokens, where the layer is."""
        import torch

        if new.device not in self._places:
            row = torch.arange(self._first, self._first + len(self._starts), device=new.device)
            self._places[new.device] = row, torch.tensor(self._starts, device=new.device)
        return self._places[new.device]

    def _empty(self, like: Any) -> Any:
        return _grown(like[:0, :, :0], self.rows, self.columns)


def _grown(kept: Any, rows: int, columns: int) -> Any:
    """At least as large as asked, and never smaller than it was."""
    grown = kept.new_zeros(
        (max(rows, kept.shape[0]), kept.shape[1], max(columns, kept.shape[2]), kept.shape[3])
    )
    grown[: kept.shape[0], :, : kept.shape[2]] = kept
    return grown
