"""Theme, and the arguments of launch() that a public page needs."""

from __future__ import annotations

import gradio as gr

from vit_demo.decode import MAX_BYTES

FONTS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "sans-serif")
# Gradio tells of larger files in English, whatever the visitor's language; up to here the picture's own sentence does.
UPLOAD_BYTES = 5 * MAX_BYTES
THREADS = 160  # each listener that waits for its turn holds one
MONO = ("ui-monospace", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Gradio's own theme variables with one accent and the system's fonts: nothing is fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.slate,
        font=FONTS,
        font_mono=MONO,
        radius_size=gr.themes.sizes.radius_sm,
    ).set(
        # What gradio's own are short of for contrast AA
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
    )


def launch_arguments() -> dict:
    """For `demo.launch`: bounded uploads, no history in the browser, no open monitoring, no errors with insides."""
    return dict(
        theme=theme(),
        max_file_size=UPLOAD_BYTES,
        run_history=False,  # on a shared class computer the next pupil would see it
        enable_monitoring=False,
        footer_links=[],
        show_error=False,
        ssr_mode=False,  # needs Node on the server, and gains nothing: the views are drawn in the browser
        state_session_capacity=200,
        max_threads=THREADS,
    )


def mount_arguments(demo: gr.Blocks) -> dict:
    """The same for `gr.mount_gradio_app`, which has fewer; what it has no argument for is set on the page."""
    every = launch_arguments()
    demo.max_threads = demo._queue.max_thread_count = every.pop("max_threads")
    demo.state_session_capacity = every.pop("state_session_capacity")
    return every
