"""Where the class token looks, in a few lines: python examples/attention_from_python.py [picture] [model]"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # from a clone; with `pip install .` it is not needed

import torch
from PIL import Image

import vit_demo
from vit_demo.preprocess import prepare

picture = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("dog.jpg")
name = sys.argv[2] if len(sys.argv) > 2 else vit_demo.Explainer().default_model()

loaded = vit_demo.load_model(name)
prepared = prepare(Image.open(picture), loaded.preprocess, loaded.model.config.patch_px)

trace = vit_demo.Trace()
with torch.inference_mode():
    loaded.model(torch.from_numpy(prepared.pixels)[None], trace=trace)
    rows = vit_demo.attention_rows(trace, layer=len(trace.layers) - 1, token=0)[0]  # (heads, N), each sums to 1

prefix = trace.grid.num_prefix_tokens
for head, row in enumerate(rows, start=1):
    at_row, at_col = trace.grid.patch_of_token(prefix + int(row[prefix:].argmax()))
    to_prefix = 100 * float(row[:prefix].sum())
    print(f"head {head}: most on patch row {at_row + 1}, column {at_col + 1}; {to_prefix:.1f} % on prefix tokens")
