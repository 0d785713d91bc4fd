"""The questions of the walk: each has its answer computed from the visitor's model and picture."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from vit_demo.analysis.walk import Found, Walk
from vit_demo.contract import WalkQuestion, WalkStepName, WhatIf

ASKED_SIDE_PX = 384  # about: the next multiple of the patch
MOST_OPTIONS = 4
SAME, CHANGES = "walk.option_same", "walk.option_changes"
Options = tuple[tuple[str, ...], int]


def questions_of(
    step: WalkStepName, found: Found, walk: Walk, without: WhatIf | None, names: list[str]
) -> tuple[WalkQuestion, ...]:
    """One or two questions of a step; none where this model gives nothing to ask. `without` is the answer
    without positions; `names` are the best answers after each layer."""
    config, grid, facts, P = walk.config, walk.grid, found.facts, walk.grid.patch_px
    N, p, D, C = grid.num_patches, grid.num_prefix_tokens, config.dim, config.in_channels
    if step == "pixels":
        _, H, W = found.shapes["pixels"]
        return (_numbers("pixels_count", C * H * W, (H * W, C * H, N * D), channels=C, height=H, width=W),)
    if step == "patches":
        side = round(ASKED_SIDE_PX / P) * P
        count = (side // P) ** 2
        return (_numbers("patches_bigger", count, (N, side // P, 2 * count), side=side, patch=P, rows=side // P),)
    if step == "embedding":
        return (_numbers("filter_numbers", C * P * P, (P * P, D, C), channels=C, patch=P, count=D),)
    if step == "prefix":
        return (_numbers("token_count", N + p, (N, N + p + 1, N + p + 4), patches=N, prefix=p),)
    if step == "positions":
        return () if without is None else (_about_positions(without),)
    if step == "norm" and facts["kind"] == "rms":
        return ()  # which does not bring the spread to 1
    if step == "norm":
        spread = found.tensors["std_before"]
        widest, least = float(spread.max()), float(spread.min())
        right = round(float(found.tensors["std_normalised"].mean()), 2)
        options = _choice(f"{right:g}", (f"{widest:.2g}", f"{least:.2g}", f"{D**0.5:.1f}"))
        return (WalkQuestion("spread", *options, {"least": f"{least:.2g}", "widest": f"{widest:.2g}"}),)
    if step == "qkv":
        h, d = facts["heads"], facts["width"]
        return (_numbers("head_width", int(d), (D, int(h), 3 * D), heads=h, width=d, dim=D),)
    if step == "scores":
        return _about_scores(found, walk)
    if step == "values":
        return (_who_gives(found, walk),)
    if step == "residual":
        attention, mlp = (float(found.tensors[name][walk.layer]) for name in ("attention", "mlp"))
        options = (("walk.option_attention", "walk.option_mlp"), 0 if attention > mlp else 1)
        told = {"attention": f"{attention:.3g}", "mlp": f"{mlp:.3g}", "layer": walk.layer + 1}
        return (_words("adds_more", options, **told),)
    if step == "mlp":
        hidden = config.mlp_hidden
        return (_numbers("hidden_width", hidden, (D, 2 * D, 3 * D, 8 * D), dim=D, factor=f"{hidden / D:.3g}"),)
    if step == "layers":
        return (*_when_final(found, names), *_most_prefix(found, p))
    if step == "answer":
        options = (("walk.option_grows", "walk.option_shrinks", "walk.option_stays"), _at_two(found))
        return (_words("temperature", options),)
    return (_numbers("teacher_crops", _global_crops(facts), _all_crops(facts), **_crops(facts)),)


def _about_positions(without: WhatIf) -> WalkQuestion:
    """Whether the best answer stays when no patch has a position."""
    same = without.best_before == without.best_after
    before, after = without.names[without.best_before], without.names[without.best_after]
    likeness = f"{without.likeness:.2f}".replace("-", "−")
    return _words("no_positions", ((SAME, CHANGES), 0 if same else 1), before=before, after=after, likeness=likeness)


def _about_scores(found: Found, walk: Walk) -> tuple[WalkQuestion, ...]:
    """What a row adds up to, and, for a token with a place, which head looks nearest."""
    total = _words("row_sum", (("0", "1", "walk.option_depends"), 1), sum=f"{found.facts['sum']:.6f}")
    if "distance_px" not in found.tensors or found.tensors["distance_px"].numel() < 2:
        return (total,)
    distances = found.tensors["distance_px"]
    if float(distances.max()) == 0:  # one patch alone
        return (total,)
    nearest, ranked = int(distances.argmin()), distances.argsort().tolist()
    others = [ranked[-1], *ranked[len(ranked) // 2 :]]
    options = _choice(str(nearest + 1), (str(i + 1) for i in others if i != nearest))
    told = {"distance": f"{float(distances[nearest]):.0f}", "farthest": f"{float(distances.max()):.0f}"}
    return _words("nearest_head", options, layer=walk.layer + 1, head=nearest + 1, **told), total


def _who_gives(found: Found, walk: Walk) -> WalkQuestion:
    """From which kind of token most of a head's output comes: the token itself, the prefix, or other patches."""
    given, p = found.tensors["given"].clone(), walk.grid.num_prefix_tokens
    own = float(given[walk.token])
    given[walk.token] = 0
    shares = torch.tensor([own, float(given[:p].sum()), float(given[p:].sum())])
    options = ("walk.option_itself", "walk.option_prefix", "walk.option_patches")
    whole = [round(100 * float(share / shares.sum().clamp_min(1e-12))) for share in shares]
    whole[int(shares.argmax())] += 100 - sum(whole)  # rounded, they still make 100
    parts = [str(part) for part in whole]
    told = dict(zip(("itself", "prefix", "patches"), parts, strict=True))
    kept = [i for i in range(3) if i != 1 or p]
    right = kept.index(int(shares.argmax()))
    return _words("who_gives", (tuple(options[i] for i in kept), right), head=walk.head + 1, **told)


def _when_final(found: Found, names: list[str]) -> tuple[WalkQuestion, ...]:
    """After which layer the final answer is the best one, and stays it. By number: two classes can have one name."""
    if len(names) < 2:
        return ()
    best, since = found.tensors["best"].tolist(), len(names)
    while since > 1 and best[since - 2] == best[-1]:
        since -= 1
    others = (len(names), 1, max(1, len(names) // 2), max(1, len(names) - 2))
    name = "final_always" if since == 1 else "final_since"
    return (_words(name, _choice(str(since), map(str, others)), best=names[-1], layer=since),)


def _most_prefix(found: Found, prefix: int) -> tuple[WalkQuestion, ...]:
    """In which layer the token looks at the prefix tokens most."""
    if not prefix or len(found.tensors["prefix"]) < 2:
        return ()
    shares = found.tensors["prefix"].sum(dim=-1)
    most, L = int(shares.argmax()) + 1, len(shares)
    told = {"share": f"{100 * float(shares.max()):.0f}", "least": f"{100 * float(shares.min()):.0f}", "layer": most}
    return (
        _words("most_prefix", _choice(str(most), map(str, (L, 1, max(1, L // 2), int(shares.argmin()) + 1))), **told),
    )


def _at_two(found: Found) -> int:
    """What becomes of the best answer's probability at temperature 2: 0 grows, 1 shrinks, 2 stays."""
    values, best = found.tensors["values"].double(), int(found.facts["best"])
    shared = (lambda x: x.sigmoid()) if found.facts.get("multi_label") else (lambda x: x.softmax(dim=-1))
    before, after = (float(shared(values / t)[best]) for t in (1, 2))
    return 2 if abs(after - before) < 1e-6 else 0 if after > before else 1


def _global_crops(facts) -> int:
    return int(facts["global_crops"])


def _all_crops(facts) -> tuple[int, ...]:
    both = facts["global_crops"] + facts["local_crops"]
    return int(both), int(both) + 1, 1


def _crops(facts) -> dict[str, int]:
    return {"all": facts["global_crops"] + facts["local_crops"], "large": facts["global_crops"]}


# -------------------------------------------------------------------------------------------------------------- options


def _choice(right: str, others: Iterable[str]) -> Options:
    """The right option among others, each once, ordered by size where they are numbers."""
    found = list(dict.fromkeys([right, *others]))[:MOST_OPTIONS]
    ordered = tuple(sorted(found, key=lambda text: float(text.replace(",", ""))))
    return ordered, ordered.index(right)


def _numbers(name: str, right: int, others: Iterable[int], **values) -> WalkQuestion:
    """A question whose options are counts."""
    options = _choice(f"{right:,}", (f"{other:,}" for other in others))
    return WalkQuestion(name, *options, {**values, "right": f"{right:,}"})


def _words(name: str, options: Options, **values) -> WalkQuestion:
    return WalkQuestion(name, *options, values)
