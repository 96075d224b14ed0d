# The bot with everything it needs; the GPU comes in with `docker run --gpus all`.
#   docker build -t imagine-sound .
#   docker run --gpus all --env-file .env -v imagine-sound:/data --read-only --tmpfs /tmp --cap-drop ALL \
#     --security-opt no-new-privileges --pids-limit 2048 --memory 16g imagine-sound
# The token as a file instead of a line in .env: -v ./token:/run/secrets/DISCORD_TOKEN:ro, readable by user 1000.
# docs/security.md says what each of these is for.
FROM python:3.11-slim

# MediaPipe is linked against the first four, though it needs no screen; torch.compile needs a C compiler
RUN apt-get update && apt-get install -y --no-install-recommends libegl1 libgles2 libgl1 libglib2.0-0 \
    gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 imagine && mkdir /data && chown imagine:imagine /data
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY core core
COPY bot bot
RUN pip install --no-cache-dir --constraint constraints.txt .[speech]

USER imagine
ENV DATA_DIR=/data MODEL_CACHE=/data/models HF_HOME=/data/huggingface ADAPTERS_DIR=/data/adapters \
    TORCHINDUCTOR_CACHE_DIR=/data/compiled TRITON_CACHE_DIR=/data/compiled/triton MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONUNBUFFERED=1
VOLUME /data
STOPSIGNAL SIGTERM
CMD ["imagine-sound-bot"]
