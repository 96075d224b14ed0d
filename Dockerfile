# The bot with everything it needs; the GPU comes in with `docker run --gpus all`.
#   docker build -t imagine-sound .            TORCH=cpu or cuda chooses: --build-arg TORCH=cpu
#   docker run --gpus all --env-file .env -v imagine-sound:/data --read-only --tmpfs /tmp --cap-drop ALL \
#     --security-opt no-new-privileges --pids-limit 2048 --memory 16g imagine-sound
# The token as a file instead of a line in .env: -v ./token:/run/secrets/DISCORD_TOKEN:ro, readable by user 1000.
# docs/security.md says what each of these is for; compose.yaml says the same to `docker compose`.
FROM python:3.11-slim AS base
# MediaPipe is linked against these, though it needs no screen
RUN apt-get update && apt-get install -y --no-install-recommends libegl1 libgles2 && rm -rf /var/lib/apt/lists/*

FROM base AS build
RUN apt-get update && apt-get install -y --no-install-recommends make binutils
ARG TORCH=auto TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
ENV VENV=/opt/imagine-sound PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY Makefile constraints.txt ./
COPY deploy deploy
RUN make VENV=$VENV TORCH=$TORCH TORCH_CPU_INDEX=$TORCH_CPU_INDEX torch
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY bot bot
RUN $VENV/bin/pip install --quiet --constraint constraints.txt --no-deps ./deploy/without-opencv \
    && $VENV/bin/pip install --quiet --constraint constraints.txt .[speech]
RUN sh deploy/slim.sh $VENV

FROM base
RUN useradd --create-home --uid 1000 imagine && mkdir /data && chown imagine:imagine /data
COPY --from=build /opt/imagine-sound /opt/imagine-sound
# torch.compile needs a C compiler, on a GPU only
RUN if [ -e /opt/imagine-sound/torch-cuda ]; then apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*; fi

USER imagine
ENV PATH=/opt/imagine-sound/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    DATA_DIR=/data MODEL_CACHE=/data/models HF_HOME=/data/huggingface ADAPTERS_DIR=/data/adapters \
    MPLCONFIGDIR=/tmp/matplotlib PYTHONUNBUFFERED=1 WEB_BIND=0.0.0.0:8080
VOLUME /data
# What is named without a directory goes where it stays, and can be written
WORKDIR /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["imagine-sound", "health"]
STOPSIGNAL SIGTERM
CMD ["imagine-sound-bot"]
