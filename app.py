"""Inside a Vision Transformer: the entry for a Space and for one's own machine. The one file that acts at import."""

from __future__ import annotations

import contextlib
import os

from vit_demo.files import prepare_process

folder = prepare_process()  # before gradio is imported, also by spaces
with contextlib.suppress(ImportError):
    import spaces  # noqa: F401 – ZeroGPU wants it before torch; elsewhere it does not exist

from vit_demo.serve import Settings, build, load_behind, serve

ON_SPACE = "SPACE_ID" in os.environ
HOST = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0" if ON_SPACE else "127.0.0.1")

settings = Settings.of_environment()
demo, explainer = build(settings)

if ON_SPACE and "SPACES_ZERO_GPU" in os.environ:
    explainer.preload()  # ZeroGPU forks this process for each task

if __name__ == "__main__":
    load_behind(explainer)
    serve(demo, explainer, folder, server_name=HOST, auth=settings.auth)
