"""PatchGrid: patch ↔ token. The only place that knows how many prefix tokens stand before the patches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PatchGrid:
    """The patches of one picture as the model saw it, rows first, and the prefix tokens before them.

    Tokens are numbered as in the model: prefix tokens first (class, distillation, registers), then patches row by row.
    """

    rows: int
    cols: int
    patch_px: int
    prefix_names: tuple[str, ...] = ("cls",)

    @classmethod
    def of(cls, height_px: int, width_px: int, patch_px: int, prefix_names: tuple[str, ...]) -> PatchGrid:
        """The grid of a picture of that size. Raises ValueError where the patch does not divide it."""
        if height_px % patch_px or width_px % patch_px or min(height_px, width_px) < patch_px:
            raise ValueError(
                f"a picture of {height_px}×{width_px} px cannot be cut into patches of {patch_px} px: "
                f"both sides must be multiples of {patch_px}"
            )
        return cls(height_px // patch_px, width_px // patch_px, patch_px, tuple(prefix_names))

    @property
    def num_prefix_tokens(self) -> int:
        return len(self.prefix_names)

    @property
    def num_patches(self) -> int:
        return self.rows * self.cols

    @property
    def num_tokens(self) -> int:
        return self.num_prefix_tokens + self.num_patches

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.cols

    def token_of_patch(self, row: int, col: int) -> int:
        """Token number of a patch. Raises ValueError outside the grid."""
        if not (0 <= row < self.rows and 0 <= col < self.cols):
            raise ValueError(f"patch ({row}, {col}) is outside the {self.rows}×{self.cols} grid")
        return self.num_prefix_tokens + row * self.cols + col

    def patch_of_token(self, token: int) -> tuple[int, int] | None:
        """(row, col) of a token, or None for a prefix token."""
        if not 0 <= token < self.num_tokens:
            raise ValueError(f"token {token} is outside 0 … {self.num_tokens - 1}")
        if token < self.num_prefix_tokens:
            return None
        return divmod(token - self.num_prefix_tokens, self.cols)
