"""Position tables stretched to another grid: two conventions compared on the picture. A part of the Embeddings tab."""

from __future__ import annotations

from html import escape

import gradio as gr

from vit_demo.contract import Interpolation, SizeChoice
from vit_demo.text import say
from vit_demo.ui.inputs import size_of
from vit_demo.ui.offered import OfferedDropdown
from vit_demo.ui.page import Asked, Page, Updates
from vit_demo.ui.tabs.embeddings_views import Map, MapsView, from_zero, maps_value, table_html

COMPARED = "embeddings_first embeddings_second embeddings_side"
RULES = ("dino", "dinov2_reg", "timm", "transformers", "google")
OWN = "own"


def layout(page: Page) -> None:
    with page.say(gr.Accordion(open=False, elem_id="vd-embeddings-stretch"), label="embeddings.stretch_heading"):
        page.say(gr.Markdown(elem_classes="vd-help"), value="embeddings.help_stretch")
        with gr.Row():
            names = [(say(f"embeddings.rule_{rule}"), rule) for rule in RULES]
            first = OfferedDropdown([(say("embeddings.rule_own"), OWN), *names], value=OWN, min_width=160)
            page.add("embeddings_first", first, label="embeddings.first")
            page.add(
                "embeddings_second", OfferedDropdown(names, value="google", min_width=160), label="embeddings.second"
            )
            page.add("embeddings_side", OfferedDropdown([], min_width=120), label="embeddings.side")
        button = gr.Button(size="sm", elem_id="vd-embeddings-compare")
        page.add("embeddings_compare", button, value="embeddings.compare")
        page.add("embeddings_maps", MapsView(elem_id="vd-embeddings-maps"))
        page.add("embeddings_compare_html", gr.HTML(elem_id="vd-embeddings-compared"))


def wire(page: Page) -> None:
    compared = "embeddings_maps embeddings_compare_html"
    button = page.parts["embeddings_compare"]
    seen = dict(concurrency_id="model", concurrency_limit=1, show_progress="minimal", show_progress_on=[button])
    button.click(**page.ask(compare, COMPARED, compared, **seen))
    for name in COMPARED.split():
        page.parts[name].input(**page.ask(compare, COMPARED, compared))


def anew(asked: Asked) -> Updates:
    """For another picture, model or language: the sizes to choose from, and nothing compared yet."""
    return {
        "embeddings_maps": maps_value([], asked.language),
        "embeddings_compare_html": "",
        "embeddings_side": side_choices(asked),
    }


def side_choices(asked: Asked) -> dict:
    """The sizes at which the table is stretched; the page's own size where it is one of them."""
    sizes = [option for option in asked.explainer.details(asked.model).sizes if not option.native]
    choices = [(f"{o.side} px · {o.rows}×{o.cols}", o.side) for o in sizes]
    sides = [option.side for option in sizes]
    value = asked.size.side if asked.size.side in sides else next(iter(sides), None)
    return gr.update(choices=choices, value=value)


def compare(asked: Asked, first: object, second: object, side: object) -> Updates:
    """Two conventions on this picture: what they change in the table, the features and the prediction."""
    size = SizeChoice(size_of(side, False).side, asked.size.keep_shape)
    wanted = None if first == OWN else str(first)
    found = asked.explainer.interpolation(asked.image, asked.model, size, wanted, str(second))
    parts = (("table_apart", 100 * found.positions, " %"), ("features_apart", found.features, ""))
    maps = [Map(asked.say(f"embeddings.{name}"), values, from_zero(values), unit=unit) for name, values, unit in parts]
    return {
        "embeddings_maps": maps_value(maps, asked.language),
        "embeddings_compare_html": compared_html(asked, found),
    }


def compared_html(asked: Asked, found: Interpolation) -> str:
    """What the two conventions did, in words and tables."""
    titles = [asked.say(f"embeddings.rule_{rule}") for rule in found.rules]
    first, second = (titles[i] for i in found.compared)
    rows, cols = found.grid.shape
    about = {"native_rows": found.native[0], "native_cols": found.native[1], "rows": rows, "cols": cols}
    lines = [asked.say("embeddings.stretched", first=first, second=second, **about)]
    if found.class_feature is not None:
        lines.append(asked.say("embeddings.class_apart", value=f"{found.class_feature:.4f}"))
    if found.moved is not None:
        lines.append(asked.say("embeddings.moved", value=f"{100 * found.moved:.2f}"))
    words = "".join(f'<p class="vd-how">{escape(line)}</p>' for line in lines)
    head = ["", first, second]
    body = [
        [label, f"{100 * p:.2f} %", f"{100 * q:.2f} %"]
        for label, p, q in zip(found.labels, found.before, found.after, strict=True)
    ]
    classes = table_html(head, body) if body else ""
    caption = escape(asked.say("embeddings.all_pairs"))
    own = [title + (" *" if i == found.own else "") for i, title in enumerate(titles)]
    pairs = [[own[i], *(f"{100 * value:.1f}" for value in row)] for i, row in enumerate(found.tables)]
    return f'{words}{classes}<p class="vd-how">{caption}</p>{table_html(["", *own], pairs)}'
