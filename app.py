"""Inside a Vision Transformer: the entry for a Space and for one's own machine. The one file that acts at import."""

from __future__ import annotations

import contextlib
import os
import threading

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported
with contextlib.suppress(ImportError):
    import spaces  # noqa: F401 – ZeroGPU wants it before torch; elsewhere it does not exist

from vit_demo.explain import EXAMPLES, Explainer
from vit_demo.ui.build import build_demo
from vit_demo.ui.style import launch_arguments

ON_SPACE = "SPACE_ID" in os.environ
HOST = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0" if ON_SPACE else "127.0.0.1")
# Paths of this machine and any repository may be opened by name only where nobody else can reach the page.
OWN_MACHINE = HOST in ("127.0.0.1", "localhost", "::1")

explainer = Explainer(os.environ.get("VIT_DEMO_DEVICE", "auto"), any_model=OWN_MACHINE)
demo = build_demo(explainer, EXAMPLES, any_model=OWN_MACHINE)


def prepare() -> None:
    """Behind the page: ask for the Hub, import torch, load the default model."""
    explainer.look_for_hub()
    explainer.warm_up()


if ON_SPACE and "SPACES_ZERO_GPU" in os.environ:
    prepare()  # ZeroGPU forks its workers: what they need must be there before

if __name__ == "__main__":
    demo.launch(server_name=HOST, prevent_thread_lock=True, **launch_arguments(EXAMPLES))
    threading.Thread(target=prepare, name="prepare", daemon=True).start()
    demo.block_thread()
