"""Which head the answer leans on, and where it is carried: python examples/what_if.py [picture] [model]"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # from a clone; with `pip install .` it is not needed

import numpy as np
from PIL import Image

import vit_demo

here = Path(__file__)
picture = Image.open(sys.argv[1] if len(sys.argv) > 1 else here.with_name("dog.jpg"))
explainer = vit_demo.Explainer()
model = sys.argv[2] if len(sys.argv) > 2 else explainer.default_model()

# Every head alone: its output becomes its mean over the picture's tokens
scan = explainer.scan(picture, model, kind="heads")
layer, head = np.unravel_index(np.nanargmax(np.abs(scan.values)), scan.values.shape)
print(f"{scan.name}: {scan.score:.3f}; without layer {layer + 1}, head {head + 1} {scan.values[layer, head]:+.3f}")

# That head off, a third of the picture gone, positions shuffled: all at once
grid = scan.info.grid
gone = tuple((row, col) for row in range(grid.rows // 3) for col in range(grid.cols))
edits = vit_demo.Edits(drop=gone, heads={(int(layer), int(head)): "mean"}, positions="shuffled")
answer = explainer.what_if(picture, model, edits=edits)
print(f"{answer.names[answer.best_before]} becomes {answer.names[answer.best_after]}; likeness {answer.likeness:.3f}")

# From which layer on the class token carries the answer: its states come from another picture
states = explainer.scan(picture, model, kind="states", other=Image.open(here.with_name("kitten.jpg")))
for number, (prefix, patches) in enumerate(states.values, start=1):
    print(f"layer {number}: class token and registers {prefix:+.3f}, patches {patches:+.3f}")
