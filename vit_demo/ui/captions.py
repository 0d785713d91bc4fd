"""Short texts of the page made from values: lines of the model list, the card, sizes, the status line."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from vit_demo.contract import ModelCard, ModelDetails, ModelStatus, RunInfo, SizeChoice
from vit_demo.grid import PatchGrid
from vit_demo.preprocess import input_size
from vit_demo.text import say
from vit_demo.ui.kit.inputs import Picture


def model_choices(statuses: tuple[ModelStatus, ...], language: str) -> list[tuple[str, str]]:
    """(what is read, id): models that are here first, then those that predict classes, then the others."""
    order = {"on_disk": 0, "downloadable": 1, "unknown": 1, "out_of_reach": 1}
    ranked = sorted(statuses, key=lambda s: (order[s.availability], not s.card.has_head))
    return [(model_line(status, language), status.card.id) for status in ranked]


def model_line(status: ModelStatus, language: str) -> str:
    marks = {"on_disk": "●", "downloadable": "↓", "unknown": "…", "out_of_reach": "×"}
    card = status.card
    group = say("page.group_classes" if card.has_head else "page.group_features", language)
    line = f"{marks[status.availability]} {card.title} · {group}"
    if status.availability == "on_disk":
        return line
    return f"{line} · {say(f'page.{status.availability}', language, size=megabytes(card.download_bytes))}"


def card_html(card: ModelCard, language: str, report: Mapping[str, object] | None = None) -> str:
    """What the model is, in a few lines, with its licence; under a fold what to keep in mind of its weights, and once
    they are loaded what became of their tensors."""
    head = say("page.card_head" if card.has_head else "page.card_no_head", language)
    if card.top1 is not None:
        head += ", " + say("page.card_top1", language, top1=card.top1)
    line = say(
        "page.card",
        language,
        family=card.family,
        parameters=f"{card.parameters / 1e6:.1f}",
        patch=card.patch_px,
        head=head,
    )
    licence = escape(str(card.licence))
    if card.licence_url.startswith("https://"):
        licence = f'<a href="{escape(card.licence_url)}" target="_blank" rel="noreferrer">{licence}</a>'
    folded = [say(card.note, language)] if card.note else []
    if report:
        folded.append(say("page.report", language, **report))
        if report.get("assumed"):
            folded.append(say("page.assumed", language, what=report["assumed"]))
    fold = ""
    if folded:
        inside = "".join(f"<p>{escape(words)}</p>" for words in folded)
        fold = f"<details><summary>{escape(say('page.weights_note', language))}</summary>{inside}</details>"
    return f'<div class="vd-card"><p>{escape(line)} · {licence}</p><p>{escape(say(card.why, language))}</p>{fold}</div>'


def size_choices(details: ModelDetails, language: str) -> list[tuple[str, int]]:
    return [
        (say("page.size_native", language, side=o.side) if o.native else str(o.side), o.side) for o in details.sizes
    ]


def size_note(details: ModelDetails, side: object, keep_shape: object, image: object, language: str) -> str:
    """How many patches and tokens a size gives, and what it costs."""
    option = next((o for o in details.sizes if o.side == side), None)
    if option is None:
        return ""
    rows, cols, tokens, cost = option.rows, option.cols, option.tokens, option.cost
    if (keep_shape or details.preprocess.crop == "none") and isinstance(image, Picture):
        choice = SizeChoice(option.side, bool(keep_shape))
        height, width = input_size(details.preprocess, details.patch_px, choice, *image.pixels.shape[:2])
        rows, cols = height // details.patch_px, width // details.patch_px
        tokens = rows * cols + len(details.prefix_names)
        cost = option.cost * tokens / option.tokens  # attention's own share grows faster, and is small here
    key = "page.size_own" if option.native and (rows, cols) == (option.rows, option.cols) else "page.size_cost"
    note = say(key, language, side=option.side, rows=rows, cols=cols, tokens=f"{tokens:,}", cost=f"{cost:.2g}")
    profile = image.profile if isinstance(image, Picture) else ""
    colours = f"<p>{escape(say('page.profile', language, profile=profile))}</p>" if profile else ""
    return f'<div class="vd-size">{escape(note)}{colours}</div>'


def status_html(info: RunInfo, view_ms: float, language: str) -> str:
    grid = info.grid
    first = say(
        "page.status",
        language,
        title=info.title,
        parameters=f"{info.parameters / 1e6:.1f}",
        rows=grid.rows,
        cols=grid.cols,
        patch=grid.patch_px,
        tokens=f"{grid.num_tokens:,}",
    )
    positions = position_words(info, language)
    times = say(
        "page.status_time_cached" if info.cached else "page.status_time",
        language,
        device=info.device,
        dtype=info.dtype,
        forward=f"{info.forward_ms:.0f}",
        view=f"{view_ms:.0f}",
    )
    revision = f" · {info.revision[:8]}" if info.revision else ""
    return (
        f'<div class="vd-status"><p>{escape(first)}</p><p>{escape(positions)}</p>'
        f"<p>{escape(times)}{escape(revision)}</p></div>"
    )


def view_status_html(details: ModelDetails, grid: PatchGrid | None, view_ms: float, language: str) -> str:
    """The status line of a view that needs no forward pass."""
    card = details.card
    about = {"title": card.title, "parameters": f"{card.parameters / 1e6:.1f}"}
    lines = [say("page.status_model", language, **about)]
    if grid is not None:
        size = {"rows": grid.rows, "cols": grid.cols, "patch": grid.patch_px, "tokens": f"{grid.num_tokens:,}"}
        lines = [say("page.status", language, **about, **size)]
    lines.append(say("page.status_view", language, view=f"{view_ms:.0f}"))
    return '<div class="vd-status">' + "".join(f"<p>{escape(line)}</p>" for line in lines) + "</div>"


def position_words(info: RunInfo, language: str) -> str:
    """How the model knows places, and by which convention its table was stretched where it was."""
    if info.resampled:
        return say("page.status_resampled", language, position=info.position)
    kind = f"page.position_{info.position}"
    return say("page.status_position", language, position=say(kind, language))


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
