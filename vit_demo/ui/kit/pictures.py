"""More pictures than the page's one: uploads decoded as safely as it, and the examples by name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import numpy as np

from vit_demo.contract import DemoError, PictureError
from vit_demo.ui.kit.inputs import read_or_refused
from vit_demo.ui.kit.reader import DECODERS_AT_ONCE, read_file
from vit_demo.ui.state import PageState

Pictures = tuple[np.ndarray, ...]


class PictureFiles(gr.File):
    """gr.File for several pictures, decoded by `vit_demo.decode` in child processes. `most` bounds how many are read,
    `kept_px` how large each is kept.

    Gives the handler a tuple of arrays (H, W, 3) uint8, or as a value the DemoError that says what is wrong.
    """

    is_template = True  # it looks and behaves as gr.File does in the browser
    most, kept_px = 8, 2048

    # No __init__ of its own: gradio reads the browser's properties off the signature of gr.File's.

    def preprocess(self, payload) -> Pictures | DemoError:
        files = [] if payload is None else getattr(payload, "root", [payload])
        if len(files) > self.most:
            return DemoError("features.too_many_pictures", count=len(files), most=self.most)
        return read_or_refused(lambda: self._read_all([file.path for file in files]))

    def _read_all(self, paths: list[str]) -> tuple[np.ndarray, ...]:
        with ThreadPoolExecutor(DECODERS_AT_ONCE) as threads:
            try:
                return tuple(threads.map(self._read, paths))
            except (DemoError, OSError):
                threads.shutdown(wait=False, cancel_futures=True)  # one bad picture: the others can wait
                raise

    def _read(self, path: str) -> np.ndarray:
        if not path:  # a data: URL in the value would pass by the upload limit
            raise PictureError("picture.not_a_picture")
        return read_file(path, self.kept_px).pixels


def several(most: int, kept_px: int = PictureFiles.kept_px, **more) -> PictureFiles:
    """A PictureFiles that takes at most `most` pictures and keeps each at most `kept_px` long."""
    files = PictureFiles(file_count="multiple", file_types=["image"], height=140, **more)
    files.most, files.kept_px = most, kept_px
    return files


def example_choices(state: PageState) -> list[tuple[str, str]]:
    """(what is read, file) of every example picture."""
    return [(example.label(state.language), example.path.name) for example in state.examples]


def chosen_pictures(state: PageState, names: object, uploads: object) -> Pictures:
    """The examples chosen by their file names, then the uploads. Raises what is wrong with an upload."""
    if isinstance(uploads, DemoError):
        raise uploads
    wanted = dict.fromkeys(name for name in names if isinstance(name, str)) if isinstance(names, list) else {}
    found = {example.path.name: example for example in state.examples}
    return (*(found[name].picture() for name in wanted if name in found), *(uploads or ()))
