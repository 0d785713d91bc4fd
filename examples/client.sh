#!/usr/bin/env bash
# Asks a running app what it sees in a picture, with curl alone.
#
#     bash client.sh http://127.0.0.1:7860 dog.jpg
set -euo pipefail
address=$1 picture=$2

# 1. Upload the picture: the answer is its path on the server.
path=$(curl -sf -F "files=@$picture" "$address/gradio_api/upload" | sed 's/^\["//; s/"\]$//')

# 2. Ask. The data are the parameters in order: picture, model ("" for the page's own choice), size_px, keep_shape, top.
file="{\"path\": \"$path\", \"meta\": {\"_type\": \"gradio.FileData\"}}"
event=$(curl -sf -H "Content-Type: application/json" -d "{\"data\": [$file, \"\", 0, false, 3]}" \
    "$address/gradio_api/call/predict" | sed 's/.*"event_id": *"//; s/".*//')

# 3. Read the answer as it comes.
curl -sfN "$address/gradio_api/call/predict/$event"
