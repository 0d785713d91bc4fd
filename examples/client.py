"""Asks a running app what it sees in a picture, and where its last layer looks.

    python client.py http://127.0.0.1:7860/ dog.jpg

Needs gradio_client (pip install gradio_client). Every question is listed with its parameters at <address>?view=api.
"""

import shutil
import sys

from gradio_client import Client, handle_file

address, file = sys.argv[1:3]
client = Client(address, verbose=False)
picture = handle_file(file)

found = client.predict(picture, top=3, api_name="/predict")
for name, value in zip(found["labels"], found.get("probabilities") or found["cosines"], strict=True):
    print(f"{value:6.3f}  {name}")

numbers, sheet = client.predict(picture, layer=-1, token="cls", api_name="/attention")
print(f"layer {numbers['layer']}: {len(numbers['maps'])} heads, {numbers['info']['grid']} patches")
shutil.copy(sheet, "attention.png")
