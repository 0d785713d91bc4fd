"""Inside a Vision Transformer: the entry for a Space and for one's own machine. The one file that acts at import."""

from __future__ import annotations

import contextlib
import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported
with contextlib.suppress(ImportError):
    import spaces  # noqa: F401 – ZeroGPU wants it before torch; elsewhere it does not exist

from vit_demo import memory
from vit_demo.files import own_folder

memory.use_few_arenas()  # before there are threads
folder = own_folder(os.environ.get("GRADIO_TEMP_DIR"))
os.environ["GRADIO_TEMP_DIR"] = str(folder)  # before gradio is imported, which remembers it

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
