"""Inside a Vision Transformer: the entry for a Space and for one's own machine. The one file that acts at import."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported
with contextlib.suppress(ImportError):
    import spaces  # noqa: F401 – ZeroGPU wants it before torch; elsewhere it does not exist

from vit_demo import memory
from vit_demo.contract import DemoError
from vit_demo.explain import Explainer
from vit_demo.gallery import read_gallery
from vit_demo.serve import own_folder, serve
from vit_demo.ui.build import build_demo

ON_SPACE = "SPACE_ID" in os.environ
HOST = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0" if ON_SPACE else "127.0.0.1")
# Paths of this machine and any repository may be opened by name where one says so: the page cannot know whether a
# proxy stands before it. `make run` does.
ANY_MODEL = os.environ.get("VIT_DEMO_ANY_MODEL", "") == "1"
LOAD_AFTER_S = 2.5
SETTLE_S = 4  # a first visitor's first view comes before what later views share

MEMORY_GB = os.environ.get("VIT_DEMO_MEMORY_GB", "")

memory.use_few_arenas()  # before there are threads
# Before there are components, which remember it
folder = own_folder(os.environ.get("GRADIO_TEMP_DIR"))
os.environ["GRADIO_TEMP_DIR"] = str(folder)
limits = memory.Limits.of_machine(int(float(MEMORY_GB) * 1e9) if MEMORY_GB else None)
examples = read_gallery()
device = os.environ.get("VIT_DEMO_DEVICE", "auto")
explainer = Explainer(device, any_model=ANY_MODEL, limits=limits, examples=examples)
demo = build_demo(explainer, examples, any_model=ANY_MODEL)


def load_in_background(load: bool = True) -> None:
    """Behind the page: ask for the Hub, fetch the default model, and load it. A visitor hears of what fails here."""
    try:
        explainer.look_for_hub()
        if load:
            model = explainer.warm_up()
            time.sleep(SETTLE_S)
            explainer.prepare_views(model)
        else:
            explainer.fetch(explainer.default_model())
    except DemoError as error:
        logging.getLogger("vit_demo").warning("the default model is not ready: %s", error)


if ON_SPACE and "SPACES_ZERO_GPU" in os.environ:
    # ZeroGPU loads models in the workers that it forks; the files should be there before
    load_in_background(load=False)

if __name__ == "__main__":
    # A first visitor's page comes before the import of torch, which would keep the server from answering.
    waiting = threading.Timer(LOAD_AFTER_S, load_in_background)
    waiting.daemon = True
    waiting.start()
    serve(demo, explainer, folder, server_name=HOST)
