"""Inside a Vision Transformer: the entry for a Space and for one's own machine. The one file that acts at import."""

from __future__ import annotations

import contextlib
import os

from vit_demo.files import prepare_process
from vit_demo.starting import starting_page

ON_SPACE = "SPACE_ID" in os.environ
HOST = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0" if ON_SPACE else "127.0.0.1")

folder = prepare_process()  # before gradio is imported, also by spaces
starting = None
if __name__ == "__main__" and not ON_SPACE:  # a Space shows its own page until the port answers
    starting = starting_page(HOST, os.environ.get("GRADIO_SERVER_PORT"))
with contextlib.suppress(ImportError):
    import spaces  # noqa: F401 – ZeroGPU wants it before torch; elsewhere it does not exist

from vit_demo.serve import Settings, build, load_behind, serve

settings = Settings.of_environment()
demo, explainer = build(settings)

if ON_SPACE and "SPACES_ZERO_GPU" in os.environ:
    explainer.preload()  # ZeroGPU forks this process for each task

if __name__ == "__main__":
    load_behind(explainer)
    serve(demo, explainer, folder, starting=starting, server_name=HOST, auth=settings.auth)
